# SPDX-License-Identifier: Apache-2.0
"""Imported ONNX models against onnxruntime's default session on the CPU, bit for bit."""

import numpy as np
import pytest
from onnx_models import SIZE, integer_network, model, network

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper  # noqa: E402
from onnx_oracle import (  # noqa: E402
    FORMATS,
    INT8,
    UINT8,
    float_kinds,
    quantized,
    require_exact,
    session,
)

from weft.graph import ModelError  # noqa: E402
from weft.importers.onnx import load_onnx, parse_onnx  # noqa: E402
from weft.operators.interpreter import run  # noqa: E402

MACS = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}


@pytest.fixture(autouse=True, scope="module")
def exact_oracle():
    require_exact()


def compare(data, graph, inputs):
    """Both on the same inputs: every output equal, byte for byte."""
    expected = session(data).run(None, inputs)
    values = run(graph, inputs)
    for name, want in zip(graph.outputs, expected, strict=True):
        assert values[name].dtype == want.dtype and values[name].shape == want.shape
        np.testing.assert_array_equal(values[name], want)


@pytest.mark.parametrize("variant", ["avg", "global", "none"])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("types", [(UINT8, INT8), (INT8, INT8), (UINT8, UINT8)],
                         ids=["u8s8", "s8s8", "u8u8"])
@pytest.mark.parametrize("style", FORMATS)
def test_quantize_static(tmp_path, style, types, per_channel, variant):
    options = {"avg": {}, "global": {"extras": True}, "none": {"rectified": False}}[variant]
    source = network(seed=1, pool=variant, **options)
    path = quantized(
        source, tmp_path, quant_format=FORMATS[style], per_channel=per_channel,
        activation_type=types[0], weight_type=types[1],
    )
    graph = load_onnx(path)
    assert not list(graph.unsupported())
    floating = [o.kind for o in graph.operators if graph.results(o)[0].dtype == np.float32]
    differs = [o.kind for o in graph.operators if "differs" in o.attributes]
    if style == "QDQ" and types[0] == INT8:  # values with several readers: test_onnx_qdq.py
        assert differs.count("CONV_2D") == float_kinds(path.read_bytes())["Conv"] == 2
        assert set(floating) <= {"DEQUANTIZE", "CONCATENATION", "MUL"}  # Exact in float32.
    else:
        assert not differs and floating == ["DEQUANTIZE"]
    assert {operator.kind for operator in graph.operators} > MACS
    runner, rng = session(path.read_bytes()), np.random.default_rng(3)
    for _ in range(5):
        x = rng.normal(size=(1, 3, SIZE, SIZE)).astype(np.float32)
        want = runner.run(None, {"x": x})[0]
        got = run(graph, {"x": x})[graph.outputs[0]]
        np.testing.assert_array_equal(want, got)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("unsigned", [False, True])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_operators_made_by_hand(seed, unsigned, groups):
    source = integer_network(seed, True, unsigned, groups, per_channel=seed % 2 == 0)
    data = source.SerializeToString()
    graph = parse_onnx(data)
    assert not list(graph.unsupported())
    dtype = np.uint8 if unsigned else np.int8
    limits = np.iinfo(dtype)
    rng = np.random.default_rng(seed)
    x = rng.integers(limits.min, limits.max + 1, (1, 4, 6, 5)).astype(dtype)
    compare(data, graph, {"x": x})


def test_uint8_becomes_int8_inside():
    graph = parse_onnx(integer_network().SerializeToString())
    assert graph.tensors[graph.inputs[0]].dtype == np.uint8
    assert graph.tensors[graph.outputs[0]].dtype == np.uint8
    inner = [o for o in graph.operators if o.kind != "ONNX_FLIP_SIGN"]
    for operator in inner:
        for tensor in (*graph.operands(operator), *graph.results(operator)):
            assert tensor is None or tensor.dtype != np.uint8


