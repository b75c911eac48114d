# SPDX-License-Identifier: Apache-2.0
"""The TensorFlow Lite importer: attributes, constants, folding and clear refusals."""

import numpy as np
import pytest
from shared_models import MODELS, model_path
from tflite_builder import OperatorSpec, TensorSpec, build, constant

from weft.graph import ModelError
from weft.importers import load_model
from weft.importers.tflite import load_tflite, parse_tflite
from weft.importers.tflite_geometry import output_size, same_padding
from weft.operators.interpreter import run

KINDS = {
    "ic_int8": {"CONV_2D": 9, "ADD": 3, "AVERAGE_POOL_2D": 1, "RESHAPE": 1, "FULLY_CONNECTED": 1,
                "SOFTMAX": 1},
    "kws_int8": {"CONV_2D": 5, "DEPTHWISE_CONV_2D": 4, "AVERAGE_POOL_2D": 1, "RESHAPE": 1,
                 "FULLY_CONNECTED": 1, "SOFTMAX": 1},
    "ad_int8": {"FULLY_CONNECTED": 10},
}
MACS = {"ic_int8": 12_501_632, "kws_int8": 2_656_768, "ad_int8": 264_192}


def convolution(**changes):
    """A convolution 3x3/2 SAME with RELU6 and two channels; ``changes`` replace tensors."""
    tensors = {
        "x": TensorSpec("x", (1, 5, 4, 1), scale=0.5, zero_point=-1),
        "w": constant("w", np.ones((2, 3, 3, 1)), "int8", scale=[0.5, 0.25], axis=0),
        "b": constant("b", [1, 2], scale=[0.25, 0.125], axis=0),
        "y": TensorSpec("y", (1, 3, 2, 2), scale=0.5, zero_point=-128),
    }
    options = {"Padding": 0, "StrideH": 2, "StrideW": 2, "DilationHFactor": 1,
               "DilationWFactor": 1, "FusedActivationFunction": 3}
    operator = OperatorSpec("CONV_2D", [0, 1, 2], [3], "Conv2DOptions", options)
    options.update(changes.pop("options", {}))
    tensors.update(changes)
    return build(list(tensors.values()), [operator], [0], [3])


def test_reads_attributes_and_quantization():
    graph = parse_tflite(convolution(), "example")
    (operator,) = graph.operators
    assert (graph.name, operator.kind, operator.name) == ("example", "CONV_2D", "00_CONV_2D")
    assert operator.attributes == {
        "stride": (2, 2), "dilation": (1, 1), "pads": (1, 0, 1, 1), "activation": "RELU6",
    }
    weights = graph.tensors["w"]
    assert weights.quantization.axis == 0
    assert weights.quantization.scale.tolist() == [0.5, 0.25]
    assert weights.data.tolist() == np.ones((2, 3, 3, 1)).tolist()
    assert graph.tensors["x"].zero_point == -1
    assert graph.multiply_accumulates(operator) == 3 * 2 * 2 * 9
    assert "CONV_2D(x, w, b)" in str(graph)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"w": constant("w", np.ones((2, 3, 3, 1)), "int8", scale=[1, 2], zero_point=[0, 1])},
         "weights must have zero point 0"),
        ({"w": constant("w", np.ones((2, 3, 2, 1)), "int8", scale=[1, 2], axis=2)},
         "quantized along axis 2, not 0"),
        ({"w": constant("w", np.ones((2, 3, 3, 1)), "int8", scale=[1, 2, 3])},
         "3 scales for 2 channels"),
        ({"w": constant("w", np.ones((2, 3, 3, 1)), "int8")}, "no quantization"),
        ({"w": constant("w", np.ones((2, 9)), "int8", scale=1)}, "must have four dimensions"),
        ({"b": constant("b", [1, 2, 3])}, "bias has 3 elements for 2 channels"),
        ({"y": TensorSpec("y", (1, 3, 3, 2), scale=0.5)}, "has shape .* the inputs give"),
        ({"y": TensorSpec("y", (1, 3, 2, 2))}, "must be quantized per tensor"),
        ({"y": TensorSpec("y", (1, 3, 2, 2), scale=1e-30)}, "scale must be below"),
        ({"x": TensorSpec("x", (1, 5, 4, 1), scale=0.5, zero_point=200)}, "zero point 200"),
        ({"x": TensorSpec("x", (1, 5, 4, 1), scale=-0.5)}, "must be positive"),
        ({"x": TensorSpec("x", (1, 5, 4, 1), scale=np.nan)}, "must be positive and finite"),
        ({"x": TensorSpec("x", (1, 1 << 20, 1 << 20, 1), scale=0.5)}, "bytes, more than"),
        ({"x": TensorSpec("x", (1, -1, 4, 1), scale=0.5)}, "negative dimension"),
        ({"options": {"StrideH": 0}}, "must be positive"),
        ({"options": {"FusedActivationFunction": 77}}, "fused activation 77 does not exist"),
        ({"options": {"FusedActivationFunction": 4}}, "fused activation TANH is not supported"),
    ],
)
def test_refuses_contradictions(changes, message):
    with pytest.raises(ModelError, match=message):
        parse_tflite(convolution(**changes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"x": TensorSpec("x", (1, 5, 4, 1), "float32")}, "CONV_2D of float32 is not supported"),
        ({"x": TensorSpec("x", (1, 5, 4, 1), "uint8", scale=1)},
         "unsupported quantization: CONV_2D of uint8"),
        ({"x": TensorSpec("x", (1, 5, 4, 1), "int16", scale=1)},
         "unsupported quantization: CONV_2D of int16"),
        ({"b": constant("b", [1, 2], "int64")}, "int64 bias, only int32"),
    ],
)
def test_lists_what_it_cannot_run(changes, reason):
    graph = parse_tflite(convolution(**changes))
    (operator,) = graph.unsupported()
    assert reason in operator.unsupported
    assert f"UNSUPPORTED: {operator.unsupported}" in str(graph)


