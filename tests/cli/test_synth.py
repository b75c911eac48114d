# SPDX-License-Identifier: Apache-2.0
"""`weft synth` on a design small enough for a test."""

import json
import re
import xml.etree.ElementTree as xml

import pytest
from click.testing import CliRunner

from weft.boards.flow.families import FAMILIES
from weft.cli import main
from weft.hdl.config import FAMILIES as CONFIGURED

COMMAND = ["synth", "--top", "array", "--rows", "1", "--cols", "2", "--family", "ice40", "--json"]


def run(capfd, *arguments):
    status = main([*COMMAND, *arguments])
    return status, json.loads(capfd.readouterr().out)


def test_synth(tmp_path, capfd):
    status, values = run(capfd, "--seeds", "3", "-o", str(tmp_path))
    assert status == 0
    assert values["device"] == "UP5K" and values["config"]["multipliers"] == 16
    assert len(values["fmax_mhz_seeds"]) == 3
    assert values["fmax_mhz"] == sorted(values["fmax_mhz_seeds"])[1]
    assert (values["dsp"], values["bram"], values["ccu2c"]) == (1, 0, 0)
    # A shadow and a weight for each column, at least.
    assert values["ff"] >= 2 * 16 and values["lut4"] >= values["ff"]
    assert values["lut_per_mac"] == round(values["lut4"] / 2, 2)
    units = values["units"]
    assert {"array.mesh", "harness"} <= set(units)
    for name in ("lut4", "ff", "dsp"):
        counted = sum(count.get(name, 0) for unit, count in units.items() if unit != "harness")
        assert counted == values[name]
    path = values["critical_path"]
    # From a register of the array or an input of the design.
    for end in (path["from"], path["to"]):
        assert re.match(r"(array|top)\b", end["unit"]) and end["stage"]
    nanoseconds = path["logic_ns"] + path["routing_ns"]
    assert nanoseconds == pytest.approx(1000 / values["fmax_mhz"], abs=0.02)
    saved = json.loads((tmp_path / "result.json").read_text())
    assert saved == {key: value for key, value in values.items() if key != "report"}


def test_report(tmp_path, capfd):
    _, values = run(capfd, "-o", str(tmp_path))
    page = (tmp_path / "report.html").read_text()
    assert values["report"] == str(tmp_path / "report.html")
    assert f"{values['fmax_mhz']:.1f} MHz" in page
    picture = xml.fromstring(re.search(r"<svg.*?</svg>", page, re.S)[0])
    shapes = picture.findall("{*}rect")
    assert sum(shape.get("class") == "block" for shape in shapes) == values["dsp"]
    colours = {shape.get("fill") for shape in shapes[1:]}
    for unit in values["units"]:
        legend = re.search(rf'background:(#\w+)"></i>{re.escape(unit)}<', page)
        assert legend is not None
    assert len(colours) > 1
    for source in re.findall(r'(?:src|href)="([^"]*)"', page):
        raise AssertionError(f"the page needs {source}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "UP9K"], "device must be one of"),
        (["--family", "generic"], "family must be one of ecp5, ice40, gowin, nexus, not 'gener"),
    ],
)
def test_synth_refuses(arguments, message, capfd):
    status, values = run(capfd, *arguments)
    assert status != 0
    assert message in json.dumps(values)


def test_families_are_those_of_the_configuration():
    assert set(FAMILIES) < set(CONFIGURED)
    for family in FAMILIES.values():
        assert family.part.device in family.multipliers
        assert family.part_arguments(family.part)


def test_help_names_every_option():
    from weft.cli.synth import command

    text = CliRunner().invoke(command, ["--help"]).output
    for option in ("--top", "--device", "--package", "--speed", "--seeds", "--placer", "--family"):
        assert option in text