def unary_model(kind, scale, zero, out_scale, out_zero, shape, **attributes):
    dtype = zero.dtype
    code = TensorProto.UINT8 if dtype == np.uint8 else TensorProto.INT8
    constants = {"s": np.float32(scale), "z": zero, "t": np.float32(out_scale), "u": out_zero}
    attributes.setdefault("domain", "com.microsoft")
    node = helper.make_node(kind, ["x", "s", "z", "t", "u"], ["y"], **attributes)
    return model([node], constants, [("x", code, shape)], [("y", code, None)])


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("kind, attributes, mapped", [
    ("QLinearSigmoid", {}, "LOGISTIC"),
    ("QLinearLeakyRelu", {"alpha": 0.3}, "LEAKY_RELU"),
    ("QLinearGlobalAveragePool", {"channels_last": 0}, "MEAN"),
    ("QLinearAveragePool", {"kernel_shape": [3, 2], "pads": [1, 1, 1, 0]}, "AVERAGE_POOL_2D"),
    ("QLinearAveragePool",
     {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [1, 0, 0, 1], "count_include_pad": 1},
     "AVERAGE_POOL_2D"),
])
def test_unary_operators(kind, attributes, mapped, dtype):
    rng = np.random.default_rng(5)
    limits = np.iinfo(dtype)
    for _ in range(6):
        zeros = rng.integers(limits.min, limits.max + 1, 2).astype(dtype)
        scales = rng.uniform(0.005, 0.1, 2)
        source = unary_model(kind, scales[0], zeros[0], scales[1], zeros[1], [2, 3, 9, 8],
                             **attributes)
        data = source.SerializeToString()
        graph = parse_onnx(data)
        assert mapped in {operator.kind for operator in graph.operators}
        x = rng.integers(limits.min, limits.max + 1, (2, 3, 9, 8)).astype(dtype)
        compare(data, graph, {"x": x})


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("opset", [11, 13])
@pytest.mark.parametrize("axis", [1, 2])
def test_softmax(axis, opset, dtype):
    rng = np.random.default_rng(8)
    limits = np.iinfo(dtype)
    for _ in range(8):
        source = unary_model(
            "QLinearSoftmax", rng.uniform(0.005, 0.03), dtype(limits.min + rng.integers(256)),
            rng.uniform(1 / 300, 1 / 200), dtype(limits.min), [3, 7, 10], axis=axis, opset=opset,
        )
        data = source.SerializeToString()
        x = rng.integers(limits.min, limits.max + 1, (3, 7, 10)).astype(dtype)
        compare(data, parse_onnx(data), {"x": x})


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("kind, mapped", [("QLinearAdd", "ADD"), ("QLinearMul", "MUL")])
@pytest.mark.parametrize("shape", [(2, 3, 8, 9), (1,), (9,), (3, 1, 1)])
def test_binary_operators(kind, mapped, dtype, shape):
    rng = np.random.default_rng(6)
    code = TensorProto.UINT8 if dtype == np.uint8 else TensorProto.INT8
    limits = np.iinfo(dtype)
    for _ in range(6):
        zeros = rng.integers(limits.min, limits.max + 1, 3).astype(dtype)
        scales = rng.uniform(0.005, 0.1, 3).astype(np.float32)
        constants = {f"s{i}": scales[i] for i in range(3)} | {f"z{i}": zeros[i] for i in range(3)}
        names = ["a", "s0", "z0", "b", "s1", "z1", "s2", "z2"]
        node = helper.make_node(kind, names, ["y"], domain="com.microsoft")
        shapes = ((2, 3, 8, 9), shape)
        source = model([node], constants, [("a", code, shapes[0]), ("b", code, shapes[1])],
                       [("y", code, None)])
        data = source.SerializeToString()
        graph = parse_onnx(data)
        assert mapped in {operator.kind for operator in graph.operators}
        inputs = {
            name: rng.integers(limits.min, limits.max + 1, extent).astype(dtype)
            for name, extent in zip("ab", shapes, strict=True)
        }
        compare(data, graph, inputs)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("shape", [(256, 256), (256, 1)])
