# SPDX-License-Identifier: Apache-2.0
"""ONNX models on the accelerator under convention ``onnx``, against onnxruntime bit for bit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from onnx_models import SIZE, integer_network, model, network
from onnx_oracle import FORMATS, INT8, UINT8, quantized, require_exact, session

import weft
from weft.compiler.checker import check
from weft.compiler.network import compile_network
from weft.importers.onnx import load_onnx, parse_onnx
from weft.operators.interpreter import Interpreter

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper  # noqa: E402

VARIANTS = {"avg": {}, "global": {"extras": True}, "none": {"rectified": False}}
ARRAY = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
TYPES = {"u8s8": (UINT8, INT8), "s8s8": (INT8, INT8), "u8u8": (UINT8, UINT8)}


@pytest.fixture(autouse=True, scope="module")
def exact_oracle():
    require_exact()


def make(folder, style, types, variant, per_channel=True):
    """A model that onnxruntime quantized: its graph, and onnxruntime's session."""
    source = network(seed=1, pool=variant, **VARIANTS[variant])
    path = quantized(source, folder, quant_format=FORMATS[style], per_channel=per_channel,
                     activation_type=TYPES[types][0], weight_type=TYPES[types][1])
    return load_onnx(path), session(path.read_bytes())


def inputs(count):
    random = np.random.default_rng(3)
    return [random.normal(size=(1, 3, SIZE, SIZE)).astype(np.float32) for _ in range(count)]


def compare(device, graph, runner, count):
    for x in inputs(count):
        result = device.run(graph, {"x": x})
        want = runner.run(None, {"x": x})[0]
        assert result.outputs[0].dtype == want.dtype
        np.testing.assert_array_equal(result.outputs[0], want)
    return result


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("types", TYPES)
@pytest.mark.parametrize("style", FORMATS)
def test_models_of_quantize_static(tmp_path, style, types, variant):
    graph, runner = make(tmp_path, style, types, variant, per_channel=types != "u8u8")
    config = weft.Config(rows=8, cols=12, requantize="onnx")
    for program in compile_network(graph, config).programs:
        assert check(config, program) == []
    with weft.open("simulator", config) as device:
        result = compare(device, graph, runner, 3)
    there = {layer.kind for layer in result.layers if layer.where == "accelerator"}
    assert there >= {"MAX_POOL_2D", "ADD"}
    reasons = {item["reason"] for item in result.host_operators if item["kind"] in ARRAY}
    if types == "u8u8":
        assert reasons <= {"its weights without their zero point do not fit int8"}
        assert "FULLY_CONNECTED" in there, "1x1 kernels and matrices take them in parts"
    else:
        assert there >= ARRAY and not reasons


@pytest.mark.parametrize("style", FORMATS)
def test_models_of_quantize_static_on_rtl(tmp_path, style):
    graph, runner = make(tmp_path, style, "u8s8", "avg")
    with weft.open("rtl", weft.Config(rows=16, cols=16, requantize="onnx")) as device:
        result = compare(device, graph, runner, 2)
    assert result.cycles and result.utilization


@pytest.mark.full
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("types", TYPES)
@pytest.mark.parametrize("style", FORMATS)
@pytest.mark.parametrize("rows,cols", [(16, 16), (8, 16)])
def test_all_models_of_quantize_static_on_rtl(tmp_path, rows, cols, style, types, variant):
    graph, runner = make(tmp_path, style, types, variant)
    with weft.open("rtl", weft.Config(rows=rows, cols=cols, requantize="onnx")) as device:
        compare(device, graph, runner, 3)


def test_additions_and_averages_are_on_the_vector_unit(tmp_path):
    """QOperator average pools have a scale of their own, so that their sums decide them."""
    graph, runner = make(tmp_path, "QOperator", "s8s8", "avg")
    with weft.open("simulator", weft.Config(rows=8, cols=8, requantize="onnx")) as device:
        result = compare(device, graph, runner, 1)
    where = {layer.kind: layer.where for layer in result.layers}
    assert where["ADD"] == where["AVERAGE_POOL_2D"] == "accelerator"


def test_an_average_that_its_sum_does_not_decide_stays_on_the_host(tmp_path):
    """QDQ average pools keep the scale: sums halfway between two results depend on roundings."""
    graph, runner = make(tmp_path, "QDQ", "s8s8", "avg")
    with weft.open("simulator", weft.Config(rows=8, cols=8, requantize="onnx")) as device:
        result = compare(device, graph, runner, 1)
    (entry,) = (item for item in result.host_operators if item["kind"] == "AVERAGE_POOL_2D")
    assert "halfway between two results" in entry["reason"]


