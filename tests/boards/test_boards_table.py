# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/fpga.md."""

import importlib.util
from pathlib import Path

import pytest

from weft.boards import BOARDS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bench():
    specification = importlib.util.spec_from_file_location(
        "bench_fpga", ROOT / "scripts" / "bench_fpga.py"
    )
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_boards_are_those_described(bench):
    text = bench.DOCUMENT.read_text(encoding="utf-8")
    assert bench.table_of(text, "boards") == bench.board_table()


def test_a_build_replaces_its_own_row(bench):
    first, second, *_ = BOARDS
    before = bench.merged("", {second: f"| `{second}` | old |\n"})
    after = bench.merged(before, {first: f"| `{first}` | 1 |\n"})
    assert after == f"{bench.BUILD_HEAD}| `{first}` | 1 |\n| `{second}` | old |\n"
    again = bench.merged(after, {second: f"| `{second}` | new |\n"})
    assert again == f"{bench.BUILD_HEAD}| `{first}` | 1 |\n| `{second}` | new |\n"


def test_markers(bench):
    text = "a\n<!-- builds begin -->\nold\n<!-- builds end -->\nb\n"
    assert bench.replaced(text, "builds", "new\n") == text.replace("old", "new")
    with pytest.raises(SystemExit, match="no markers for 'boards'"):
        bench.table_of(text, "boards")
