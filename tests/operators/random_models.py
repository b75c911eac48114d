# SPDX-License-Identifier: Apache-2.0
"""Random models of one operator: shapes, strides, padding, scales, zero points, extremes."""

import numpy as np
from tflite_builder import OperatorSpec, TensorSpec, build, constant

ACTIVATIONS = (0, 1, 2, 3)
CASES = {}


class Skip(Exception):
    """The drawn numbers make no model; draw again."""


def case(*kinds):
    def register(function):
        for kind in kinds:
            CASES[kind] = function
        return function

    return register


def integers(rng, shape, low=-128, high=127):
    """int8 values, in a quarter of the cases only the extremes."""
    if rng.random() < 0.25:
        return rng.choice(np.array([low, high], np.int8), shape)
    return rng.integers(low, high + 1, shape).astype(np.int8)


def scale(rng, low=-9.0, high=0.0):
    return np.float32(2.0 ** rng.uniform(low, high))


def zero(rng):
    return int(rng.choice([rng.integers(-128, 128), -128, 127, 0]))


def quantized(rng, name, shape, **fixed):
    return TensorSpec(
        name, tuple(shape), scale=fixed.get("scale", scale(rng)),
        zero_point=fixed.get("zero_point", zero(rng)), data=fixed.get("data"),
    )


def shape(rng, rank, largest=7):
    return tuple(int(n) for n in rng.integers(1, largest + 1, rank))


