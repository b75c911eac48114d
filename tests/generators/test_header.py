# SPDX-License-Identifier: Apache-2.0
"""The C header: compiled without a warning, and it encodes what `Instruction` encodes."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from weft.generators.header import c_header
from weft.hdl.config import Config
from weft.hdl.isa import FORMATS, Instruction
from weft.hdl.registers import REGISTERS

WARNINGS = ["-Wall", "-Wextra", "-pedantic", "-Werror"]
COMPILERS = [("gcc", "c", "c99"), ("gcc", "c", "c11"), ("g++", "c++", "c++11")]


def run(folder: Path, source: str) -> str:
    (folder / "weft_registers.h").write_text(c_header(Config()))
    (folder / "main.c").write_text('#include <stdio.h>\n#include "weft_registers.h"\n' + source)
    subprocess.run(
        ["gcc", "-std=c99", *WARNINGS, "-o", "main", "main.c"], cwd=folder, check=True
    )
    return subprocess.run(["./main"], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(("compiler", "language", "standard"), COMPILERS)
def test_compiles_alone_without_warnings(
    tmp_path: Path, compiler: str, language: str, standard: str
) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"no {compiler}")
    (tmp_path / "weft_registers.h").write_text(c_header(Config()))
    (tmp_path / "user.c").write_text(
        '#include "weft_registers.h"\n#include "weft_registers.h"\nint user(void);\n'
        "int user(void) { return (int)WEFT_CONTROL_START_MASK; }\n"
    )
    done = subprocess.run(
        [compiler, f"-std={standard}", *WARNINGS, "-x", language, "-c", "user.c"],
        cwd=tmp_path, capture_output=True, text=True,
    )
    assert done.returncode == 0, done.stderr


def test_offsets_fields_and_constants(tmp_path: Path) -> None:
    lines, expected = [], []
    for item in REGISTERS:
        lines.append(f'printf("%u\\n", WEFT_{item.name}_OFFSET);')
        expected.append(item.offset)
        for field in item.fields:
            name = f"WEFT_{item.name}_{field.name}"
            lines.append(f'printf("%u\\n%u\\n", {name}_MASK, {name}_SHIFT);')
            expected += [((1 << field.width) - 1) << field.low, field.low]
    lines.append('printf("%u\\n%u\\n", WEFT_ROWS_VALUE, WEFT_ERROR_PROGRAM_ADDRESS);')
    expected += [16, 10]
    output = run(tmp_path, "int main(void) {" + "\n".join(lines) + "return 0; }")
    assert [int(line) for line in output.split()] == expected


def test_instruction_macros_encode_like_the_isa(tmp_path: Path) -> None:
    generator = random.Random(1)
    lines, expected = ["uint32_t word[8]; unsigned i;"], []
    for opcode, form in FORMATS.items():
        for trial in range(8):
            values = {
                field.name: generator.choice(
                    [field.low, field.high, generator.randint(field.low, field.high)]
                )
                for field in form.fields
            }
            wait, signal = generator.getrandbits(16), generator.getrandbits(16)
            item = Instruction(opcode, values, wait=wait, signal=signal, flags=form.flag_mask)
            # Start from all ones in half of the trials: every stored bit has to be overwritten.
            start = 0xFFFFFFFF if trial % 2 and form.used_width == 256 else 0
            lines.append(f"for (i = 0; i < 8; ++i) word[i] = {start}u;")
            fields = {"opcode": opcode.value, "flags": form.flag_mask, "wait": wait,
                      "signal": signal, **values}
            for name, value in fields.items():
                macro = f"{opcode.name}_{name.upper()}"
                lines.append(f"WEFT_SET(word, {macro}, {value}LL);")
                lines.append(
                    f"if (WEFT_GET(word, {macro}) != "
                    f"(uint32_t)({value}LL & "
                    f"{'0xFFFFFFFFLL' if value >= 0 else hex((1 << _width(form, name)) - 1)}))"
                    f' puts("{macro}");'
                )
            lines.append('for (i = 8; i--;) printf("%08x", (unsigned)word[i]);\nputs("");')
            expected.append(item.encode())
    output = run(tmp_path, "int main(void) {" + "\n".join(lines) + "return 0; }")
    assert [int(line, 16) for line in output.split()] == expected


def _width(form: object, name: str) -> int:
    return next(item.width for item in form.all_fields if item.name == name)  # type: ignore[attr-defined]
