# SPDX-License-Identifier: Apache-2.0
"""The accelerator compiled by Verilator as a shared library."""