def test_products_of_every_pair(shape, dtype):
    """Round scales put products halfway between two results, where the zero point decides."""
    rng = np.random.default_rng(11)
    code = TensorProto.UINT8 if dtype == np.uint8 else TensorProto.INT8
    codes = np.arange(256, dtype=np.uint8).view(dtype)
    inputs = {"a": np.tile(codes, (256, 1)), "b": np.broadcast_to(codes[:, None], shape)}
    limits = np.iinfo(dtype)
    offsets = [(125, 125, 127), *rng.integers(0, 256, (7, 3))]
    for zeros in offsets:
        scales = (0.05, 0.05, 0.06) if zeros is offsets[0] else rng.choice([0.05, 0.1, 0.3], 3)
        constants = {f"s{i}": np.float32(scales[i]) for i in range(3)}
        constants |= {f"z{i}": dtype(limits.min + int(zeros[i])) for i in range(3)}
        node = helper.make_node("QLinearMul", ["a", "s0", "z0", "b", "s1", "z1", "s2", "z2"],
                                ["y"], domain="com.microsoft")
        source = model([node], constants, [("a", code, (256, 256)), ("b", code, shape)],
                       [("y", code, None)])
        data = source.SerializeToString()
        compare(data, parse_onnx(data), inputs)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("a, b, shapes", [
    ("slow", "fast", ((1, 16, 64, 64), (1, 16, 64, 64))),
    ("fast", "once", ((256, 256), (256, 1))), ("once", "fast", ((256, 1), (256, 256))),
    ("slow", "once", ((256, 256), (1, 256))), ("once", "slow", ((1, 256), (256, 256))),
    ("fast", "once", ((1, 16, 16, 256), (1, 16, 16, 1))),
    ("fast", "once", ((1, 256, 8, 32), (256, 1, 1))),
])
def test_additions_of_every_pair(a, b, shapes, dtype):
    """Sums in float32 are close to halfway between two integers for few pairs, so all are tried."""
    rng = np.random.default_rng(6)
    code = TensorProto.UINT8 if dtype == np.uint8 else TensorProto.INT8
    codes = np.arange(256, dtype=np.uint8).view(dtype)
    values = {"once": codes, "slow": np.repeat(codes, 256), "fast": np.tile(codes, 256)}
    inputs = {"a": values[a].reshape(shapes[0]), "b": values[b].reshape(shapes[1])}
    for _ in range(12):
        zeros = rng.integers(0, 256, 3).astype(np.uint8).view(dtype)
        scales = rng.uniform(0.005, 0.1, 3).astype(np.float32)
        constants = {f"s{i}": scales[i] for i in range(3)} | {f"z{i}": zeros[i] for i in range(3)}
        node = helper.make_node("QLinearAdd", ["a", "s0", "z0", "b", "s1", "z1", "s2", "z2"],
                                ["y"], domain="com.microsoft")
        source = model([node], constants, [("a", code, shapes[0]), ("b", code, shapes[1])],
                       [("y", code, None)])
        data = source.SerializeToString()
        compare(data, parse_onnx(data), inputs)


def test_quantize_linear_of_every_kind_of_number():
    rng = np.random.default_rng(2)
    constants = {"s": np.float32(0.1), "z": np.int8(-3)}
    node = helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"])
    data = model([node], constants, [("x", TensorProto.FLOAT, [4096])],
                 [("y", TensorProto.INT8, [4096])]).SerializeToString()
    x = (rng.normal(size=4096) * 20).astype(np.float32)
    x[:300] = (np.arange(300) - 150) * np.float32(0.05)
    x[300:308] = [np.inf, -np.inf, 1e30, -1e30, 0.0, -0.0, 1e-40, 3e38]
    compare(data, parse_onnx(data), {"x": x})


def test_float_network_runs_on_the_host():
    source = network(seed=2, extras=True)
    graph = parse_onnx(source.SerializeToString())
    assert not list(graph.unsupported())
    x = np.random.default_rng(0).normal(size=(1, 3, SIZE, SIZE)).astype(np.float32)
    want = session(source.SerializeToString()).run(None, {"x": x})[0]
    np.testing.assert_allclose(run(graph, {"x": x})["y"], want, rtol=1e-4, atol=1e-5)


def test_flatten_permutes_weights_instead_of_activations():
    graph = parse_onnx(network().SerializeToString())
    transposes = [o for o in graph.operators if o.kind == "TRANSPOSE"]
    assert len(transposes) == 1 and transposes[0].inputs[0] == "x"


def test_unknown_operators_stay_with_their_reason():
    node = helper.make_node("Loopy", ["x"], ["h"], domain="example.org")
    after = helper.make_node("Relu", ["h"], ["y"])
    source = model([node, after], {}, [("x", TensorProto.FLOAT, [2])],
                   [("y", TensorProto.FLOAT, [2])])
    source.graph.value_info.append(
        helper.make_tensor_value_info("h", TensorProto.FLOAT, [2])
    )
    graph = parse_onnx(source.SerializeToString())
    missing = list(graph.unsupported())
    assert [operator.kind for operator in missing] == ["ONNX_EXAMPLE_ORG_LOOPY"]
    assert missing[0].unsupported == "not implemented"
    with pytest.raises(ModelError, match="not implemented"):
        run(graph, [np.zeros(2, np.float32)])
    del source.graph.value_info[:]
    with pytest.raises(ModelError, match="does not say the shape"):
        parse_onnx(source.SerializeToString())


def test_symbolic_dimensions():
    node = helper.make_node("Relu", ["x"], ["y"])
    source = model([node], {}, [("x", TensorProto.FLOAT, ["batch", 3])],
                   [("y", TensorProto.FLOAT, ["batch", 3])])
    data = source.SerializeToString()
    assert parse_onnx(data).tensors["x"].shape == (1, 3)
    assert parse_onnx(data, dimensions={"batch": 5}).tensors["y"].shape == (5, 3)


def test_constants_must_fit():
    data = integer_network().SerializeToString()
    with pytest.raises(ModelError, match="no input 'other'"):
        parse_onnx(data, constants={"other": np.zeros(1)})
    with pytest.raises(ModelError, match="must be uint8"):
        parse_onnx(data, constants={"x": np.zeros(1)})
