# SPDX-License-Identifier: Apache-2.0
"""Estimates of what fits a board, and `weft fit --board`."""

import importlib.util
import json
from pathlib import Path

import pytest

from weft.boards import BOARDS
from weft.boards.fit import (
    RESOURCES,
    capacity,
    count_resources,
    estimate,
    largest_arrays,
    load_models,
    modelled,
)
from weft.cli import main
from weft.hdl.config import Config

FITTED = [name for name, board in BOARDS.items() if board.family in load_models()]
ERRORS = {"lut": 0.15, "ff": 0.15, "dsp": 0.0, "bram": 0.15}
"""What the estimate of a synthesis may be off by, as a share of it."""


def test_boards_are_fitted():
    assert {"icebreaker", "ulx3s-85f"} <= set(FITTED)


@pytest.mark.parametrize("family", load_models())
def test_syntheses_are_met(family):
    for point in load_models()[family].points:
        config = Config.from_dict({**point["config"], "family": family})
        products = config.rows * config.cols
        found = modelled(family, config, products, point["memory_bytes"])
        for name, number in count_resources(point["cells"], family).items():
            assert abs(found[name] - number) <= max(2, ERRORS[name] * number), (name, config)


@pytest.mark.parametrize("name", FITTED)
def test_every_resource_grows_with_the_array(name):
    board = BOARDS[name]
    small = estimate(board, board.config.replace(rows=4, cols=4)).used
    large = estimate(board, board.config.replace(rows=8, cols=8)).used
    assert all(small[resource] < large[resource] for resource in ("lut", "ff", "bram"))
    assert small["dsp"] <= large["dsp"]
    assert set(small) == set(capacity(board)) == set(RESOURCES)


def test_products_without_a_multiplier_cost_tables():
    board = BOARDS["ulx3s-85f"]
    hard, soft = (
        estimate(board, board.config.replace(multipliers=count)).used for count in (64, 0)
    )
    assert hard["dsp"] - soft["dsp"] == 64
    assert soft["lut"] - hard["lut"] > 64 * 30


@pytest.mark.parametrize("name", FITTED)
def test_the_largest_fit_and_one_more_row_does_not(name):
    board = BOARDS[name]
    for config, found in largest_arrays(board):
        assert found.fits
        factor = config.cols // config.rows
        assert factor in (1, 2)
        rows = 2 * config.rows if config.execution == "serial" else config.rows + 1
        beyond = config.replace(
            rows=rows, cols=factor * rows,
            weight_depth=max(config.weight_depth, 1 << (rows - 1).bit_length()),
        )
        assert not estimate(board, beyond).fits


def test_the_table_is_that_of_the_syntheses():
    root = Path(__file__).resolve().parents[2]
    specification = importlib.util.spec_from_file_location(
        "bench_fit", root / "scripts" / "bench_fit.py"
    )
    bench = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(bench)
    text = (root / "docs" / "fpga.md").read_text(encoding="utf-8")
    assert f"{bench.BEGIN}{bench.table()}{bench.END}" in text


def test_a_family_without_syntheses(monkeypatch, capfd):
    monkeypatch.setattr("weft.boards.fit.load_models", dict)
    assert main(["fit", "--board", "icebreaker", "--json"]) == 1
    message = json.loads(capfd.readouterr().out)["error"]["message"]
    assert "there are no syntheses of family ice40" in message


def test_command(capfd):
    assert main(["fit", "--board", "ulx3s-85f", "--json"]) == 0
    values = json.loads(capfd.readouterr().out)
    assert values["fits"] and values["board"] == "ulx3s-85f"
    assert values["config"] == BOARDS["ulx3s-85f"].config.to_dict()
    assert set(values["estimate"]) == set(values["available"]) == set(RESOURCES)
    assert values["largest"][0]["rows"] >= 8


def test_an_sdram_takes_no_block_ram(capfd):
    used = []
    for memory in ("block", "sdram"):
        assert main(["fit", "--board", "ulx3s-85f", "--memory", memory, "--json"]) == 0
        used.append(json.loads(capfd.readouterr().out)["estimate"])
    assert used[0]["bram"] - used[1]["bram"] == 64 and used[0]["lut"] == used[1]["lut"]


def test_command_too_large(capfd):
    arguments = ["fit", "--board", "colorlight-i9", "--rows", "16", "--cols", "16"]
    assert main([*arguments, "--json"]) == 1
    values = json.loads(capfd.readouterr().out)
    assert not values["fits"]
    assert any("multiplier blocks, about" in problem for problem in values["problems"])


def test_command_needs_something(capfd):
    assert main(["fit", "--json"]) == 1
    message = json.loads(capfd.readouterr().out)["error"]["message"]
    assert message == "give a MODEL, a --board or both"
