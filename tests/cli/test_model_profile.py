# SPDX-License-Identifier: Apache-2.0
"""`weft profile` and the attribution of cycles to layers."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tflite
from tflite_builder import OperatorSpec, TensorSpec, build, constant

import weft
from weft.cli import main
from weft.cli._model_costs import layer_costs, time_by_kind
from weft.cli._model_html import roofline_plot
from weft.cli._model_recording import layer_activity, read_recordings
from weft.cli._model_timeline import recorded_timeline
from weft.compiler.network import compile_network
from weft.hdl.config import Config
from weft.importers import load_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Two convolutions, then a softmax."""
    random = np.random.default_rng(5)
    tensors = [TensorSpec("x", (1, 8, 8, 4), scale=0.05, zero_point=3)]
    operators = []
    for number in range(2):
        first = len(tensors)
        tensors += [
            constant(f"w{number}", random.integers(-127, 128, (4, 3, 3, 4)), "int8",
                     scale=random.uniform(0.001, 0.01, 4), zero_point=0),
            constant(f"b{number}", random.integers(-500, 500, 4), scale=[1e-4] * 4),
            TensorSpec(f"<y{number}>", (1, 8, 8, 4), scale=0.03, zero_point=-5),
        ]
        operators.append(OperatorSpec(
            "CONV_2D", [max(first - 1, 0), first, first + 1], [first + 2], "Conv2DOptions",
            {"StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1,
             "Padding": tflite.Padding.SAME}))
    tensors.append(TensorSpec("z", (1, 8, 8, 4), scale=1 / 256, zero_point=-128))
    last = len(tensors) - 1
    operators.append(OperatorSpec("SOFTMAX", [last - 1], [last], "SoftmaxOptions", {"Beta": 1.0}))
    path = tmp_path / "model.tflite"
    path.write_bytes(build(tensors, operators, [0], [last]))
    return path


def test_profile(capfd: pytest.CaptureFixture[str], model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "profile"
    assert main(["profile", str(model), "-o", str(folder), "--preset", "tiny", "--json"]) == 0
    value: dict[str, Any] = json.loads(capfd.readouterr().out)
    assert "Estimate" in value["source"]
    assert value["cycles"] == sum(layer["cycles"] or 0 for layer in value["layers"])
    assert [item["kind"] for item in value["host_operators"]] == ["SOFTMAX"]
    for layer in value["layers"][:2]:
        assert 0 < layer["utilization"] <= layer["roofline_share"] <= 1
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "timeline.json"]
    report = (folder / "report.html").read_text()
    assert "00_CONV_2D" in report and "<svg" in report and "Estimates" in report
    events = json.loads((folder / "timeline.json").read_text())["traceEvents"]
    assert "ESTIMATE" in events[0]["args"]["name"]
    ends: dict[int, int] = {}
    for event in events:
        if event["ph"] == "X":
            assert event["ts"] >= ends.get(event["tid"], 0) and event["dur"] > 0
            ends[event["tid"]] = event["ts"] + event["dur"]
    assert max(ends.values()) <= value["cycles"]
    last = {event["name"]: event["args"]["value"] for event in events if event["ph"] == "C"}
    assert all(value == 0 for name, value in last.items() if name.startswith("DRAM"))
    assert min(event["args"]["value"] for event in events if event["ph"] == "C") >= 0


def test_recordings_are_what_the_counters_counted(model: Path) -> None:
    graph = load_model(model)
    config = Config.preset("tiny")
    compiled = compile_network(graph, config)
    x = np.random.default_rng(3).integers(-128, 128, (1, 8, 8, 4), np.int8)
    with weft.open("rtl", config, trace="", stall_probability=0.1, seed=4) as device:
        result = device.run(compiled, [x])
        recordings = read_recordings(device.transport, compiled)  # type: ignore[attr-defined]
    layers = layer_activity(recordings)
    assert sum(layer.cycles for layer in layers.values()) == result.cycles
    for name, count in result.counters.items():
        assert sum(layer.counters[name] for layer in layers.values()) == count, name
    for layer in layers.values():
        assert sum(layer.array.values()) == layer.cycles

    (recording,) = recordings
    program = recording.step.program.instructions
    seen = [item.instruction for item in recording.slices]
    moving = {number for number, item in enumerate(program) if item.opcode.name != "SYNC"}
    assert len(seen) == len(set(seen))
    assert moving <= set(seen)
    ends: dict[str, int] = {}
    for item in recording.slices:
        assert program[item.instruction].unit is item.unit
        assert ends.get(item.unit.name, 0) <= item.start < item.end <= recording.cycles
        ends[item.unit.name] = item.end
    # A count is what was signalled less what was taken: at the end, what nobody waited for.
    for number, (_, counts) in recording.semaphores.items():
        signals = sum(item.signal >> number & 1 for item in program)
        waits = sum(item.wait >> number & 1 for item in program)
        assert counts[-1] == signals - waits
        assert counts.min() >= 0

    events = recorded_timeline(compiled, recordings)["traceEvents"]
    assert "recorded in simulated RTL" in events[0]["args"]["name"]
    multiplied = sum(event["dur"] for event in events if event["name"] == "multiplying")
    assert multiplied == result.counters["ARRAY_ACTIVE"]
    layers_track = [event for event in events if event["ph"] == "X" and event["tid"] == 0]
    assert sum(event["dur"] for event in layers_track) == result.cycles


def test_profile_of_rtl(capfd: pytest.CaptureFixture[str], model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "profile"
    arguments = ["profile", str(model), "-o", str(folder), "--preset", "tiny", "--target", "rtl"]
    assert main([*arguments, "--json"]) == 0
    value: dict[str, Any] = json.loads(capfd.readouterr().out)
    assert "Measured in simulated RTL" in value["source"]
    assert value["cycles"] == value["counters"]["CYCLES"]
    report = (folder / "report.html").read_text()
    assert "Causes, layer by layer" in report
    assert "estimated" not in report
    for layer in value["layers"][:2]:
        assert sum(layer["array"].values()) == layer["cycles"]
        assert 0 < layer["utilization"] <= layer["roofline_share"] <= 1


@pytest.mark.parametrize("per_layer", [False, True])
def test_cycles_of_layers_add_up(model: Path, per_layer: bool) -> None:
    compiled = compile_network(load_model(model), Config.preset("tiny"), per_layer=per_layer)
    costs = layer_costs(compiled)
    assert sum(cost.cycles for cost in costs.values()) == compiled.estimated_cycles
    assert sum(cost.instructions for cost in costs.values()) == sum(map(len, compiled.programs))
    kinds = time_by_kind(compiled.manifest, {n: cost.cycles for n, cost in costs.items()})
    assert [kind for kind, _, _ in kinds] == ["CONV_2D"]
    assert kinds[0][1:] == (compiled.estimated_cycles, 1.0)


def test_the_plot_is_well_formed_and_under_the_roof() -> None:
    layers = [
        {"name": "<a>", "macs": 1000, "cycles": 10, "bytes_read": 100, "bytes_written": 0},
        {"name": "b", "macs": 0, "cycles": 10, "bytes_read": 100, "bytes_written": 0},
        {"name": "c", "macs": 10, "cycles": 100, "bytes_read": 0, "bytes_written": 0},
    ]
    tree = ElementTree.fromstring(roofline_plot(layers, 256, 16))
    space = "{http://www.w3.org/2000/svg}"
    assert len(tree.findall(f"{space}circle")) == 2
    ElementTree.fromstring(roofline_plot([], 256, 16))