def test_keeps_custom_and_unknown_operators():
    tensors = [TensorSpec("x", (2,), "float32"), TensorSpec("y", (2,), "float32")]
    operator = OperatorSpec("CUSTOM", [0], [1], custom_code="MyOperator")
    graph = parse_tflite(build(tensors, [operator], [0], [1]))
    assert [(item.kind, item.unsupported) for item in graph.unsupported()] == [
        ("CUSTOM MyOperator", "not implemented")
    ]


def test_folds_constant_shapes():
    tensors = [
        TensorSpec("x", (1, 4), scale=0.5),
        TensorSpec("shape", (2,), "int32"),
        constant("begin", [0]), constant("end", [1]), constant("one", [1]),
        TensorSpec("batch", (), "int32"),
        constant("rest", 4),
        TensorSpec("packed", (2,), "int32"),
        TensorSpec("y", (1, 4), scale=0.5),
    ]
    operators = [
        OperatorSpec("SHAPE", [0], [1], "ShapeOptions", {"OutType": 2}),
        OperatorSpec("STRIDED_SLICE", [1, 2, 3, 4], [5], "StridedSliceOptions",
                     {"ShrinkAxisMask": 1}),
        OperatorSpec("PACK", [5, 6], [7], "PackOptions", {"ValuesCount": 2}),
        OperatorSpec("RESHAPE", [0, 7], [8], "ReshapeOptions"),
    ]
    graph = parse_tflite(build(tensors, operators, [0], [8]))
    assert [operator.kind for operator in graph.operators] == ["RESHAPE"]
    assert graph.tensors["packed"].data.tolist() == [1, 4]
    assert set(graph.tensors) == {"x", "packed", "y"}
    assert run(graph, np.int8([[1, 2, 3, 4]]))["y"].tolist() == [[1, 2, 3, 4]]


def test_folds_no_more_than_its_budget():
    """Each concatenation doubles a constant: unbounded folding would take all memory."""
    tensors = [constant("c0", np.zeros(1 << 16), "int8", scale=0.5)]
    operators = []
    for index in range(1, 14):
        tensors.append(TensorSpec(f"c{index}", (1 << 16 + index,), scale=0.5))
        operators.append(OperatorSpec("CONCATENATION", [index - 1, index - 1], [index],
                                      "ConcatenationOptions", {"Axis": 0}))
    tensors.append(TensorSpec("y", (1 << 29,), scale=0.5))
    operators.append(OperatorSpec("RELU", [13], [14]))
    graph = parse_tflite(build(tensors, operators, [], [14]))
    assert [operator.name for operator in graph.operators[:-1]] == [
        f"{index:02d}_CONCATENATION" for index in range(9, 13)
    ]


