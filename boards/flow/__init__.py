# SPDX-License-Identifier: Apache-2.0
"""Synthesis, placement and routing with Yosys and nextpnr, and what they report."""
