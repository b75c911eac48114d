# SPDX-License-Identifier: Apache-2.0
"""Weft, a generator of systolic-array matrix accelerators for FPGAs."""

__version__ = "0.1.0"
