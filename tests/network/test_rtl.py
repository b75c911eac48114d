# SPDX-License-Identifier: Apache-2.0
"""Networks on verilated RTL: the outputs of the reference kernels, and cycles."""

import numpy as np
import pytest
from graphs import GraphBuilder
from shared_models import MODELS, model_path, read_sample, samples

import weft
from weft.compiler.network import compile_network
from weft.importers.tflite import load_tflite
from weft.operators.checks import check_graph


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


@pytest.mark.full
@pytest.mark.parametrize("rows,cols", [(16, 16), (16, 8)])
@pytest.mark.parametrize("key", MODELS)
def test_models(key, rows, cols):
    graph = load_tflite(model_path(key))
    shape = graph.tensors[graph.inputs[0]].shape
    with weft.open("rtl", weft.Config(rows=rows, cols=cols)) as device:
        for name in list(samples(key))[:2]:
            result = device.run(graph, [read_sample(key, name, shape)])
            expected = np.array(samples(key)[name]["tflm_output"], np.int8)
            assert np.array_equal(result.outputs[0].reshape(-1), expected.reshape(-1)), name
            assert result.cycles and result.utilization
            estimated = compile_network(graph, device.config).estimated_cycles
            assert abs(estimated / result.cycles - 1) < 0.1, (estimated, result.cycles)