def test_duplicate_and_empty_names_become_unique():
    tensors = [TensorSpec("t", (2,), scale=0.5), TensorSpec("t", (2,), scale=0.5),
               TensorSpec("", (2,), scale=0.5)]
    operators = [OperatorSpec("RELU", [0], [1]), OperatorSpec("RELU", [1], [2])]
    graph = parse_tflite(build(tensors, operators, [0], [2]))
    assert set(graph.tensors) == {"t", "t#1", "tensor_2"}


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ([0, 9], [1], "there is no tensor 9"),
        ([0], [-5], "there is no tensor -5"),
        ([0, -1], [1], "1 inputs|2 inputs"),
        ([1], [1], "read before it is computed"),
        ([0], [0], "already has a value"),
    ],
)
def test_refuses_bad_indices(inputs, outputs, message):
    tensors = [TensorSpec("x", (2,), scale=0.5), TensorSpec("y", (2,), scale=0.5)]
    with pytest.raises(ModelError, match=message):
        parse_tflite(build(tensors, [OperatorSpec("RELU", inputs, outputs)], [0], [1]))


def test_refuses_buffers_of_the_wrong_size():
    spec = TensorSpec("w", (3,), "int32", data=np.zeros(2, np.int32))
    tensors = [TensorSpec("x", (3,), "int32"), spec, TensorSpec("y", (3,), "int32")]
    model = build(tensors, [OperatorSpec("MAXIMUM", [0, 1], [2])], [0], [2])
    with pytest.raises(ModelError, match="needs 12 bytes, its buffer has 8"):
        parse_tflite(model)


def test_refuses_files_that_are_no_models(tmp_path):
    for data in (b"", b"TFL3", b"\0" * 100, b"\xff\xff\xff\xffTFL3" + b"\0" * 50):
        with pytest.raises(ModelError):
            parse_tflite(data)
    with pytest.raises(ModelError, match="schema version 2"):
        parse_tflite(build([TensorSpec("x", (1,))], [], [0], [0], version=2))
    with pytest.raises(ModelError, match="missing.tflite: No such file"):
        load_tflite(tmp_path / "missing.tflite")
    with pytest.raises(ModelError, match="Is a directory"):
        load_tflite(tmp_path)
    (tmp_path / "text.tflite").write_text("this is no model")
    with pytest.raises(ModelError, match=r"text.tflite: not a TensorFlow Lite model"):
        load_tflite(tmp_path / "text.tflite")


@pytest.mark.parametrize("size", range(1, 12))
@pytest.mark.parametrize("extent", range(1, 5))
@pytest.mark.parametrize("stride", range(1, 4))
def test_same_padding_covers_the_input(size, extent, stride):
    before, after = same_padding(size, extent, stride, 1)
    outputs = output_size(size, extent, stride, 1, "SAME")
    assert outputs == -(-size // stride)
    assert 0 <= after - before <= 1
    assert output_size(size + before + after, extent, stride, 1, "VALID") == outputs


@pytest.mark.parametrize("key", MODELS)
def test_reads_real_models(key):
    graph = load_tflite(model_path(key))
    kinds = [operator.kind for operator in graph.operators]
    assert {kind: kinds.count(kind) for kind in kinds} == KINDS[key]
    assert not list(graph.unsupported())
    assert sum(graph.multiply_accumulates(item) for item in graph.operators) == MACS[key]


def test_float_model_runs_on_the_host():
    graph = load_tflite(model_path("ic_int8").with_name("ic_resnet8_float.tflite"))
    assert not list(graph.unsupported())
    values = run(graph, np.zeros(graph.tensors[graph.inputs[0]].shape, np.float32))
    np.testing.assert_allclose(values[graph.outputs[0]].sum(), 1, rtol=1e-5)


def test_load_model_chooses_by_suffix(tmp_path):
    path = tmp_path / "small.TFLITE"
    path.write_bytes(convolution())
    assert load_model(path).name == "small"
    with pytest.raises(ModelError, match=r"must end with .tflite or .onnx"):
        load_model(tmp_path / "model.pb")
