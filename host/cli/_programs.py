# SPDX-License-Identifier: Apache-2.0
"""Programs as files: binary ``.weft``, assembler text, or bare instructions."""

from __future__ import annotations

from pathlib import Path

from ..compiler.assembler import assemble
from ..compiler.program import Program

__all__ = ["read_program"]

MAGIC = b"WEFTPROG"


def read_program(path: Path) -> Program:
    """The program in a file; raises `ProgramError` or `AssemblyError` where it is damaged.

    A file that starts with ``WEFTPROG`` is a program file; one that is text is assembler; anything
    else is bare instructions of 32 bytes.
    """
    content = path.read_bytes()
    if content.startswith(MAGIC):
        return Program.from_file_bytes(content)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return Program.from_bytes(content)
    if any(ord(letter) < 32 and letter not in "\t\r\n" for letter in text):
        return Program.from_bytes(content)
    return assemble(text)
