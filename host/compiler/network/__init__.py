# SPDX-License-Identifier: Apache-2.0
"""From a graph to programs of the accelerator and steps of the host."""

from .compiled import AcceleratorStep, CompiledModel, HostStep
from .pipeline import compile_network

__all__ = ["AcceleratorStep", "CompiledModel", "HostStep", "compile_network"]
