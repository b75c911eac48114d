# SPDX-License-Identifier: Apache-2.0
"""Post-training quantization: calibration, folding, accuracy of quantized networks."""

import numpy as np
import pytest
from shared_models import digits, models_folder, shifted

from weft.graph import Graph, ModelError, Operator, Quantization, Tensor
from weft.operators.interpreter import run
from weft.quantize import METHODS, Range, accuracy, calibrate, compare, quantize
from weft.quantize.calibration import entropy_threshold
from weft.quantize.conversion import quantize_weights
from weft.quantize.fusion import fuse
from weft.quantize.post_training import activation_quantization

MNIST = "onnx/mnist_cnn_pytorch_opset9.onnx"
FLOAT = np.dtype(np.float32)


def constant(name, values):
    data = np.asarray(values, np.float32)
    return Tensor(name, data.shape, FLOAT, None, data)


def small(batch_norm=True, kind="CONV_2D"):
    """x -> convolution -> MUL -> ADD -> RELU -> MAX_POOL_2D -> RELU6 -> RESHAPE -> FC -> y"""
    rng = np.random.default_rng(3)

    def random(*shape):
        return rng.normal(size=shape) * 0.4

    weights = (6, 3, 3, 3) if kind == "CONV_2D" else (1, 3, 3, 6)
    tensors = [
        Tensor("x", (1, 8, 8, 3), FLOAT), constant("w", random(*weights)),
        constant("b", random(6)), constant("factor", rng.uniform(0.5, 2, 6)),
        constant("offset", random(6)), constant("v", random(5, 96)), constant("c", random(5)),
        *(Tensor(name, (1, 8, 8, 6), FLOAT) for name in ("conv", "mul", "add", "relu")),
        Tensor("pool", (1, 4, 4, 6), FLOAT), Tensor("six", (1, 4, 4, 6), FLOAT),
        Tensor("shape", (2,), np.dtype(np.int32), None, np.array([1, 96], np.int32)),
        Tensor("flat", (1, 96), FLOAT), Tensor("y", (1, 5), FLOAT),
    ]
    pads = (1, 1, 1, 1)
    geometry = {"stride": (1, 1), "dilation": (1, 1), "pads": pads, "activation": "NONE"}
    operators = [
        Operator(kind, ("x", "w", "b"), ("conv",), geometry, "0"),
        Operator("MUL", ("conv", "factor"), ("mul",), {"activation": "NONE"}, "1"),
        Operator("ADD", ("offset", "mul"), ("add",), {"activation": "NONE"}, "2"),
        Operator("RELU", ("add",), ("relu",), {}, "3"),
        Operator("MAX_POOL_2D", ("relu",), ("pool",),
                 {"filter": (2, 2), "stride": (2, 2), "pads": (0, 0, 0, 0)}, "4"),
        Operator("RELU6", ("pool",), ("six",), {}, "5"),
        Operator("RESHAPE", ("six", "shape"), ("flat",), {}, "6"),
        Operator("FULLY_CONNECTED", ("flat", "v", "c"), ("y",), {"activation": "NONE"}, "7"),
    ]
    if kind == "DEPTHWISE_CONV_2D":
        geometry["depth_multiplier"] = 2
    graph = Graph("small", {t.name: t for t in tensors}, operators, ("x",), ("y",), "onnx")
    graph.validate()
    return graph


