# SPDX-License-Identifier: Apache-2.0
"""The accelerator compiled by Verilator as a shared library."""

from .build import BuildError, build_library, cache_directory
from .transport import AxiViolation, VerilatedTransport

__all__ = ["AxiViolation", "BuildError", "VerilatedTransport", "build_library", "cache_directory"]
