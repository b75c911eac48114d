# SPDX-License-Identifier: Apache-2.0
"""The interpreter refuses what it cannot run and inputs that do not fit."""

import numpy as np
import pytest
from tflite_builder import OperatorSpec, TensorSpec, build, constant

from weft.graph import ModelError
from weft.importers.tflite import parse_tflite
from weft.operators.interpreter import Interpreter, run, run_operator
from weft.operators.unary import TABLES, int8_table


def relu_model(kind="RELU"):
    x = TensorSpec("x", (1, 3), scale=0.1)
    return build([x, TensorSpec("y", (1, 3), scale=0.1)], [OperatorSpec(kind, [0], [1])], [0], [1])


def test_runs_from_mapping_list_and_array():
    graph = parse_tflite(relu_model())
    value = np.array([[-5, 0, 5]], np.int8)
    for inputs in ({"x": value}, [value], value):
        values = run(graph, inputs)
        assert values["y"].tolist() == [[0, 0, 5]]
        assert set(values) == {"x", "y"}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "input 'x' .* is missing"),
        ({"x": np.zeros((1, 3), np.int8), "z": 1}, "no input 'z'; its inputs are x"),
        ([], "has 1 inputs, 0 are given"),
        (np.zeros((1, 4), np.int8), r"must be int8 \(1, 3\), not int8 \(1, 4\)"),
        (np.zeros((1, 3), np.float32), "not float32"),
    ],
)
def test_refuses_inputs_that_do_not_fit(inputs, message):
    with pytest.raises(ModelError, match=message):
        run(parse_tflite(relu_model()), inputs)


def test_names_operators_without_kernel():
    graph = parse_tflite(relu_model("COS"))
    with pytest.raises(ModelError, match="00_COS: not implemented"):
        Interpreter(graph)


def test_runs_one_operator():
    graph = parse_tflite(relu_model())
    values = {"x": np.array([[-1, 2, 3]], np.int8)}
    run_operator(graph, graph.operators[0], values)
    assert values["y"].tolist() == [[0, 2, 3]]


def test_table_is_what_the_operator_computes():
    graph = parse_tflite(relu_model())
    assert "RELU" in TABLES
    table = int8_table(graph, graph.operators[0])
    assert table.tolist() == [max(value, 0) for value in range(-128, 128)]


@pytest.mark.parametrize("approximate", [False, True])
def test_gelu_rounds_the_function(approximate):
    x = TensorSpec("x", (256,), scale=1 / 32, zero_point=-20)
    y = TensorSpec("y", (256,), scale=1 / 16, zero_point=-100)
    gelu = OperatorSpec("GELU", [0], [1], "GeluOptions", {"Approximate": approximate})
    graph = parse_tflite(build([x, y], [gelu], [0], [1]))
    values = np.arange(-128, 128).astype(np.int8)
    real = (values.astype(float) + 20) / 32
    from scipy.special import erf

    expected = real / 2 * (1 + erf(real / np.sqrt(2)))
    result = (run(graph, values)["y"].astype(float) + 100) / 16
    assert np.abs(result - np.clip(expected, -28 / 16, 227 / 16)).max() <= 1 / 32 + 1e-3


def test_relu_n1_to_1_clamps():
    tensors = [TensorSpec("x", (3,), scale=0.5), TensorSpec("y", (3,), scale=0.25, zero_point=3)]
    graph = parse_tflite(build(tensors, [OperatorSpec("RELU_N1_TO_1", [0], [1])], [0], [1]))
    assert run(graph, np.array([-9, 1, 9], np.int8))["y"].tolist() == [-1, 5, 7]


def test_float_input_that_is_no_number():
    tensors = [TensorSpec("x", (2,), "float32"), TensorSpec("y", (2,), scale=0.5)]
    graph = parse_tflite(build(tensors, [OperatorSpec("QUANTIZE", [0], [1])], [0], [1]))
    assert run(graph, np.array([np.inf, -np.inf], np.float32))["y"].tolist() == [127, -128]
    with pytest.raises(ModelError, match="not numbers"):
        run(graph, np.array([np.nan, 0], np.float32))


def test_space_to_batch_pads_with_the_zero_point():
    tensors = [
        TensorSpec("x", (1, 1, 2, 1), scale=0.5, zero_point=7), constant("block", [1, 2]),
        constant("padding", [[0, 0], [1, 1]]),
        TensorSpec("y", (2, 1, 2, 1), scale=0.5, zero_point=7),
    ]
    operator = OperatorSpec("SPACE_TO_BATCH_ND", [0, 1, 2], [3], "SpaceToBatchNDOptions")
    graph = parse_tflite(build(tensors, [operator], [0], [3]))
    values = run(graph, np.array([1, 2], np.int8).reshape(1, 1, 2, 1))
    assert values["y"].reshape(2, 2).tolist() == [[7, 2], [1, 7]]


def test_constant_operand():
    tensors = [
        TensorSpec("x", (2,), scale=0.5),
        constant("two", np.int8([2, 2]), "int8", scale=0.5),
        TensorSpec("y", (2,), scale=0.5),
    ]
    model = build(tensors, [OperatorSpec("ADD", [0, 1], [2], "AddOptions")], [0], [2])
    assert run(parse_tflite(model), np.array([1, 3], np.int8))["y"].tolist() == [3, 5]