@pytest.mark.parametrize("target", ["simulator", "rtl"])
def test_every_tensor_equals_the_reference_kernels(tmp_path, target):
    graph, _ = make(tmp_path, "QOperator", "s8s8", "avg")
    names = tuple(operator.outputs[0] for operator in graph.operators)
    whole = dataclasses.replace(graph, outputs=names)
    (x,) = inputs(1)
    expected = Interpreter(whole).run({"x": x})
    config = weft.Config(rows=16, cols=16, requantize="onnx")
    with weft.open(target, config) as device:
        found = device.run(whole, {"x": x}).outputs
    for name, output in zip(names, found, strict=True):
        np.testing.assert_array_equal(output, expected[name], err_msg=name)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("unsigned", [False, True])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_networks_made_by_hand(seed, unsigned, groups):
    data = integer_network(seed, True, unsigned, groups, seed % 2 == 0).SerializeToString()
    graph = parse_onnx(data)
    dtype = np.uint8 if unsigned else np.int8
    limits = np.iinfo(dtype)
    x = np.random.default_rng(seed).integers(limits.min, limits.max + 1, (1, 4, 6, 5))
    want = session(data).run(None, {"x": x.astype(dtype)})[0]
    with weft.open("simulator", weft.Config(rows=4, cols=8, requantize="onnx")) as device:
        result = device.run(graph, {"x": x.astype(dtype)})
    assert "CONV_2D" in {layer.kind for layer in result.layers if layer.where == "accelerator"} or (
        "DEPTHWISE_CONV_2D" in {layer.kind for layer in result.layers}
    )
    np.testing.assert_array_equal(result.outputs[0], want)


@pytest.mark.parametrize("unsigned", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_every_pair_of_an_addition(seed, unsigned):
    """QLinearAdd of all 65,536 pairs of integers."""
    random = np.random.default_rng(seed)
    dtype, code = (np.uint8, TensorProto.UINT8) if unsigned else (np.int8, TensorProto.INT8)
    codes = np.arange(256, dtype=np.uint8).view(dtype)
    scales = random.uniform(0.005, 0.1, 3).astype(np.float32)
    zeros = random.integers(0, 256, 3).astype(np.uint8).view(dtype)
    constants = {f"s{i}": scales[i] for i in range(3)} | {f"z{i}": zeros[i] for i in range(3)}
    node = helper.make_node("QLinearAdd", ["a", "s0", "z0", "b", "s1", "z1", "s2", "z2"], ["y"],
                            domain="com.microsoft")
    shape = [1, 16, 64, 64]
    data = model([node], constants, [("a", code, shape), ("b", code, shape)],
                 [("y", code, None)]).SerializeToString()
    inputs = {"a": np.repeat(codes, 256).reshape(shape), "b": np.tile(codes, 256).reshape(shape)}
    with weft.open("simulator", weft.Config(requantize="onnx")) as device:
        result = device.run(parse_onnx(data), inputs)
    assert "ADD" in {layer.kind for layer in result.layers if layer.where == "accelerator"}
    np.testing.assert_array_equal(result.outputs[0], session(data).run(None, inputs)[0])


@pytest.mark.parametrize("include", [0, 1])
def test_random_average_pools(include):
    """Whether its sums decide an average or not, the result is that of onnxruntime."""
    random = np.random.default_rng(include)
    there = 0
    for number in range(24):
        dtype, code = (np.uint8, TensorProto.UINT8) if number % 2 else (np.int8, TensorProto.INT8)
        zeros = random.integers(0, 256, 2).astype(np.uint8).view(dtype)
        scales = random.uniform(0.01, 0.05, 2).astype(np.float32)
        constants = {"s": scales[0], "z": zeros[0], "t": scales[1], "u": zeros[1]}
        node = helper.make_node(
            "QLinearAveragePool", ["x", "s", "z", "t", "u"], ["y"], domain="com.microsoft",
            kernel_shape=[2, 2], strides=[1, 2], pads=[1, 0, 0, 1], count_include_pad=include,
        )
        shape = [1, 8, 15, 16]
        data = model([node], constants, [("x", code, shape)], [("y", code, None)])
        data = data.SerializeToString()
        x = random.integers(0, 256, shape).astype(np.uint8).view(dtype)
        with weft.open("simulator", weft.Config(rows=8, cols=8, requantize="onnx")) as device:
            result = device.run(parse_onnx(data), {"x": x})
        kinds = {layer.kind for layer in result.layers if layer.where == "accelerator"}
        there += "AVERAGE_POOL_2D" in kinds
        np.testing.assert_array_equal(result.outputs[0], session(data).run(None, {"x": x})[0])
    assert 0 < there < 24


@pytest.mark.parametrize("seed", range(6))
def test_weights_with_any_zero_point(seed):
    """Differences from -255 to 255 in a product: two or three taps on the array."""
    random = np.random.default_rng(seed)
    lines, depth, outputs = (int(random.integers(1, 40)) for _ in range(3))
    zeros = {"xz": np.uint8(random.integers(256)), "yz": np.uint8(128),
             "wz": np.uint8(random.choice([0, 255, 17]))}
    scales = {"xs": np.float32(0.02), "ws": np.float32(0.01), "ys": np.float32(0.5)}
    w = random.integers(0, 256, (depth, outputs)).astype(np.uint8)
    w[0, 0] = 255 - zeros["wz"]
    node = helper.make_node("QLinearMatMul", ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"], ["y"])
    data = model([node], {**zeros, **scales, "w": w}, [("x", TensorProto.UINT8, [lines, depth])],
                 [("y", TensorProto.UINT8, [lines, outputs])]).SerializeToString()
    x = random.integers(0, 256, (lines, depth)).astype(np.uint8)
    with weft.open("simulator", weft.Config(rows=8, cols=4, requantize="onnx")) as device:
        result = device.run(parse_onnx(data), {"x": x})
    assert "FULLY_CONNECTED" in {item.kind for item in result.layers if item.where == "accelerator"}
    np.testing.assert_array_equal(result.outputs[0], session(data).run(None, {"x": x})[0])
