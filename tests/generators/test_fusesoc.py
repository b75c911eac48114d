# SPDX-License-Identifier: Apache-2.0
"""The FuseSoC core file."""

from __future__ import annotations

import yaml

from weft.generators.fusesoc import core_file
from weft.generators.verilog import verilator_flags
from weft.hdl.config import Config


def test_accelerator_core() -> None:
    text = core_file(Config(), module="weft_accelerator", headers=["weft_registers.h"])
    assert text.startswith("CAPI=2:\n")
    core = yaml.safe_load(text)
    vendor, library, name, version = core["name"].split(":")
    assert (vendor, library, name) == ("weft", "weft", "weft_accelerator")
    assert version
    assert core["filesets"]["rtl"]["files"] == ["weft_accelerator.v"]
    software = core["filesets"]["software"]
    assert software["files"] == [{"weft_registers.h": {"is_include_file": True}}]
    for target in core["targets"].values():
        assert target["toplevel"] == "weft_accelerator"
        names = {item.split("(")[-1].rstrip(")") for item in target["filesets"]}
        assert names == {"rtl", "software"}
    options = core["targets"]["lint"]["tools"]["verilator"]["verilator_options"]
    assert options == verilator_flags()


def test_array_core_has_no_software() -> None:
    core = yaml.safe_load(core_file(Config(), module="weft_array"))
    assert list(core["filesets"]) == ["rtl"]
    assert core["targets"]["default"]["filesets"] == ["rtl"]


def test_models_are_for_simulation_only() -> None:
    core = yaml.safe_load(core_file(Config(), module="weft_array", models=["ecp5_models.v"]))
    assert core["filesets"]["models"]["files"] == ["ecp5_models.v"]
    filesets = core["targets"]["synth"]["filesets"]
    assert {item for item in filesets if "models" in item} == {
        "tool_verilator? (models)", "tool_icarus? (models)"
    }
