# SPDX-License-Identifier: Apache-2.0
"""The command, from flags to files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from weft.cli import main
from weft.demo.digits import load_network


@pytest.mark.parametrize("target", ["reference", "simulator"])
def test_json_is_one_object_on_one_line(
    target: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    status = main(["demo", "--target", target, "--images", "20", "--json", "-o", str(tmp_path)])
    output = capfd.readouterr().out
    assert status == 0
    assert output.count("\n") == 1
    facts = json.loads(output)
    assert facts["images"] == 20
    assert facts["equal_to_reference"] is True
    assert facts["values_different"] == 0
    assert facts["cycles"] is None
    assert (tmp_path / "index.html").stat().st_size > 10_000
    assert (tmp_path / "weft_accelerator.v").exists()


def test_rtl_counts_cycles_and_equals_numpy(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    status = main(["demo", "--images", "40", "--json", "-o", str(tmp_path)])
    facts = json.loads(capfd.readouterr().out)
    assert status == 0
    assert facts["equal_to_reference"] is True
    counters = facts["counters"]
    array = sum(value for name, value in counters.items() if name.startswith("ARRAY_"))
    assert array == counters["CYCLES"] == facts["cycles"] > 0
    assert "Where the cycles went" in (tmp_path / "index.html").read_text()
    assert (tmp_path / "network.vcd").stat().st_size > 10_000
    timeline = json.loads((tmp_path / "timeline.json").read_text())["traceEvents"]
    assert any(event["ph"] == "X" for event in timeline)
    assert counters["VECTOR_BUSY"] > 0


def test_readme_shows_what_the_command_prints(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "-o", str(tmp_path)]) == 0
    printed = capfd.readouterr().out
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    shown = readme.partition("$ weft demo\n")[2].partition("```")[0]
    assert "accuracy" in shown
    assert printed.startswith(shown)


def test_text_says_what_the_host_did(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status = main(["demo", "--target", "reference", "--images", "10", "-o", str(tmp_path)])
    output = capfd.readouterr().out
    assert status == 0
    assert "on the host   pixels to int8 before the first layer, the largest of ten" in output
    assert "0 differ" in output


def test_more_images_than_there_are(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    count = len(load_network().test_index)
    status = main(["demo", "--images", str(count + 1), "-o", str(tmp_path)])
    assert status != 0
    assert f"there are {count} test images, not {count + 1}" in capfd.readouterr().err
