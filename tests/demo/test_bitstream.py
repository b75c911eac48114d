# SPDX-License-Identifier: Apache-2.0
"""`weft demo --board`, with a small design in the place of the board's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from weft.boards import build
from weft.boards.flow.tools import FlowError
from weft.cli import main
from weft.hdl.config import Config

ARGUMENTS = ["demo", "--target", "reference", "--images", "10", "--board", "icebreaker"]


def test_ends_with_a_bitstream(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], stand_in_board: list[Config]
) -> None:
    assert main([*ARGUMENTS, "-o", str(tmp_path)]) == 0
    printed = capfd.readouterr().out
    assert f"bitstream     {tmp_path / 'board' / 'icebreaker.bin'}, " in printed
    assert "at least the board's 24 MHz" in printed
    (config,) = stand_in_board
    assert (config.rows, config.cols, config.lanes) == (4, 4, 0)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<h2>A bitstream</h2>" in page and "<title>Floorplan</title>" in page
    assert 'href="board/report.html"' in page
    assert (tmp_path / "board" / "report.html").exists()
    figures = json.loads((tmp_path / "board" / "result.json").read_text(encoding="utf-8"))
    assert f"<b>{figures['fmax_mhz']} MHz</b>" in page


def test_goes_on_without_the_tools(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise FlowError("icepack is not installed; install it with: pip install x")

    monkeypatch.setattr(build, "build_board", refuse)
    assert main([*ARGUMENTS, "-o", str(tmp_path)]) == 0
    printed = capfd.readouterr().out
    assert "bitstream     none for the iCEBreaker: icepack is not installed; install it" in printed
    assert "<h2>A bitstream</h2>" not in (tmp_path / "index.html").read_text(encoding="utf-8")
