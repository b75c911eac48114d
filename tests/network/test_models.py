# SPDX-License-Identifier: Apache-2.0
"""The MLPerf Tiny models on the simulator, every sample, square and not."""

import numpy as np
import pytest
from shared_models import MODELS, model_path, read_sample, samples

import weft
from weft.compiler.checker import check
from weft.compiler.network import compile_network
from weft.importers.tflite import load_tflite

HOST = {"ic_int8": ["SOFTMAX"], "kws_int8": ["SOFTMAX"], "ad_int8": []}
LAST = {"ic_int8": 10, "kws_int8": 12, "ad_int8": 640}


def entries(key, shape):
    """Name, input and output of TensorFlow Lite Micro for every sample."""
    for name, entry in samples(key).items():
        yield name, read_sample(key, name, shape), np.array(entry["tflm_output"], np.int8)


@pytest.mark.parametrize("rows,cols", [(16, 16), (16, 8), (8, 16)])
@pytest.mark.parametrize("key", MODELS)
def test_samples_equal_tensorflow_lite_micro(key, rows, cols):
    graph = load_tflite(model_path(key))
    shape = graph.tensors[graph.inputs[0]].shape
    count = 0
    with weft.open("simulator", weft.Config(rows=rows, cols=cols)) as device:
        for name, data, expected in entries(key, shape):
            result = device.run(graph, [data])
            assert np.array_equal(result.outputs[0].reshape(-1), expected.reshape(-1)), name
            assert [item["kind"] for item in result.host_operators] == HOST[key]
            count += 1
    assert count >= 6


@pytest.mark.parametrize("key", MODELS)
def test_programs_pass_the_checker(key):
    graph = load_tflite(model_path(key))
    for config in (weft.Config(), weft.Config.preset("tiny"), weft.Config(rows=12, cols=20)):
        for program in compile_network(graph, config).programs:
            assert check(config, program) == []


@pytest.mark.parametrize("key", MODELS)
def test_layers_alone_give_the_same_outputs(key):
    graph = load_tflite(model_path(key))
    name, data, expected = next(entries(key, graph.tensors[graph.inputs[0]].shape))
    with weft.open("simulator", weft.Config.preset("tiny"), track=True) as device:
        result = device.run(graph, {graph.inputs[0]: data}, per_layer=True)
    assert np.array_equal(result.outputs[0].reshape(-1), expected.reshape(-1))
    assert len(result.layers) + sum(len(item.operators) - 1 for item in result.layers) == len(
        graph.operators
    )


@pytest.mark.parametrize("key", MODELS)
def test_one_program_holds_all_layers(key):
    model = compile_network(load_tflite(model_path(key)), weft.Config())
    assert len(model.programs) == 1
    roofline = model.info["macs"] / (16 * 16)
    assert model.estimated_cycles >= roofline
    stored = sum(i["bytes"] * i["count_x"] * i["count_y"] for i in
                 model.programs[0].instructions if i.opcode.name == "STORE")
    assert stored == LAST[key], "activations between layers stay on chip"


def test_paths_graphs_and_files_give_the_same(tmp_path):
    path = model_path("kws_int8")
    graph = load_tflite(path)
    config = weft.Config(rows=8, cols=8)
    _, data, expected = next(entries("kws_int8", graph.tensors[graph.inputs[0]].shape))
    compile_network(graph, config).save(tmp_path / "kws.weft")
    with weft.open("simulator", config) as device:
        for model in (str(path), path, graph, tmp_path / "kws.weft"):
            outputs = device.run(model, data).outputs
            assert np.array_equal(outputs[0].reshape(-1), expected.reshape(-1))
