# SPDX-License-Identifier: Apache-2.0
"""A CMSIS-SVD description of the registers, for debuggers and driver generators.

Source: CMSIS System View Description, schema version 1.3 (Arm).
"""

from __future__ import annotations

from ..hdl.config import Config
from ..hdl.isa import ERROR_DOCUMENTATION, ErrorCode, ErrorSource
from ..hdl.registers import ADDRESS_WIDTH, REGISTERS, Access, configuration_value
from .template import render

__all__ = ["svd"]

_ACCESS = {
    Access.READ_ONLY: "read-only",
    Access.READ_WRITE: "read-write",
    Access.WRITE_ONE_TO_CLEAR: "read-write",
    Access.WRITE_ONE_TO_ACT: "write-only",
}


def svd(config: Config) -> str:
    """The SVD file of a configuration; its registers' constants are their reset values."""
    return render(
        "weft.svd.j2",
        config=config,
        registers=REGISTERS,
        access=lambda item: _ACCESS[item.access],
        one_to_clear=lambda item: item.access is Access.WRITE_ONE_TO_CLEAR,
        reset=lambda item: configuration_value(item, config) if item.constant else item.reset,
        enumerated={
            ("ERROR_CODE", "CODE"): [
                (code.name, code.value, ERROR_DOCUMENTATION[code][0]) for code in ErrorCode
            ],
            ("ERROR_CODE", "SOURCE"): [
                (source.name, source.value, f"{source.name.capitalize()}.")
                for source in ErrorSource
            ],
        },
        size=1 << ADDRESS_WIDTH,
    )
