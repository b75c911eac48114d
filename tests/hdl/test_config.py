# SPDX-License-Identifier: Apache-2.0
"""Configurations: what is legal, what an error says, YAML."""

import dataclasses

import pytest

from weft.hdl.config import PRESETS, SERIAL_VALUES, Config, ConfigurationError
from weft.hdl.memory.accumulator import Accumulator

ILLEGAL = [
    ("rows", 0, "from 1 to 256"),
    ("rows", 257, "from 1 to 256"),
    ("cols", 4.0, "from 1 to 256"),
    ("cols", True, "from 1 to 256"),
    ("dataflow", "output-stationary", "'weight-stationary'"),
    ("activation_depth", 8, "from 16 to 65536"),
    ("activation_depth", 1000, "the next power of two is 1024"),
    ("weight_depth", 131072, "from 16 to 65536"),
    ("weight_depth", 8, "power of two"),
    ("accumulator_depth", "64", "power of two"),
    ("accumulator_width", 31, "at least 32"),
    ("accumulator_width", 33, "from 16 to 32"),
    ("max_reduction_depth", 131072, "from 1 to 131071"),
    ("axi_width", 48, "one of 32, 64, 128, 256"),
    ("axi_width", 128.0, "one of 32, 64, 128, 256"),
    ("axi_address_width", 15, "from 16 to 64"),
    ("max_burst_beats", 512, "from 1 to 256"),
    ("read_outstanding", 3, "the next power of two is 4"),
    ("write_outstanding", 0, "from 1 to 256"),
    ("queue_depth", 1, "from 2 to 64"),
    ("vector_lanes", 3, "one of 1, 2, 4, 8, 16, or 0 for no vector unit"),
    ("vector_lanes", 65, "from 0 to 64"),
    ("vector_lanes", False, "from 0 to 64"),
    ("parameter_depth", 24, "the next power of two is 32"),
    ("parameter_depth", 8192, "from 16 to 4096"),
    ("performance_counters", 2, "from 0 to 1"),
    ("requantize", "gemmlowp", "'tflite' or 'onnx'"),
    ("execution", "parallel", "'decoupled' or 'serial'"),
    ("family", "spartan", "one of generic, ecp5, ice40, gowin, nexus, xilinx7"),
    ("multipliers", -1, "from 0 to 65536"),
    ("multipliers", "all", "an integer"),
]


@pytest.mark.parametrize(("name", "value", "message"), ILLEGAL)
def test_illegal_values(name, value, message):
    with pytest.raises(ConfigurationError) as caught:
        Config(**{name: value})
    text = str(caught.value)
    assert text.startswith(f"{name} must ") and message in text and str(value) in text


SERIAL = dict(SERIAL_VALUES, execution="serial")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        *((name, 64, f"must be {wanted} with serial") for name, wanted in SERIAL_VALUES.items()
          if name not in ("vector_lanes", "queue_depth")),
        ("vector_lanes", 4, "must be 0 with serial execution"),
        ("queue_depth", 2, "must be 1 with serial execution"),
        ("rows", 12, "rows must be a power of two from 1 to 256, not 12; the next"),
        ("cols", 3, "cols must be a power of two"),
        ("activation_depth", 65536, "from 16 to 32768"),
        ("weight_depth", 65536, "from 16 to 32768"),
        ("accumulator_depth", 65536, "from 16 to 32768"),
        ("axi_address_width", 33, "from 16 to 32"),
    ],
)
def test_what_serial_execution_refuses(name, value, message):
    Config(**SERIAL)
    with pytest.raises(ConfigurationError) as caught:
        Config(**{**SERIAL, name: value})
    assert message in str(caught.value) and str(caught.value).startswith(f"{name} must ")


def test_serial_execution_brings_its_values():
    config = Config.preset("tiny", execution="serial")
    assert config == Config(**{**PRESETS["tiny"], **SERIAL}) == Config.from_yaml(config.to_yaml())
    assert config.is_serial and not Config().is_serial


def test_every_parameter_has_an_illegal_value():
    assert {name for name, _, _ in ILLEGAL} == {item.name for item in dataclasses.fields(Config)}


def test_a_tile_fits_the_weight_scratchpad():
    Config(rows=16, weight_depth=16)
    with pytest.raises(ConfigurationError, match=r"weight_depth must be at least rows \(17\)"):
        Config(rows=17, weight_depth=16)


@pytest.mark.parametrize("rows", [1, 3, 4, 16, 255, 256])
@pytest.mark.parametrize("depth", [1, 2, 3, 255, 256, 4096, 131071])
def test_narrowest_accumulator_can_be_built(rows, depth):
    """The deepest reduction and the partial sum of one pass both fit, and not in a bit less."""
    config = Config(rows=rows, max_reduction_depth=depth)
    width = config.required_accumulator_width
    assert max(rows, depth) * 2**14 < 2 ** (width - 1) <= 2 * max(rows, depth) * 2**14
    narrow = config.replace(accumulator_width=width)
    Accumulator(
        cols=1, width=narrow.accumulator_width, depth=16, data_width=narrow.partial_sum_width
    )
    if width > 16:
        culprit = "max_reduction_depth" if depth > rows else "rows"
        with pytest.raises(ConfigurationError, match=f"at least {width} .*lower {culprit}$"):
            config.replace(accumulator_width=width - 1)


def test_yaml_round_trip(tmp_path):
    for name in PRESETS:
        config = Config.preset(name, cols=3)
        path = tmp_path / "config.yaml"
        path.write_text(config.to_yaml())
        assert Config.from_yaml(path) == Config.from_yaml(config.to_yaml()) == config
    assert Config.from_yaml("") == Config()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rowz: 4", "did you mean 'rows'"),
        ("rows: [1", "not valid YAML"),
        ("- rows", "must be a mapping"),
        ("rows: '4'", "not '4'"),
        ("4: rows", "4 is not a configuration parameter"),
    ],
)
def test_bad_yaml(text, message):
    with pytest.raises(ConfigurationError, match=message):
        Config.from_yaml(text)


def test_file_that_is_no_text(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ConfigurationError, match="not valid YAML: .*utf-8"):
        Config.from_yaml(path)


def test_unknown_preset():
    with pytest.raises(ConfigurationError, match="tiny, small, default, large, not 'huge'"):
        Config.preset("huge")
