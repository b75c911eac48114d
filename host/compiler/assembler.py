# SPDX-License-Identifier: Apache-2.0
"""Programs as text, one instruction a line, and back.

::

    ; a comment, also after an instruction
    .segment 0 name=A bytes=1024 role=input
    LOAD memory=weight address=0 segment=0 offset=0 bytes=16 count_x=16 stride_x=16 signal={0}
    MATMUL channel_blocks=1 output_x=16 last_rows=16 accumulate wait={0} signal={1}

Numbers are decimal, hexadecimal (``0x``) or binary (``0b``). Fields left out have their defaults;
the text `disassemble` writes leaves them out.
"""

from __future__ import annotations

import enum
import re

from ..hdl.config import SEMAPHORE_COUNT, Config
from ..hdl.isa import FORMATS, Format, Instruction, InstructionError, Memory, Opcode, Unit
from .program import Program, ProgramError, SegmentNeed

__all__ = ["AssemblyError", "assemble", "disassemble", "format_instruction", "parse_instruction"]


class VectorMemory(enum.Enum):
    """The memories a VECTOR can name, in one bit."""

    ACTIVATION = 0
    ACCUMULATOR = 1


_NAMED: dict[str, type[enum.Enum]] = {
    "memory": Memory,
    "source_memory": VectorMemory,
    "destination_memory": VectorMemory,
    "unit": Unit,
}
_MASKS = ("wait", "signal")
_TOKEN = re.compile(r"\S+=\{[^}]*\}|\S+")
_COMMENT = re.compile(r"[;#].*")


class AssemblyError(ProgramError):
    """Text that is no program; the message starts with the line number."""


def _mask_text(mask: int) -> str:
    return "{" + ",".join(str(n) for n in range(SEMAPHORE_COUNT) if mask >> n & 1) + "}"


def _numbers(name: str) -> dict[str, int]:
    """The numbers behind the names that a field's value can have."""
    return {item.name.lower(): int(item.value) for item in _NAMED[name]}


def format_instruction(instruction: Instruction) -> str:
    """The instruction as a line of text.

    >>> format_instruction(Instruction(Opcode.LOAD, {"memory": 1, "bytes": 4}, signal=0b101))
    'LOAD memory=weight bytes=4 signal={0,2}'
    """
    parts = [instruction.opcode.name]
    for item in instruction.format.fields:
        value = instruction[item.name]
        if item.name in _NAMED:
            names = {number: name for name, number in _numbers(item.name).items()}
            parts.append(f"{item.name}={names.get(value, value)}")
        elif value != item.default:
            parts.append(f"{item.name}={value}")
    flags = instruction.format.flags.items()
    parts += [name for name, (bit, _) in flags if instruction.flags & bit]
    parts += [
        f"{name}={_mask_text(getattr(instruction, name))}"
        for name in _MASKS if getattr(instruction, name)
    ]
    return " ".join(parts)


def _number(text: str, name: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise InstructionError(f"{name} must be a number, not {text!r}") from None


def _value(name: str, text: str) -> int:
    if name in _NAMED:
        names = _numbers(name)
        if text.lower() in names:
            return names[text.lower()]
        if not text[:1].isdigit():
            raise InstructionError(f"{name} must be one of {', '.join(names)}, not {text!r}")
    return _number(text, name)


def _mask(name: str, text: str) -> int:
    if not (text.startswith("{") and text.endswith("}")):
        raise InstructionError(f"{name} must be a set of semaphores as {{0,3}}, not {text!r}")
    mask = 0
    for item in filter(None, (part.strip() for part in text[1:-1].split(","))):
        number = _number(item, name)
        if not 0 <= number < SEMAPHORE_COUNT:
            raise InstructionError(
                f"{name}: a semaphore must be from 0 to {SEMAPHORE_COUNT - 1}, not {number}"
            )
        mask |= 1 << number
    return mask


def _opcode(text: str) -> Format:
    try:
        return FORMATS[Opcode[text.upper()]]
    except KeyError:
        raise InstructionError(
            f"the operation must be one of {', '.join(item.name for item in Opcode)}, "
            f"not {text!r}"
        ) from None


def parse_instruction(line: str) -> Instruction:
    """The instruction in a line of text; raises `InstructionError`.

    >>> parse_instruction("SYNC unit=store wait={7}").wait
    128
    """
    first, *tokens = _TOKEN.findall(line)
    form = _opcode(first)
    fields = {item.name for item in form.fields}
    values: dict[str, int] = {}
    masks = dict.fromkeys(_MASKS, 0)
    flags = 0
    seen: set[str] = set()
    for token in tokens:
        name, equals, text = token.partition("=")
        if name in seen:
            raise InstructionError(f"{name} is given twice")
        seen.add(name)
        if not equals and name in form.flags:
            flags |= form.flags[name][0]
        elif not equals:
            known = ", ".join(form.flags) or "none"
            raise InstructionError(f"{form.opcode.name} has no flag {name!r} (flags: {known})")
        elif name in _MASKS:
            masks[name] = _mask(name, text)
        elif name in fields:
            values[name] = _value(name, text)
        else:
            raise InstructionError(
                f"{form.opcode.name} has no field {name!r} (fields: "
                f"{', '.join(item.name for item in form.fields)})"
            )
    return Instruction(form.opcode, values, masks["wait"], masks["signal"], flags)


def _segment(text: str) -> SegmentNeed:
    tokens = text.split()
    if len(tokens) < 2:
        raise InstructionError(".segment needs a number")
    values = dict(token.partition("=")[::2] for token in tokens[2:])
    unknown = sorted(set(values) - {"name", "bytes", "role"})
    if unknown or "bytes" not in values:
        raise InstructionError(".segment takes name=, bytes= and role=, and needs bytes=")
    number = _number(tokens[1], "a segment")
    return SegmentNeed(
        number, values.get("name", f"segment{number}"), _number(values["bytes"], "bytes"),
        values.get("role", "input"),
    )


def assemble(text: str, config: Config | None = None) -> Program:
    """The program in ``text``.

    Raises
    ------
    AssemblyError
        With line number and reason.

    >>> len(assemble("SYNC unit=load signal={0}\\nSYNC unit=store wait={0}  ; done"))
    2
    """
    instructions: list[Instruction] = []
    segments: list[SegmentNeed] = []
    for number, line in enumerate(text.splitlines(), 1):
        content = _COMMENT.sub("", line).strip()
        if not content:
            continue
        try:
            if content.startswith(".segment"):
                segments.append(_segment(content))
            else:
                instructions.append(parse_instruction(content))
        except (InstructionError, ProgramError) as error:
            raise AssemblyError(f"line {number}: {error}") from error
    return Program(instructions, segments, config)


def disassemble(program: Program, *, numbers: bool = False) -> str:
    """The program as text that `assemble` reads back.

    Parameters
    ----------
    numbers : bool
        Put each instruction's index in a comment after it.
    """
    lines = [
        f".segment {need.number} name={need.name.replace(' ', '_') or '_'} bytes={need.bytes} "
        f"role={need.role}"
        for need in program.segments
    ]
    for index, instruction in enumerate(program.instructions):
        lines.append(format_instruction(instruction) + (f"  ; {index}" if numbers else ""))
    return "".join(f"{line}\n" for line in lines)
