# SPDX-License-Identifier: Apache-2.0
"""A C header with the registers and the instruction formats."""

from __future__ import annotations

from ..hdl import isa
from ..hdl.config import SEGMENT_COUNT, SEMAPHORE_COUNT, Config
from ..hdl.registers import REGISTERS, BitField, configuration_value
from .template import render

__all__ = ["c_header"]


def c_header(config: Config) -> str:
    """The header of a configuration: C99 and C++, without dependencies.

    Registers give ``WEFT_<REGISTER>_OFFSET`` and per field ``_SHIFT`` and ``_MASK``. Instruction
    fields give ``_LSB``, ``_WIDTH`` and ``_BIAS``, used through ``WEFT_SET`` and ``WEFT_GET``.
    """
    return render(
        "registers.h.j2",
        config=config,
        parameters=[
            (name, value) for name, value in config.to_dict().items() if isinstance(value, int)
        ],
        registers=REGISTERS,
        value=lambda item: configuration_value(item, config),
        mask=_mask,
        formats=isa.FORMATS.values(),
        positions=instruction_positions,
        enumerations=[
            ("OPCODE", "Operations", isa.Opcode),
            ("UNIT", "Execution units", isa.Unit),
            ("MEMORY", "On-chip memories", isa.Memory),
            ("ERROR", "Values of ERROR_CODE.CODE", isa.ErrorCode),
            ("SOURCE", "Values of ERROR_CODE.SOURCE", isa.ErrorSource),
        ],
        instruction_bytes=isa.INSTRUCTION_BYTES,
        segments=SEGMENT_COUNT,
        semaphores=SEMAPHORE_COUNT,
    )


def _mask(field: BitField) -> int:
    return ((1 << field.width) - 1) << field.low


def instruction_positions(form: isa.Format) -> list[tuple[isa.Field, int]]:
    """Every field of a format with the position of its lowest bit."""
    result, position = [], 0
    for item in form.all_fields:
        result.append((item, position))
        position += item.width
    return result
