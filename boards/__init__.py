# SPDX-License-Identifier: Apache-2.0
"""Boards, and the flow from Verilog to a bitstream."""
