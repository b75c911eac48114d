# SPDX-License-Identifier: Apache-2.0
"""The generated reference pages, and that those in the tree are up to date."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from weft.generators.markdown import instruction_reference, register_map, register_reference
from weft.hdl.config import Config
from weft.hdl.isa import FORMATS
from weft.hdl.registers import REGISTERS

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "generate_docs.py"


def run_script(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, cwd=ROOT / "docs"
    )


def test_every_register_has_a_row() -> None:
    for text in (register_reference(), register_map(Config.preset("tiny"))):
        rows = re.findall(r"^\| `0x([0-9A-F]{3})` \| (\w+) \|", text, re.M)
        assert [(int(offset, 16), name) for offset, name in rows] == [
            (item.offset, item.name) for item in REGISTERS
        ]


def test_register_map_shows_the_configuration() -> None:
    text = register_map(Config(rows=5, cols=7))
    assert "| `0x010` | ROWS | read-only | 5 |" in text
    assert "| `0x014` | COLS | read-only | 7 |" in text
    assert "| `0x010` | ROWS | read-only | configuration |" in register_reference()


def test_every_field_has_its_bits() -> None:
    sections = re.split(r"^## ", instruction_reference(), flags=re.M)
    for form in FORMATS.values():
        section = next(s for s in sections if s.startswith(form.opcode.name + " ("))
        rows = re.findall(r"^\| (?:(\d+):)?(\d+) \| (\w+) \| [^|]* \| [^|]* \|", section, re.M)
        position = 0
        for (high, low, name), field in zip(rows, form.all_fields, strict=False):
            assert (name, int(low)) == (field.name, position)
            position += field.width
            assert int(high or low) == position - 1
        assert position == form.used_width


def test_pages_have_not_drifted() -> None:
    done = run_script("--check")
    assert done.returncode == 0, done.stderr


def test_check_finds_drift_and_a_run_repairs_it(tmp_path: Path) -> None:
    for name in ("registers.md", "isa.md", "link.md"):
        shutil.copy(ROOT / "docs" / name, tmp_path)
    page = tmp_path / "registers.md"
    fresh = page.read_text()
    page.write_text(fresh.replace("| ROWS |", "| LINES |"))
    done = run_script("--check", "--docs", str(tmp_path))
    assert done.returncode == 1
    assert "registers.md has drifted; run: python scripts/generate_docs.py" in done.stderr
    assert "| LINES |" in page.read_text()
    assert run_script("--docs", str(tmp_path)).returncode == 0
    assert page.read_text() == fresh
