# SPDX-License-Identifier: Apache-2.0
"""The MLPerf Tiny models on the simulator, every sample, square and not."""

import dataclasses

import numpy as np
import pytest
from shared_models import LAYERS, MODELS, check_output, entries, model_path, models_folder

import weft
from weft.compiler.checker import check
from weft.compiler.network import compile_network
from weft.importers.tflite import load_tflite
from weft.operators.interpreter import Interpreter

HOST = {"ic_int8": ["SOFTMAX"], "kws_int8": ["SOFTMAX"], "ad_int8": []}
SAMPLES = {"ic_int8": (11, 10), "kws_int8": (13, 12), "ad_int8": (6, 6)}
"""Samples of each model, and those with a published golden."""

LAST = {"ic_int8": 10, "kws_int8": 12, "ad_int8": 640}


FULLY_CONNECTED_DIFFERENCE = 1
"""LiteRT rounds fully connected layers once, TensorFlow Lite Micro twice."""


def load(key):
    """A model and the shape of its input."""
    graph = load_tflite(model_path(key))
    return graph, graph.tensors[graph.inputs[0]].shape


@pytest.mark.parametrize("rows,cols", [(16, 16), (16, 8), (8, 16)])
@pytest.mark.parametrize("key", MODELS)
def test_samples_equal_tensorflow_lite_micro(key, rows, cols):
    graph, shape = load(key)
    goldens = count = 0
    with weft.open("simulator", weft.Config(rows=rows, cols=cols)) as device:
        for _, data, entry in entries(key, shape):
            result = device.run(graph, [data])
            check_output(entry, result.outputs[0])
            assert [item["kind"] for item in result.host_operators] == HOST[key]
            goldens += "upstream_golden" in entry
            count += 1
    assert (count, goldens) == SAMPLES[key]


@pytest.mark.parametrize("rows,cols", [(16, 16), (8, 16)])
@pytest.mark.parametrize("key", MODELS)
def test_every_tensor_equals_the_reference_kernels(key, rows, cols):
    """All tensors between the layers as outputs: the accelerator fuses nothing away."""
    graph, _ = load(key)
    stored = np.load(models_folder() / "expected" / LAYERS[key])
    names = [operator.outputs[0] for operator in graph.operators]
    whole = dataclasses.replace(graph, outputs=tuple(names))
    inputs = {graph.inputs[0]: stored["input"]}
    expected = Interpreter(whole).run(inputs)
    with weft.open("simulator", weft.Config(rows=rows, cols=cols)) as device:
        result = device.run(whole, inputs)
    assert [layer.kind for layer in result.layers] == [item.kind for item in graph.operators]
    rounded_twice = False
    for operator, output in zip(graph.operators, result.outputs, strict=True):
        rounded_twice |= operator.kind == "FULLY_CONNECTED"
        if not rounded_twice:
            assert np.array_equal(output, stored[operator.name]), operator.name
        assert np.array_equal(output, expected[operator.outputs[0]]), operator.name


@pytest.mark.parametrize("key", MODELS)
def test_every_layer_alone_equals_the_reference_kernels(key):
    """Each operator as a model of its own, on what the reference kernels made before it."""
    graph, _ = load(key)
    stored = np.load(models_folder() / "expected" / LAYERS[key])
    made = {graph.inputs[0]: stored["input"]}
    made.update((item.outputs[0], stored[item.name]) for item in graph.operators)
    with weft.open("simulator") as device:
        for operator in graph.operators:
            given = tuple(name for name in operator.inputs if name in made)
            alone = dataclasses.replace(graph, operators=[operator], inputs=given,
                                        outputs=operator.outputs)
            output = device.run(alone, {name: made[name] for name in given}).outputs[0]
            difference = np.abs(output.astype(np.int32) - stored[operator.name]).max()
            limit = FULLY_CONNECTED_DIFFERENCE if operator.kind == "FULLY_CONNECTED" else 0
            assert difference <= limit, operator.name


@pytest.mark.parametrize("key", MODELS)
def test_programs_pass_the_checker(key):
    graph = load_tflite(model_path(key))
    for config in (weft.Config(), weft.Config.preset("tiny"), weft.Config(rows=12, cols=20)):
        for program in compile_network(graph, config).programs:
            assert check(config, program) == []


@pytest.mark.parametrize("key", MODELS)
def test_layers_alone_give_the_same_outputs(key):
    graph, shape = load(key)
    _, data, entry = next(entries(key, shape))
    with weft.open("simulator", weft.Config.preset("tiny"), track=True) as device:
        result = device.run(graph, {graph.inputs[0]: data}, per_layer=True)
    check_output(entry, result.outputs[0])
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
    graph, shape = load("kws_int8")
    config = weft.Config(rows=8, cols=8)
    _, data, entry = next(entries("kws_int8", shape))
    compile_network(graph, config).save(tmp_path / "kws.weft")
    with weft.open("simulator", config) as device:
        for model in (str(path), path, graph, tmp_path / "kws.weft"):
            check_output(entry, device.run(model, data).outputs[0])
