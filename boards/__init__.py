# SPDX-License-Identifier: Apache-2.0
"""Boards, and the flow from Verilog to a bitstream."""

from .registry import BOARDS, board_named

__all__ = ["BOARDS", "board_named"]
