# SPDX-License-Identifier: Apache-2.0
"""QDQ models: integers exactly where onnxruntime's session has integer operators."""

import itertools
from collections import Counter

import numpy as np
import pytest
from onnx_models import model

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper  # noqa: E402
from onnx_oracle import float_kinds, require_exact, session  # noqa: E402

from weft.compiler.network import compile_network  # noqa: E402
from weft.hdl.config import Config  # noqa: E402
from weft.importers.onnx import parse_onnx  # noqa: E402
from weft.operators.interpreter import run  # noqa: E402

KINDS = {
    "CONV_2D": "Conv", "FULLY_CONNECTED": "Gemm", "BATCH_MATMUL": "Gemm",
    "AVERAGE_POOL_2D": "AveragePool", "MEAN": "GlobalAveragePool", "LOGISTIC": "Sigmoid",
    "SOFTMAX": "Softmax",
}
X_SCALE, W_SCALE = np.float32(0.02), np.float32(0.01)


@pytest.fixture(autouse=True, scope="module")
def exact_oracle():
    require_exact()


def numpy_type(unsigned):
    return np.uint8 if unsigned else np.int8


def floats(graph):
    """Kinds that the session computes in float32 as the graph knows; some it has in integers."""
    found = Counter(
        KINDS[item.kind] for item in graph.operators if item.kind in KINDS
        and (graph.results(item)[0].dtype == np.float32 or "differs" in item.attributes)
    )
    return {kind: count for kind, count in found.items() if count}


