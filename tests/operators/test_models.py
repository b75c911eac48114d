# SPDX-License-Identifier: Apache-2.0
"""Trained models end to end: every sample, and every layer of one sample."""

import numpy as np
import pytest
from micro_oracle import micro_outputs, micro_runtime
from shared_models import (
    LAYERS,
    MODELS,
    model_path,
    models_folder,
    read_sample,
    samples,
)

from weft.importers.tflite import load_tflite
from weft.operators.interpreter import Interpreter, run_operator

FULLY_CONNECTED_DIFFERENCE = 1
"""LiteRT rounds fully connected layers once, TensorFlow Lite Micro twice."""


def load(key):
    graph = load_tflite(model_path(key))
    return graph, Interpreter(graph)


@pytest.mark.parametrize("key", MODELS)
def test_outputs_equal_tensorflow_lite_micro(key):
    graph, interpreter = load(key)
    expected = samples(key)
    for name, entry in expected.items():
        value = read_sample(key, name, graph.tensors[graph.inputs[0]].shape)
        result = interpreter.run([value])[graph.outputs[0]].reshape(-1)
        np.testing.assert_array_equal(result, entry["tflm_output"], err_msg=name)
    assert len(expected) >= 6


@pytest.mark.parametrize("key", MODELS)
def test_outputs_equal_the_oracle_that_is_installed(key):
    micro_runtime()
    graph, interpreter = load(key)
    rng = np.random.default_rng(1)
    data = model_path(key).read_bytes()
    shape = graph.tensors[graph.inputs[0]].shape
    for low, high in ((-128, 128), (-128, -127), (127, 128), (-20, 20)):
        value = rng.integers(low, high, shape).astype(np.int8)
        expected = micro_outputs(data, [value])[0]
        np.testing.assert_array_equal(interpreter.run([value])[graph.outputs[0]], expected)


@pytest.mark.parametrize("key", MODELS)
def test_every_layer_equals_the_reference_kernels(key):
    """Each operator alone, on what the reference kernels made of the operators before it."""
    graph, _ = load(key)
    stored = np.load(models_folder() / "expected" / LAYERS[key])
    assert stored.files == ["input", *(operator.name for operator in graph.operators)]
    values = {name: item.data for name, item in graph.tensors.items() if item.constant}
    values[graph.inputs[0]] = stored["input"]
    for operator in graph.operators:
        run_operator(graph, operator, values)
        (name,) = operator.outputs
        difference = np.abs(values[name].astype(np.int32) - stored[operator.name]).max()
        limit = FULLY_CONNECTED_DIFFERENCE if operator.kind == "FULLY_CONNECTED" else 0
        assert difference <= limit, operator.name
        values[name] = stored[operator.name]
