# SPDX-License-Identifier: Apache-2.0
"""Random graphs on random small accelerators equal the interpreter."""

import numpy as np
import pytest
from graphs import random_graph

import weft
from weft.compiler.checker import check
from weft.compiler.network import CompiledModel, compile_network
from weft.operators.checks import check_graph
from weft.operators.interpreter import run
from weft.sim.random_programs import random_config


def compare(seed, largest=8):
    graph, values = random_graph(seed)
    check_graph(graph)
    config = random_config(seed, largest=largest, vector=True).replace(
        requantize="tflite", accumulator_width=32, max_reduction_depth=65536
    )
    model = compile_network(graph, config, per_layer=seed % 5 == 0)
    for program in model.programs:
        assert check(config, program) == []
    expected = run(graph, values)
    copy = CompiledModel.from_bytes(model.to_bytes())
    with weft.open("simulator", config, schedule_seed=seed, track=True) as device:
        result = device.run(copy, values)
    for name, output in zip(graph.outputs, result.outputs, strict=True):
        assert np.array_equal(output, expected[name]), (seed, name)
    return model


@pytest.mark.parametrize("seed", range(24))
def test_random_graphs(seed):
    compare(seed)


def test_most_operators_run_on_the_accelerator():
    entries = [entry for seed in range(100, 112) for entry in compare(seed).manifest]
    host = [entry for entry in entries if entry["where"] == "host"]
    assert len(host) * 5 < len(entries)
    assert all(entry["reason"] for entry in host)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(1000, 1400))
def test_many_random_graphs(seed):
    compare(seed, largest=12)
