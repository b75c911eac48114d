# SPDX-License-Identifier: Apache-2.0
"""Graphs refuse tensors, names and orders that contradict each other."""

import dataclasses
import doctest

import numpy as np
import pytest

import weft.graph.ir
from weft.graph import Graph, ModelError, Operator, Quantization, Tensor


def tensor(name, **changes):
    return dataclasses.replace(Tensor(name, (2, 3), np.int8, Quantization(0.5, 0)), **changes)


def chain():
    """x -> RELU -> h -> ADD with constant c -> y"""
    tensors = {name: tensor(name) for name in "xhy"}
    tensors["c"] = tensor("c", data=np.ones((2, 3), np.int8))
    operators = [
        Operator("RELU", ("x",), ("h",), name="first"),
        Operator("ADD", ("h", "c"), ("y",), {"activation": "NONE"}, name="second"),
    ]
    return Graph("chain", tensors, operators, ("x",), ("y",))


def test_examples():
    result = doctest.testmod(weft.graph.ir)
    assert result.attempted and not result.failed


def test_valid_graph_answers_questions():
    graph = chain()
    graph.validate()
    first, second = graph.operators
    assert graph.producer("h") is first and graph.producer("x") is None
    assert graph.consumers("h") == [second]
    assert graph.last_uses() == {"x": 0, "h": 1, "c": 1, "y": 2}
    assert [item.name for item in graph.operands(second)] == ["h", "c"]
    assert graph.results(second) == [graph.tensors["y"]]
    assert list(graph.unsupported()) == []
    assert "1 second: y = ADD(h, c) [activation=NONE]" in str(graph)


def test_optional_operands_are_none():
    graph = chain()
    graph.operators[1].inputs = ("h", None)
    graph.validate()
    assert graph.operands(graph.operators[1])[1] is None
    assert "ADD(h, -)" in str(graph)


def test_counts_multiply_accumulates():
    shapes = {"x": (1, 4, 4, 3), "w": (8, 3, 3, 3), "y": (1, 4, 4, 8), "d": (1, 2, 2, 8)}
    graph = Graph("g", {n: tensor(n, shape=s) for n, s in shapes.items()}, [], ("x",), ("y",))
    assert graph.multiply_accumulates(Operator("CONV_2D", ("x", "w"), ("y",))) == 128 * 27
    assert graph.multiply_accumulates(Operator("DEPTHWISE_CONV_2D", ("x", "d"), ("y",))) == 128 * 4
    assert graph.multiply_accumulates(Operator("ADD", ("x", "w"), ("y",))) == 0
    product = Operator("BATCH_MATMUL", ("x", "w"), ("y",), {"adj_x": False})
    y = graph.tensors["y"].elements
    assert graph.multiply_accumulates(product) == y * graph.tensors["x"].shape[-1]
    product.attributes["adj_x"] = True
    assert graph.multiply_accumulates(product) == y * graph.tensors["x"].shape[-2]
    assert graph.multiply_accumulates(Operator("ONNX_QLINEAR_CONV", ("x", "w"), ("y",))) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g.operators.reverse(), "'h' is read before it is computed"),
        (lambda g: g.operators.append(Operator("RELU", ("x",), ("h",), name="third")),
         "'h' already has a value"),
        (lambda g: g.operators.append(Operator("RELU", ("x",), ("c",), name="third")),
         "'c' already has a value"),
        (lambda g: g.operators.append(Operator("RELU", ("x",), ("q",), name="third")),
         "no tensor 'q'"),
        (lambda g: g.operators.append(Operator("RELU", ("q",), ("y",), name="third")),
         "no tensor 'q'"),
        (lambda g: setattr(g.operators[1], "name", "first"), "two operators"),
        (lambda g: setattr(g, "inputs", ("x", "x")), "'x' already has a value"),
        (lambda g: setattr(g, "outputs", ("nothing",)), "no tensor 'nothing'"),
        (lambda g: setattr(g, "convention", "other"), "tflite, onnx, not 'other'"),
        (lambda g: g.tensors.update(z=tensor("w")), "'w' is entered as 'z'"),
    ],
)
def test_refuses_bad_graphs(change, message):
    graph = chain()
    change(graph)
    with pytest.raises(ModelError, match=message):
        graph.validate()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": (2, -3)}, "negative dimension"),
        ({"shape": (1,) * 9}, "9 dimensions, more than 8"),
        ({"shape": (1 << 16, 1 << 16)}, "bytes, more than"),
        ({"dtype": np.complex64, "quantization": None}, "complex64 is not supported"),
        ({"dtype": np.float32}, "float32 elements cannot be quantized"),
        ({"quantization": Quantization(1, 128)}, "zero point 128 is not a int8"),
        ({"quantization": Quantization([1, 2], [0, 0], 2)}, "axis 2 of 2"),
        ({"quantization": Quantization([1, 2], [0, 0], 1)}, "2 scales for 3 channels"),
        ({"data": np.zeros((3, 2), np.int8)}, "contents are int8"),
        ({"data": np.zeros((2, 3), np.int16)}, "contents are int16"),
    ],
)
def test_refuses_bad_tensors(changes, message):
    with pytest.raises(ModelError, match=message):
        tensor("t", **changes).validate()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 0), "positive"), ((np.inf, 0), "finite"), (([1, 2], [0, 0]), "no axis"),
        (([1, 2], [0], 0), "same length"), (([], [], 0), "empty"),
    ],
)
def test_refuses_bad_quantization(arguments, message):
    with pytest.raises(ModelError, match=message):
        Quantization(*arguments)


def test_scale_of_a_tensor():
    assert (tensor("t").scale, tensor("t").zero_point) == (0.5, 0)
    assert (tensor("t").elements, tensor("t").bytes) == (6, 6)
    with pytest.raises(ModelError, match="no quantization"):
        _ = tensor("t", quantization=None).scale
    with pytest.raises(ModelError, match="per channel"):
        _ = tensor("t", quantization=Quantization([1, 2], [0, 0], 0)).zero_point
    assert str(tensor("t", quantization=Quantization([1, 2], [0, 0], 0))) == (
        "t: int8[2x3], 2 scales 1..2 along axis 0"
    )
