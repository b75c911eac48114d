# SPDX-License-Identifier: Apache-2.0
"""The generated part of the host link's reference page."""

from __future__ import annotations

from amaranth.hdl import Shape
from amaranth.lib import data

from ..hdl.link.protocol import (
    CLOCK_UNIT_HZ,
    ESCAPE,
    ESCAPE_INVERT,
    FLAG,
    IDENTITY_LAYOUT,
    PAGE_BYTES,
    PAGE_WORDS,
    PROTOCOL_VERSION,
    REQUEST_LAYOUT,
    RESPONSE_LAYOUT,
    Command,
    Request,
    Status,
)

__all__ = ["link_reference"]


def _fields(title: str, layout: data.StructLayout) -> list[str]:
    lines = [f"{title}:", "", "| bits | field |", "|---|---|"]
    for name, field in layout:
        low, width = field.offset, Shape.cast(field.shape).width
        bits = f"{low}" if width == 1 else f"{low + width - 1}:{low}"
        lines.append(f"| {bits} | `{name}` |")
    return [*lines, ""]


def _values(title: str, kind: type[Command] | type[Status]) -> list[str]:
    rows = [f"| {item.value} | {item.name} |" for item in kind]
    return ["| value | " + title + " |", "|---|---|", *rows, ""]


def link_reference() -> str:
    """Constants, layouts and an example as Markdown."""
    example = Request(
        Command.WRITE_MEMORY, 3, 0x1008, 2, [0x11223344, 0x7D7E5566], last_strobe=0b0011
    )
    lines = [
        "| constant | value |",
        "|---|---|",
        f"| version of the protocol | {PROTOCOL_VERSION} |",
        f"| flag | {FLAG:#04x} |",
        f"| escape | {ESCAPE:#04x} |",
        f"| escaped bytes are exclusive-ored with | {ESCAPE_INVERT:#04x} |",
        f"| page | {PAGE_WORDS} words, {PAGE_BYTES} bytes |",
        f"| unit of the clock frequency | {CLOCK_UNIT_HZ} Hz |",
        "",
        *_values("command", Command),
        *_values("status", Status),
        *_fields("Word 0 of a request", REQUEST_LAYOUT),
        *_fields("Word 0 of a response", RESPONSE_LAYOUT),
        *_fields("The word that IDENTIFY reads", IDENTITY_LAYOUT),
        "Example: write the words 0x11223344 and 0x7d7e5566 at 0x1008, of the second only its low",
        "half, as request number 3:",
        "",
        "```",
        example.encode().hex(" "),
        "```",
    ]
    return "\n".join(lines)
