# SPDX-License-Identifier: Apache-2.0
"""The error that stops a simulated program."""

from __future__ import annotations

from ..hdl.isa import ErrorCode, ErrorSource

__all__ = ["Fault"]


class Fault(Exception):
    """An error that stops the program.

    Parameters
    ----------
    code : ErrorCode
        What happened.
    source : ErrorSource
        Where.
    index : int
        Instruction.
    address : int
        As `weft.hdl.isa.ERROR_DOCUMENTATION` defines it for the code.
    """

    def __init__(self, code: ErrorCode, source: ErrorSource, index: int, address: int = 0) -> None:
        super().__init__(f"{code.name} at instruction {index}, address {address:#x}")
        self.code, self.source, self.index, self.address = code, source, index, address