def out_size(size, extent, stride, dilation, same):
    effective = (extent - 1) * dilation + 1
    result = -(-(size if same else size - effective + 1) // stride)
    if result < 1:
        raise Skip
    return result


def single(kind, tensors, inputs, outputs, options_class=None, options=None, feed=None):
    operator = OperatorSpec(kind, inputs, outputs, options_class, options or {})
    given = [index for index in inputs if index >= 0 and tensors[index].data is None]
    return build(tensors, [operator], given, outputs), feed, len(outputs)


def unary(kind, rng, x, y, options_class=None, options=None):
    return single(kind, [x, y], [0], [1], options_class, options, [integers(rng, x.shape)])


@case("CONV_2D", "DEPTHWISE_CONV_2D")
def convolution(kind, rng):
    n, h, w, c = int(rng.integers(1, 3)), *shape(rng, 2, 12), int(rng.integers(1, 10))
    kh, kw = shape(rng, 2, 5)
    sh, sw = shape(rng, 2, 3)
    dh, dw = shape(rng, 2, 3) if rng.random() < 0.3 else (1, 1)
    same = bool(rng.integers(2))
    if kind == "CONV_2D":
        o = int(rng.integers(1, 10))
        weight_shape, axis, depth = (o, kh, kw, c), 0, kh * kw * c
    else:
        o = c * int(rng.integers(1, 4))
        weight_shape, axis, depth = (1, kh, kw, o), 3, kh * kw
    result = (n, out_size(h, kh, sh, dh, same), out_size(w, kw, sw, dw, same), o)
    x = quantized(rng, "x", (n, h, w, c))
    # TensorFlow Lite Micro crashes on depthwise layers without bias.
    per_channel = rng.random() < 0.75
    weight_scale = np.float32(2.0 ** rng.uniform(-9, -4, o if per_channel else 1))
    weights = constant("w", integers(rng, weight_shape, -127), "int8", scale=weight_scale,
                       axis=axis if per_channel else 0)
    bias = constant("b", rng.integers(-20000, 20000, o), scale=weight_scale * x.scale)
    spread = np.float32(x.scale * weight_scale.mean() * np.sqrt(depth) * 2 ** rng.uniform(-6, 10))
    y = quantized(rng, "y", result, scale=spread)
    options = {
        "Padding": 0 if same else 1, "StrideH": sh, "StrideW": sw, "DilationHFactor": dh,
        "DilationWFactor": dw, "FusedActivationFunction": int(rng.choice(ACTIVATIONS)),
    }
    name = "Conv2DOptions"
    if kind == "DEPTHWISE_CONV_2D":
        name, options["DepthMultiplier"] = "DepthwiseConv2DOptions", o // c
    bias_given = kind == "DEPTHWISE_CONV_2D" or rng.random() < 0.85
    inputs = [0, 1, 2 if bias_given else -1]
    return single(kind, [x, weights, bias, y], inputs, [3], name, options,
                  [integers(rng, x.shape)])


@case("FULLY_CONNECTED")
def fully_connected(kind, rng):
    rows, depth, o = int(rng.integers(1, 5)), int(rng.integers(1, 200)), int(rng.integers(1, 20))
    x = quantized(rng, "x", (rows, depth))
    weight_scale = np.float32(2.0 ** rng.uniform(-9, -4, o if rng.random() < 0.3 else 1))
    weights = constant("w", integers(rng, (o, depth), -127), "int8", scale=weight_scale)
    bias = constant("b", rng.integers(-20000, 20000, o), scale=weight_scale * x.scale)
    spread = np.float32(x.scale * weight_scale.mean() * np.sqrt(depth) * 2 ** rng.uniform(-6, 10))
    y = quantized(rng, "y", (rows, o), scale=spread)
    options = {"FusedActivationFunction": int(rng.choice(ACTIVATIONS))}
    return single(kind, [x, weights, bias, y], [0, 1, 2 if rng.random() < 0.85 else -1], [3],
                  "FullyConnectedOptions", options, [integers(rng, x.shape)])


@case("ADD", "SUB", "MUL", "MINIMUM", "MAXIMUM")
def binary(kind, rng):
    full = shape(rng, int(rng.integers(1, 5)), 5)
    other = tuple(n if rng.random() < 0.7 else 1 for n in full) if rng.random() < 0.5 else full
    first, second = (full, other) if rng.random() < 0.5 else (other, full)
    one = {"scale": scale(rng), "zero_point": zero(rng)} if "IMUM" in kind else {}
    a, b = quantized(rng, "a", first, **one), quantized(rng, "b", second, **one)
    if rng.random() < 0.3:
        b.data = integers(rng, second)
    if not one:
        base = a.scale * b.scale * 64 if kind == "MUL" else max(a.scale, b.scale)
        one = {"scale": np.float32(base * 2.0 ** rng.uniform(-2, 3)), "zero_point": zero(rng)}
    y = quantized(rng, "y", np.broadcast_shapes(first, second), **one)
    feed = [integers(rng, first)] + ([integers(rng, second)] if b.data is None else [])
    if "IMUM" in kind:
        return single(kind, [a, b, y], [0, 1], [2], "MaximumMinimumOptions", {}, feed)
    options = {"FusedActivationFunction": int(rng.choice(ACTIVATIONS))}
    return single(kind, [a, b, y], [0, 1], [2], f"{kind.title()}Options", options, feed)


@case("AVERAGE_POOL_2D", "MAX_POOL_2D")
def pool(kind, rng):
    n, h, w, c = int(rng.integers(1, 3)), *shape(rng, 2, 12), int(rng.integers(1, 8))
    kh, kw = shape(rng, 2, 6)
    sh, sw = shape(rng, 2, 3)
    same = bool(rng.integers(2))
    result = (n, out_size(h, kh, sh, 1, same), out_size(w, kw, sw, 1, same), c)
    one = {"scale": scale(rng), "zero_point": zero(rng)}
    x, y = quantized(rng, "x", (n, h, w, c), **one), quantized(rng, "y", result, **one)
    options = {
        "Padding": 0 if same else 1, "StrideH": sh, "StrideW": sw, "FilterHeight": kh,
        "FilterWidth": kw, "FusedActivationFunction": int(rng.choice(ACTIVATIONS)),
    }
    return unary(kind, rng, x, y, "Pool2DOptions", options)


@case("SOFTMAX")
def softmax(kind, rng):
    x = quantized(rng, "x", shape(rng, int(rng.integers(1, 5)), 12), scale=scale(rng, -12, 3))
    y = quantized(rng, "y", x.shape, scale=np.float32(1 / 256), zero_point=-128)
    beta = float(rng.choice([1.0, 1.0, 0.5, 2.0, 0.3]))
    return unary(kind, rng, x, y, "SoftmaxOptions", {"Beta": beta})


@case("LOGISTIC", "TANH", "HARD_SWISH", "LEAKY_RELU", "RELU", "RELU6", "ELU")
def activation(kind, rng):
    x = quantized(rng, "x", (256,), scale=scale(rng, -9, -1))
    fixed = {
        "LOGISTIC": {"scale": np.float32(1 / 256), "zero_point": -128},
        "TANH": {"scale": np.float32(1 / 128), "zero_point": 0},
        "RELU6": {"scale": x.scale, "zero_point": x.zero_point},
    }.get(kind, {"scale": np.float32(x.scale * 2.0 ** rng.uniform(-1.5, 2))})
    y = quantized(rng, "y", (256,), **fixed)
    options = {"Alpha": float(rng.uniform(0, 1))} if kind == "LEAKY_RELU" else {}
    name = {"LEAKY_RELU": "LeakyReluOptions", "HARD_SWISH": "HardSwishOptions"}.get(kind)
    feed = [np.arange(-128, 128).astype(np.int8)]
    return single(kind, [x, y], [0], [1], name, options, feed)


@case("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN")
def reduction(kind, rng):
    x = quantized(rng, "x", shape(rng, 4, 9))
    axes = rng.permutation(4)[: rng.integers(1, 4)].tolist()
    keep = bool(rng.integers(2))
    kept = [1 if i in axes else n for i, n in enumerate(x.shape)]
    if not keep:
        kept = [n for i, n in enumerate(x.shape) if i not in axes]
    one = {"scale": x.scale, "zero_point": x.zero_point} if "REDUCE" in kind else {
        "scale": np.float32(x.scale * 2.0 ** rng.uniform(-2, 4))}
    y = quantized(rng, "y", kept, **one)
    listed = [axis - 4 if rng.random() < 0.2 else axis for axis in axes]
    return single(kind, [x, constant("axes", listed), y], [0, 1], [2], "ReducerOptions",
                  {"KeepDims": keep}, [integers(rng, x.shape)])


@case("ARG_MAX", "ARG_MIN")
def position(kind, rng):
    x = quantized(rng, "x", shape(rng, 3))
    axis = int(rng.integers(-3, 3))
    y = TensorSpec("y", tuple(np.delete(x.shape, axis)), "int32")
    name = "ArgMaxOptions" if kind == "ARG_MAX" else "ArgMinOptions"
    return single(kind, [x, constant("axis", axis), y], [0, 1], [2], name, {"OutputType": 2},
                  [rng.integers(-3, 3, x.shape).astype(np.int8)])


@case("PRELU")
def prelu(kind, rng):
    x = quantized(rng, "x", shape(rng, 4, 5))
    alpha = quantized(rng, "alpha", (1, 1, x.shape[3]))
    alpha.data = integers(rng, alpha.shape)
    y = quantized(rng, "y", x.shape, scale=np.float32(x.scale * 2.0 ** rng.uniform(-1, 3)))
    return single(kind, [x, alpha, y], [0, 1], [2], None, {}, [integers(rng, x.shape)])


@case("QUANTIZE")
def quantize(kind, rng):
    size = shape(rng, 3)
    y = quantized(rng, "y", size)
    if rng.random() < 0.4:
        x = TensorSpec("x", size, "float32")
        feed = (rng.integers(-300, 300, size) * y.scale / 2).astype(np.float32)
    else:
        x = quantized(rng, "x", size, scale=np.float32(y.scale * 2.0 ** rng.uniform(-3, 2)))
        feed = integers(rng, size)
    return single(kind, [x, y], [0], [1], "QuantizeOptions", {}, [feed])


@case("DEQUANTIZE")
def dequantize(kind, rng):
    x = quantized(rng, "x", shape(rng, 3))
    return unary(kind, rng, x, TensorSpec("y", x.shape, "float32"), "DequantizeOptions")
