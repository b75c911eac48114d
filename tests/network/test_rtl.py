# SPDX-License-Identifier: Apache-2.0
"""Networks on verilated RTL: the outputs of the reference kernels, and cycles."""

import dataclasses
import itertools

import numpy as np
import pytest
from graphs import GraphBuilder
from shared_models import MODELS, check_output, entries, model_path

import weft
from weft.compiler.network import compile_network
from weft.importers.tflite import load_tflite
from weft.operators.checks import check_graph
from weft.operators.interpreter import Interpreter


def test_a_network_of_every_layer_kind():
    build = GraphBuilder(21)
    x = build.convolution(build.input((1, 9, 8, 3)), 6, (3, 3))
    y = build.depthwise(x, (3, 3))
    x = build.pool(build.sum(x, y), "MAX_POOL_2D", (3, 2), (2, 2))
    x = build.pool(build.unary(x, "LOGISTIC"), "AVERAGE_POOL_2D", (2, 2), (1, 1))
    x = build.reshape(x, (1, int(np.prod(build.shape(x)))))
    graph = build.graph(build.dense(x, 10))
    check_graph(graph)
    config = weft.Config.preset("tiny")
    values = build.values()
    expected = weft.open("reference").run(graph, values).outputs[0]
    with weft.open("rtl", config) as device:
        whole = device.run(graph, values)
        parts = device.run(graph, values, per_layer=True)
    assert not whole.host_operators
    for result in (whole, parts):
        assert np.array_equal(result.outputs[0], expected)
    assert all(layer.cycles for layer in parts.layers if layer.where == "accelerator")
    assert whole.cycles < parts.cycles
    assert whole.utilization == whole.macs / (16 * whole.cycles)
    estimated = compile_network(graph, config).estimated_cycles
    assert 0.5 * whole.cycles < estimated < 2 * whole.cycles


def run_samples(key, rows, cols, count=None):
    """Run samples of a model on RTL: all, or the first few."""
    graph = load_tflite(model_path(key))
    shape = graph.tensors[graph.inputs[0]].shape
    with weft.open("rtl", weft.Config(rows=rows, cols=cols)) as device:
        for _, data, entry in itertools.islice(entries(key, shape), count):
            result = device.run(graph, [data])
            check_output(entry, result.outputs[0])
            estimated = compile_network(graph, device.config).estimated_cycles
            assert abs(estimated / result.cycles - 1) < 0.1, (estimated, result.cycles)
            assert result.utilization == result.macs / (rows * cols * result.cycles)


@pytest.mark.parametrize("key", MODELS)
def test_trained_models(key):
    run_samples(key, 16, 16, 2)


@pytest.mark.full
@pytest.mark.parametrize("rows,cols", [(16, 16), (16, 8), (8, 16)])
@pytest.mark.parametrize("key", MODELS)
def test_every_sample_of_the_trained_models(key, rows, cols):
    run_samples(key, rows, cols)


@pytest.mark.full
@pytest.mark.parametrize("key", MODELS)
def test_every_tensor_equals_the_simulator(key):
    graph = load_tflite(model_path(key))
    names = tuple(operator.outputs[0] for operator in graph.operators)
    whole = dataclasses.replace(graph, outputs=names)
    config = weft.Config(rows=16, cols=8)
    _, data, _ = next(entries(key, graph.tensors[graph.inputs[0]].shape))
    with weft.open("rtl", config) as device:
        found = device.run(whole, data).outputs
    expected = Interpreter(whole).run([data])
    for name, output in zip(names, found, strict=True):
        assert np.array_equal(output, expected[name]), name
