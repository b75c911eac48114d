# SPDX-License-Identifier: Apache-2.0
"""Targets that run programs: reference, simulator, verilated RTL, boards."""
