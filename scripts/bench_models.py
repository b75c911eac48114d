# SPDX-License-Identifier: Apache-2.0
"""Table of the MLPerf Tiny models: cycles, utilization, frames a second, time by operator kind.

    python scripts/bench_models.py
    python scripts/bench_models.py --rows 16 --cols 8 --vector-lanes 8
    python scripts/bench_models.py --target simulator

Cycles are simulated RTL, from start to interrupt of all programs of a model; time on the host
(softmax) is not in them. Utilization is MACs / (rows * cols * cycles). What the array did and the
share of each operator kind come from a recording of the same run: a cycle counts for the layer of
the oldest MATMUL in hand, else of the oldest VECTOR, STORE or LOAD. ``--target simulator``
estimates instead. The models are in the folder ``models`` of WEFT_SHARED, by default the folder
``shared`` beside the repository.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

import weft
from weft.cli._model_costs import layer_costs, time_by_kind
from weft.cli._model_recording import ARRAY_CAUSES, layer_activity, read_recordings
from weft.compiler.network import CompiledModel, compile_network
from weft.graph import Graph
from weft.importers import load_model
from weft.operators.interpreter import Interpreter

MODELS = {
    "ResNet-8": "ic_resnet8_int8.tflite",
    "DS-CNN": "kws_dscnn_int8.tflite",
    "autoencoder": "ad_autoencoder_int8.tflite",
}
CLOCK = 100_000_000
"""Cycles a second of the frames column."""


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", choices=["simulator", "rtl"], default="rtl")
    parser.add_argument("--preset", default="default", help="configuration (default: default)")
    parser.add_argument("--rows", type=int, help="rows of the array")
    parser.add_argument("--cols", type=int, help="columns of the array")
    parser.add_argument("--axi-width", type=int, help="bits of the memory port")
    parser.add_argument("--vector-lanes", type=int, help="elements a cycle of the vector unit")
    parser.add_argument("--latency", type=int, default=30, help="DRAM latency in cycles (rtl)")
    parser.add_argument("--seed", type=int, default=7, help="of the random input")
    return parser.parse_args()


def folder() -> Path:
    """Where the models are."""
    root = Path(__file__).resolve().parents[1]
    shared = Path(os.environ.get("WEFT_SHARED", root.parent / "shared"))
    return shared / "models" / "mlperf_tiny"


def run(device: Any, graph: Graph, seed: int) -> dict[str, Any]:
    """Run a model and compare it; cycles of the whole and of its layers, measured or estimated."""
    compiled = compile_network(graph, device.config)
    random = np.random.default_rng(seed)
    inputs = [random.integers(-128, 128, graph.tensors[name].shape, np.int8)
              for name in graph.inputs]
    result = device.run(compiled, inputs)
    expected = Interpreter(graph).run(inputs)
    equal = all(np.array_equal(array, expected[name])
                for name, array in zip(graph.outputs, result.outputs, strict=True))
    array: dict[str, int] = {}
    if result.cycles is None:
        cycles = compiled.estimated_cycles
        layers = {place: cost.cycles for place, cost in layer_costs(compiled).items()}
    else:
        activity = layer_activity(read_recordings(device.transport, compiled))
        cycles = result.cycles
        layers = {place: item.cycles for place, item in activity.items()}
        for cause in ARRAY_CAUSES:
            array[cause] = sum(item.array.get(cause, 0) for item in activity.values())
        assert sum(layers.values()) == sum(array.values()) == cycles
    return {"compiled": compiled, "cycles": cycles, "layers": layers, "array": array,
            "equal": equal, "host": [item["kind"] for item in result.host_operators]}


def report(name: str, facts: dict[str, Any]) -> None:
    """The lines of a model."""
    compiled: CompiledModel = facts["compiled"]
    cycles, macs = facts["cycles"], compiled.info["macs"]
    peak = compiled.config.rows * compiled.config.cols
    host = ", ".join(facts["host"]) or "-"
    print(f"{name:>12} {macs:11,} {len(compiled.programs):9} {cycles:10,} "
          f"{macs / (peak * cycles):7.1%} {CLOCK / cycles:11,.0f}  {host}"
          + ("" if facts["equal"] else "  WRONG"))
    for kind, count, part in time_by_kind(compiled.manifest, facts["layers"]):
        print(f"{'':>12} {kind:>27} {count:10,} {part:7.1%}")
    for cause, count in facts["array"].items():
        if count:
            print(f"{'':>12} {cause:>27} {count:10,} {count / cycles:7.1%}")


def main() -> int:
    """Print the table; 0 if every output was right."""
    arguments = parse()
    if not folder().is_dir():
        print(f"no models in {folder()}; set WEFT_SHARED to the folder that holds them",
              file=sys.stderr)
        return 1
    names = ("rows", "cols", "axi_width", "vector_lanes")
    changes = {name: getattr(arguments, name) for name in names if getattr(arguments, name)}
    config = weft.Config.preset(arguments.preset, **changes)
    rtl = arguments.target == "rtl"
    options = {"latency": arguments.latency, "trace": ""} if rtl else {}
    source = "measured in simulated RTL" if rtl else "estimates of the cost model, not measured"
    print(f"{config.rows}x{config.cols}, {config.lanes} vector lanes, "
          f"{config.axi_width}-bit AXI, DRAM latency {arguments.latency if rtl else 30}; "
          f"cycles: {source}")
    print("below each model: cycles and share of time by operator kind"
          + (", then by what the array did" if rtl else ""))
    print(f"{'model':>12} {'MACs':>11} {'programs':>9} {'cycles':>10} {'util.':>7} "
          f"{'fps @100MHz':>11}  on the host")
    correct = True
    for name, file in MODELS.items():
        with weft.open(arguments.target, config, **options) as device:
            facts = run(device, load_model(folder() / file), arguments.seed)
        report(name, facts)
        correct &= facts["equal"]
    return 0 if correct else 1


if __name__ == "__main__":
    sys.exit(main())
