# SPDX-License-Identifier: Apache-2.0
"""Whole generated directories."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from weft.generators import generate as module
from weft.generators.generate import MODULES, generate
from weft.generators.verilog import verilator_flags
from weft.hdl.config import Config
from weft.sim.tools import find_verilator, verilator_environment

FILES = {
    "array": {"weft_array.v", "manifest.json", "config.yaml", "weft.core"},
    "accelerator": {
        "weft_accelerator.v",
        "manifest.json",
        "config.yaml",
        "weft.core",
        "weft_registers.h",
        "weft.svd",
        "registers.md",
    },
}
TOPS = sorted(MODULES)
SMALL = Config.preset("tiny", rows=3, cols=2)
GENERATE = """
import sys
from weft.generators.generate import generate
from weft.hdl.config import Config
generate(Config.preset("tiny", rows=3, cols=2), sys.argv[1], sys.argv[2])
"""


@pytest.mark.parametrize(
    ("family", "blocks"), [("ecp5", {"MULT18X18D", "CCU2C"}), ("xilinx7", set())]
)
def test_models_of_the_blocks_come_with_the_design(
    tmp_path: Path, family: str, blocks: set[str]
) -> None:
    values = generate(SMALL.replace(family=family, multipliers=4), "array", tmp_path)
    models = FILES["array"] | {f"{family}_models.v"} if blocks else FILES["array"]
    assert {item.name for item in tmp_path.iterdir()} == models
    assert not blocks & set(values["modules"])
    if blocks:
        text = (tmp_path / f"{family}_models.v").read_text()
        assert set(re.findall(r"^module (\w+)", text, re.M)) == blocks


@pytest.mark.parametrize("top", TOPS)
def test_files_and_manifest(tmp_path: Path, top: str) -> None:
    values = generate(SMALL, top, tmp_path / "a" / "b")
    folder = tmp_path / "a" / "b"
    assert {item.name for item in folder.iterdir()} == FILES[top]
    assert json.loads((folder / "manifest.json").read_text()) == values
    assert values["top"] == top
    assert values["module"] == MODULES[top]
    assert values["module"] in values["modules"]
    assert values["config"] == SMALL.to_dict()
    assert set(values["files"]) == FILES[top] - {"manifest.json"}
    for name, entry in values["files"].items():
        content = (folder / name).read_bytes()
        assert entry == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert Config.from_yaml(folder / "config.yaml") == SMALL


@pytest.mark.parametrize("top", TOPS)
def test_ports_are_those_of_the_verilog(tmp_path: Path, top: str) -> None:
    values = generate(SMALL, top, tmp_path)
    text = (tmp_path / f"{MODULES[top]}.v").read_text()
    start = text.index(f"module {MODULES[top]} (")
    body = text[start : text.index("endmodule", start)]
    for port in values["ports"]:
        width = "" if port["width"] == 1 else f"[{port['width'] - 1}:0] "
        declaration = rf"^  {port['direction']} (wire|reg) {re.escape(width)}{port['name']}\b"
        assert re.search(declaration, body, re.M), port
    assert body.count("\n  input ") + body.count("\n  output ") == len(values["ports"])


@pytest.mark.parametrize("top", TOPS)
def test_same_bytes_from_different_processes(tmp_path: Path, top: str) -> None:
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", GENERATE, top, str(tmp_path / seed)],
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
    for name in FILES[top]:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name


@pytest.mark.parametrize("top", TOPS)
def test_no_lint_but_the_waived(tmp_path: Path, top: str) -> None:
    generate(SMALL, top, tmp_path)
    done = subprocess.run(
        [find_verilator(), "--lint-only", *verilator_flags(), f"{MODULES[top]}.v"],
        cwd=tmp_path,
        env=verilator_environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr


def test_large_array_is_fast_and_small(tmp_path: Path) -> None:
    began = time.process_time()
    values = generate(Config(rows=128, cols=128), "array", tmp_path)
    assert time.process_time() - began < 6  # 3 s are the aim, on a machine of its own
    assert values["files"]["weft_array.v"]["bytes"] <= 200_000


def test_nothing_appears_when_generation_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate(SMALL, "array", tmp_path)
    before = {item.name: item.read_bytes() for item in tmp_path.iterdir()}

    def fail(*arguments: object) -> str:
        raise OSError("disk full")

    monkeypatch.setattr(module, "manifest_text", fail)
    with pytest.raises(OSError, match="disk full"):
        generate(Config(rows=4, cols=4), "array", tmp_path)
    assert {item.name: item.read_bytes() for item in tmp_path.iterdir()} == before


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    generate(SMALL, "array", tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_unknown_top(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="top must be one of accelerator, array, not 'board'"):
        generate(SMALL, "board", tmp_path / "x")
    assert not (tmp_path / "x").exists()