def product(
    kind, types=(True, False, True), before="none", between=(), after="none", zero=0, y_scale=0.3,
    bias="int32", alpha=1.0, bounds=(0, 6),
):
    """DequantizeLinear, product, what is between, QuantizeLinear; types are unsigned x, w, y.

    before: "none" (integer input), "pair" (a QuantizeLinear of a float input), "two" (which
    something else reads too). after: "none" (integer output), "pair" (a DequantizeLinear), "two"
    (read twice), "both" (integers are an output as well), "float" (no QuantizeLinear).
    """
    rng, signs = np.random.default_rng(0), [numpy_type(item) for item in types]
    limits = np.iinfo(signs[1])
    conv = kind == "Conv"
    shape = [2, 4, 6, 5] if conv else [3, 20]
    w_shape = (8, 4, 3, 3) if conv else (20, 8)
    constants = {
        "xs": X_SCALE, "xz": signs[0](np.iinfo(signs[0]).min + 128), "ws": W_SCALE,
        "wz": signs[1](limits.min + 128), "ys": np.float32(y_scale),
        "yz": signs[2](np.iinfo(signs[2]).min + zero), "low": np.float32(bounds[0]),
        "high": np.float32(bounds[1]), "bs": X_SCALE * W_SCALE,
        "w": rng.integers(limits.min, limits.max + 1, w_shape).astype(signs[1]),
        "b": rng.integers(-3000, 3000, 8).astype(np.int32),
    }
    nodes, outputs = [], []
    kinds = {True: TensorProto.UINT8, False: TensorProto.INT8}
    source = ("x", kinds[types[0]], shape)
    if before != "none":
        source = ("f", TensorProto.FLOAT, shape)
        nodes.append(helper.make_node("QuantizeLinear", ["f", "xs", "xz"], ["x"]))
    nodes += [helper.make_node("DequantizeLinear", ["x", "xs", "xz"], ["xf"]),
              helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wf"])]
    operands = ["xf", "wf"]
    if kind != "MatMul" and bias:
        operands.append("bf")
        if bias == "float":
            constants["bf"] = rng.normal(size=8).astype(np.float32)
        else:
            if bias == "scale":
                constants["bs"] = np.float32(0.001)
            nodes.append(helper.make_node("DequantizeLinear", ["b", "bs"], ["bf"]))
    attributes = {"alpha": alpha} if alpha != 1 else {}
    nodes.append(helper.make_node(kind, operands, ["v0"], **attributes))
    name = "v0"
    for count, item in enumerate(between, 1):
        inputs = [name, "low", "high"] if item == "Clip" else [name]
        name = f"v{count}"
        nodes.append(helper.make_node(item, inputs, [name]))
    if before == "two":
        nodes.append(helper.make_node("Relu", ["xf"], ["other"]))
        outputs.append(("other", TensorProto.FLOAT, shape))
    result = [2, 8, 4, 3] if conv else [3, 8]
    if after == "float":
        outputs.append((name, TensorProto.FLOAT, result))
    else:
        nodes.append(helper.make_node("QuantizeLinear", [name, "ys", "yz"], ["y"]))
        if after in ("none", "both"):
            outputs.append(("y", kinds[types[2]], result))
        if after != "none":
            nodes.append(helper.make_node("DequantizeLinear", ["y", "ys", "yz"], ["yf"]))
            outputs.append(("yf", TensorProto.FLOAT, result))
        if after == "two":
            nodes.append(helper.make_node("Relu", ["yf"], ["again"]))
            outputs.append(("again", TensorProto.FLOAT, result))
    return model(nodes, constants, [source], outputs)


def check(proto, exact=None):
    """The same operators are integers; where all are, results are equal bit for bit."""
    data = proto.SerializeToString()
    graph = parse_onnx(data)
    assert not list(graph.unsupported())
    want = float_kinds(data)
    assert floats(graph) == want
    if exact is not None:
        assert (not want) == exact
    runner, rng = session(data), np.random.default_rng(1)
    tensor = graph.tensors[graph.inputs[0]]
    for _ in range(5):
        if tensor.dtype == np.float32:
            x = (rng.normal(size=tensor.shape) * 2).astype(np.float32)
        else:
            limits = np.iinfo(tensor.dtype)
            x = rng.integers(limits.min, limits.max + 1, tensor.shape).astype(tensor.dtype)
        values = run(graph, {tensor.name: x})
        for name, expected in zip(graph.outputs, runner.run(None, {tensor.name: x}), strict=True):
            assert values[name].dtype == expected.dtype
            if not want:
                np.testing.assert_array_equal(values[name], expected)
                continue
            # float32 sums in another order: at most one step of the result's scale.
            step = 1.0 if expected.dtype.kind in "iu" else 0.3001
            differences = np.abs(values[name].astype(np.float64) - expected.astype(np.float64))
            assert differences.max() <= step
    return graph


@pytest.mark.parametrize("kind", ["Conv", "Gemm", "MatMul"])
@pytest.mark.parametrize("types", list(itertools.product([True, False], repeat=3)),
                         ids=lambda item: "".join("su"[flag] for flag in item))
@pytest.mark.parametrize("after", ["none", "float"])
def test_types(kind, types, after):
    check(product(kind, types, after=after))


@pytest.mark.parametrize("kind", ["Conv", "Gemm", "MatMul"])
@pytest.mark.parametrize("before", ["none", "pair", "two"])
@pytest.mark.parametrize("after", ["none", "pair", "two", "both", "float"])
def test_readers_of_int8_values(kind, before, after):
    check(product(kind, (False, False, False), before, (), after, zero=120))


@pytest.mark.parametrize("kind", ["Conv", "Gemm", "MatMul"])
@pytest.mark.parametrize("between", [("Relu",), ("Clip",), ("Relu", "Clip"), ("Exp",),
                                     ("Relu", "Exp")])
@pytest.mark.parametrize("zero", [0, 1, 128])
def test_rectifiers_and_zero_points(kind, between, zero):
    proto = product(kind, between=between, zero=zero)
    exact = True if between == ("Relu",) and zero == 0 else None
    graph = check(proto, False if between == ("Relu",) and zero else exact)
    if between == ("Relu",) and zero:
        note, = graph.notes
        assert "float32, Weft in integers: the Relu behind it is not contained" in note
        assert {item.attributes["activation"] for item in graph.operators
                if "differs" in item.attributes} == {"RELU"}


def test_residuals_of_int8_stay_on_the_accelerator():
    """A value with two readers stays int8; the convolution is integers all the same."""
    graph = check(product("Conv", (False, False, False), "two", (), "two"), False)
    note, = (note for note in graph.notes if "CONV_2D" in note)
    assert "have several readers" in note
    compiled = compile_network(graph, Config(rows=4, cols=4, requantize="onnx"))
    assert "CONV_2D" not in {item["kind"] for item in compiled.host_operators}


def test_a_clip_to_six_becomes_a_rectifier():
    graph = check(product("Conv", between=("Clip",), y_scale=0.1, zero=20), False)
    assert [item.attributes["activation"] for item in graph.operators
            if item.kind == "CONV_2D"] == ["RELU6"]


@pytest.mark.parametrize("after", ["float", "none"])
@pytest.mark.parametrize("kind", ["Gemm", "MatMul"])
@pytest.mark.parametrize("between", [("Relu",), ("Clip",), ("Relu", "Exp"), ("Clip", "Exp")])
def test_rectifiers_of_a_float_result(kind, between, after):
    check(product(kind, between=between, after=after, zero=40))


@pytest.mark.parametrize("bounds, scale, exact", [
    ((0, 6), 6 / 255, True), ((0, 6), 5 / 255, True), ((0, 6), 6.1 / 255, False),
    ((0, 5.9883), 6 / 255, True), ((0, 5.988), 6 / 255, False), ((0.0117, 6), 6 / 255, True),
    ((0.0118, 6), 6 / 255, False),
])
def test_clips_that_saturation_contains(bounds, scale, exact):
    check(product("Conv", between=("Clip",), y_scale=scale, bounds=bounds), exact)


@pytest.mark.parametrize("bias, exact", [("float", True), ("int32", True), ("scale", False)])
def test_biases_of_convolutions(bias, exact):
    check(product("Conv", bias=bias), exact)


def test_biases_and_factors_of_gemm():
    check(product("Gemm", bias="float"), True)
    check(product("Gemm", bias="scale"), True)
    check(product("Gemm", alpha=0.5), False)


@pytest.mark.parametrize("kind", ["Add", "Mul", "Concat", "AveragePool", "GlobalAveragePool",
                                  "Sigmoid", "Softmax", "LeakyRelu", "HardSwish", "MaxPool"])
@pytest.mark.parametrize("types", list(itertools.product([True, False], repeat=2)),
                         ids=lambda item: "".join("su"[flag] for flag in item))
@pytest.mark.parametrize("same", [False, True])
def test_other_operators(kind, types, same):
    """Integers of one type on both sides, else float32."""
    dtypes, codes = [numpy_type(item) for item in types], (TensorProto.INT8, TensorProto.UINT8)
    scale = 0.02 if same else 0.05
    constants = {"xs": X_SCALE, "xz": dtypes[0](5), "ys": np.float32(scale), "yz": dtypes[1](5)}
    attributes = {"Concat": {"axis": 1}, "AveragePool": {"kernel_shape": [2, 2]},
                  "MaxPool": {"kernel_shape": [2, 2]}}.get(kind, {})
    inputs = ["x", "x2"] if kind in ("Add", "Mul", "Concat") else ["x"]
    nodes = [helper.make_node("DequantizeLinear", [name, "xs", "xz"], [f"{name}f"])
             for name in inputs]
    nodes += [
        helper.make_node(kind, [f"{name}f" for name in inputs], ["c"], **attributes),
        helper.make_node("QuantizeLinear", ["c", "ys", "yz"], ["y"]),
    ]
    proto = model(nodes, constants, [(name, codes[types[0]], [1, 4, 6, 6]) for name in inputs],
                  [("y", codes[types[1]], None)], opset=14)
    data = proto.SerializeToString()
    graph = parse_onnx(data)
    assert floats(graph) == float_kinds(data)
    rng, limits = np.random.default_rng(2), np.iinfo(dtypes[0])
    values = {name: rng.integers(limits.min, limits.max + 1, (1, 4, 6, 6)).astype(dtypes[0])
              for name in inputs}
    expected = session(data).run(None, values)[0]
    found = run(graph, values)["y"]
    if kind == "AveragePool" and types[0] != types[1]:  # float32 sums in another order
        assert np.abs(found.astype(int) - expected.astype(int)).max() <= 1
        assert "AVERAGE_POOL_2D" in graph.notes[0]
    else:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("unsigned", [False, True])
@pytest.mark.parametrize("count, steps, zero", [
    (1, 255, 0), (1, 256, 200), (1, 128, 100), (2, 200, 100), (2, 300, 100), (2, 500, 128),
    (2, 1000, 50), (4, 2000, 0), (3, 256, 0),
])
def test_overflow_of_softmax(unsigned, count, steps, zero):
    dtype, code = numpy_type(unsigned), TensorProto.UINT8 if unsigned else TensorProto.INT8
    low = int(np.iinfo(dtype).min)
    constants = {"xs": np.float32(0.5), "xz": dtype(5), "ys": np.float32(1 / steps),
                 "yz": dtype(low + zero)}
    node = helper.make_node("QLinearSoftmax", ["x", "xs", "xz", "ys", "yz"], ["y"],
                            domain="com.microsoft", axis=-1, opset=13)
    data = model([node], constants, [("x", code, [1, count])], [("y", code, [1, count])]
                 ).SerializeToString()
    x = np.full((1, count), low, dtype)
    x[0, 0] = np.iinfo(dtype).max
    np.testing.assert_array_equal(run(parse_onnx(data), {"x": x})["y"],
                                  session(data).run(None, {"x": x})[0])


def test_scales_name_their_tensor():
    proto = product("Conv")
    scale = next(item for item in proto.graph.initializer if item.name == "ys")
    scale.CopyFrom(onnx.numpy_helper.from_array(np.float32(-1), "ys"))
    with pytest.raises(Exception, match="'ys'.*positive and finite everywhere, not -1"):
        parse_onnx(proto.SerializeToString())


def test_open_dimensions_are_said():
    proto = product("Conv")
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    graph = parse_onnx(proto.SerializeToString())
    assert graph.notes == ["the batch of input 'x' is open in the file ('N') and is taken as 1"]
    assert parse_onnx(proto.SerializeToString(), dimensions={"N": 2}).notes[0].endswith("as 2")