def samples(count=16, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(1, 8, 8, 3)).astype(np.float32) for _ in range(count)]


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_folding_leaves_the_function(kind):
    graph = small(kind=kind)
    fused = fuse(graph)
    fused.validate()
    assert [o.kind for o in fused.operators] == [
        kind, "MAX_POOL_2D", "RESHAPE", "FULLY_CONNECTED"
    ]
    assert fused.operators[0].attributes["activation"] == "RELU6"
    assert graph.operators[0].attributes["activation"] == "NONE"
    for x in samples(4):
        np.testing.assert_allclose(run(fused, x)["y"], run(graph, x)["y"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("convention", ["tflite", "onnx"])
def test_quantized_network_is_close(convention, method, per_channel, kind):
    graph, data = small(kind=kind), samples()
    result = quantize(graph, data, method, per_channel, convention)
    assert result.convention == convention and result.inputs == ("x",) and result.outputs == ("y",)
    assert [o.kind for o in result.operators if result.results(o)[0].dtype == FLOAT] == [
        "DEQUANTIZE"
    ]
    want = np.array([run(graph, x)["y"] for x in data])
    got = np.array([run(result, x)["y"] for x in data])
    noise = np.sqrt(np.mean((want - got) ** 2) / np.mean(want**2))
    assert noise < (0.04 if method == "minmax" else 0.2)


def test_integer_interface():
    graph = small()
    plain = quantize(graph, samples(), integer_interface=False)
    result = quantize(graph, samples(), integer_interface=True)
    assert all(result.tensors[n].dtype == np.int8 for n in (*result.inputs, *result.outputs))
    assert not {"QUANTIZE", "DEQUANTIZE"} & {operator.kind for operator in result.operators}
    x = samples(1)[0]
    values = run(plain, x)
    inner = run(result, values[result.inputs[0]])
    np.testing.assert_array_equal(inner[result.outputs[0]], values[result.outputs[0]])


def test_weights_are_symmetric():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(4, 3, 3, 2)).astype(np.float32)
    weights[2] = 0
    integers, quantization = quantize_weights(weights, 0)
    assert quantization.axis == 0 and not quantization.zero_point.any()
    assert np.abs(integers).reshape(4, -1).max(axis=1).tolist() == [127, 127, 0, 127]
    scale = quantization.scale.reshape(4, 1, 1, 1)
    assert np.abs(integers * scale - weights).max() <= scale.max() * 0.5001
    integers, quantization = quantize_weights(weights, None)
    assert quantization.axis is None and np.abs(integers).max() == 127
    with pytest.raises(ModelError, match="not finite"):
        quantize_weights(np.array([np.inf], np.float32), None)


@pytest.mark.parametrize("low, high", [(0.0, 2.55), (-1.0, 1.0), (-3.0, 0.0), (0.0, 0.0)])
def test_zero_is_exact_and_the_range_fits(low, high):
    quantization = activation_quantization(Range(low, high))
    zero, scale = int(quantization.zero_point[0]), float(quantization.scale[0])
    assert -128 <= zero <= 127
    assert (-128 - zero) * scale <= low + scale and high - scale <= (127 - zero) * scale


def test_percentile_ignores_outliers():
    graph = Graph("one", {"x": Tensor("x", (10_000,), FLOAT), "y": Tensor("y", (10_000,), FLOAT)},
                  [Operator("RELU", ("x",), ("y",), {}, "0")], ("x",), ("y",), "onnx")
    x = np.random.default_rng(0).uniform(-1, 1, 10_000).astype(np.float32)
    x[0] = 8.0
    full = calibrate(graph, ["x"], [x], "minmax")["x"]
    most = calibrate(graph, ["x"], [x], "percentile", percentile=99.9)["x"]
    best = calibrate(graph, ["x"], [x], "entropy")["x"]
    assert full.high == 8.0
    assert 0.9 < most.high < 1.1 and -1.1 < most.low < -0.9
    assert best.high < 8.0 and best.low == full.low


def test_entropy_threshold_of_known_histograms():
    flat = np.full(2048, 100)
    assert entropy_threshold(flat) == 2048
    bell = (1e5 * np.exp(-((np.arange(2048) / 100) ** 2) / 2)).astype(np.int64)
    bell[2047] = 1
    assert 200 < entropy_threshold(bell) < 1024
    assert entropy_threshold(np.zeros(2048, np.int64)) == 2048


def test_what_is_refused():
    graph = small()
    with pytest.raises(ValueError, match="method"):
        quantize(graph, samples(), "guess")
    with pytest.raises(ValueError, match="convention"):
        quantize(graph, samples(), convention="other")
    with pytest.raises(ModelError, match="at least one sample"):
        quantize(graph, [])
    with pytest.raises(ModelError, match="not finite"):
        quantize(graph, [np.full((1, 8, 8, 3), np.nan, np.float32)])
    integers = Quantization(np.float32(0.1), 0)
    done = Graph("done", {"x": Tensor("x", (1,), np.dtype(np.int8), integers),
                          "y": Tensor("y", (1,), np.dtype(np.int8), integers)},
                 [Operator("RELU", ("x",), ("y",), {}, "0")], ("x",), ("y",))
    with pytest.raises(ModelError, match="no operator can be quantized"):
        quantize(done, [np.zeros(1, np.int8)])
    with pytest.raises(ModelError, match="samples"):
        accuracy(graph, samples(2), [1])


@pytest.mark.parametrize("convention", ["tflite", "onnx"])
@pytest.mark.parametrize("method", METHODS)
def test_mnist_network(method, convention):
    pytest.importorskip("onnx")
    from weft.importers.onnx import load_onnx

    graph = load_onnx(models_folder() / MNIST)
    arrays = digits()
    calibration, _ = shifted(arrays, 1)
    result = quantize(graph, calibration[::3], method, True, convention)
    floating = [o.kind for o in result.operators if result.results(o)[0].dtype == FLOAT]
    assert floating == ["DEQUANTIZE", "LOG_SOFTMAX"]
    ten = compare(graph, result, [a.reshape(1, 1, 28, 28) for a in arrays], range(10))
    print(f"{convention} {method}: {ten}")
    assert (ten.before, ten.after) == (10, 10)
    inputs, labels = shifted(arrays, 2)
    many = compare(graph, result, inputs, labels)
    print(f"{convention} {method}, shifted copies: {many}")
    assert many.after >= many.before - 5


def test_mnist_network_from_its_path():
    pytest.importorskip("onnx")
    calibration, _ = shifted(digits(), 0)
    result = quantize(models_folder() / MNIST, calibration)
    assert accuracy(result, calibration, range(10)) == 10
