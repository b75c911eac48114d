# SPDX-License-Identifier: Apache-2.0
"""Attributes of TensorFlow Lite operators: from option tables of the schema to plain values."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from ..graph import ModelError
from .flatbuffer import numbers

__all__ = ["ACTIVATIONS", "ELEMENT_TYPES", "read_attributes"]

ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
"""Fused activations by their number in the schema."""

ELEMENT_TYPES = {
    0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 6: "bool", 7: "int16",
    9: "int8", 10: "float64", 12: "uint64", 15: "uint32", 16: "uint16",
}
"""NumPy names of the schema's element types that NumPy has."""

PADDINGS = ("SAME", "VALID")
MIRROR_MODES = ("REFLECT", "SYMMETRIC")


def _name(names: tuple[str, ...], what: str) -> Callable[[int], str]:
    def convert(code: int) -> str:
        if not 0 <= code < len(names):
            raise ModelError(f"{what} {code} does not exist")
        return names[code]

    return convert


def _element_type(code: int) -> str:
    if code not in ELEMENT_TYPES:
        raise ModelError(f"element type {code} is not supported")
    return ELEMENT_TYPES[code]


Fields = Mapping[str, tuple[str, Callable[[Any], Any]]]

_activation = ("FusedActivationFunction", _name(ACTIVATIONS, "fused activation"))
_padding = ("Padding", _name(PADDINGS, "padding"))
_strides: Fields = {"stride_h": ("StrideH", int), "stride_w": ("StrideW", int)}
_dilations: Fields = {
    "dilation_h": ("DilationHFactor", int), "dilation_w": ("DilationWFactor", int)
}
_resize: Fields = {
    "align_corners": ("AlignCorners", bool), "half_pixel_centers": ("HalfPixelCenters", bool)
}
_pool: Fields = {
    "filter_h": ("FilterHeight", int), "filter_w": ("FilterWidth", int), **_strides,
    "padding": _padding, "activation": _activation,
}
_reducer: Fields = {"keep_dims": ("KeepDims", bool)}

OPTIONS: dict[str, tuple[str, Fields]] = {
    "ADD": ("AddOptions", {"activation": _activation}),
    "ARG_MAX": ("ArgMaxOptions", {"output_type": ("OutputType", _element_type)}),
    "ARG_MIN": ("ArgMinOptions", {"output_type": ("OutputType", _element_type)}),
    "AVERAGE_POOL_2D": ("Pool2DOptions", _pool),
    "BATCH_MATMUL": ("BatchMatMulOptions", {"adj_x": ("AdjX", bool), "adj_y": ("AdjY", bool)}),
    "CONCATENATION": ("ConcatenationOptions", {"axis": ("Axis", int), "activation": _activation}),
    "CONV_2D": (
        "Conv2DOptions",
        {**_strides, **_dilations, "padding": _padding, "activation": _activation},
    ),
    "DEPTHWISE_CONV_2D": (
        "DepthwiseConv2DOptions",
        {
            **_strides, **_dilations, "padding": _padding, "activation": _activation,
            "depth_multiplier": ("DepthMultiplier", int),
        },
    ),
    "DEPTH_TO_SPACE": ("DepthToSpaceOptions", {"block_size": ("BlockSize", int)}),
    "FULLY_CONNECTED": (
        "FullyConnectedOptions",
        {
            "activation": _activation, "weights_format": ("WeightsFormat", int),
            "keep_num_dims": ("KeepNumDims", bool),
        },
    ),
    "GATHER": ("GatherOptions", {"axis": ("Axis", int), "batch_dims": ("BatchDims", int)}),
    "GELU": ("GeluOptions", {"approximate": ("Approximate", bool)}),
    "L2_NORMALIZATION": ("L2NormOptions", {"activation": _activation}),
    "LEAKY_RELU": ("LeakyReluOptions", {"alpha": ("Alpha", float)}),
    "MAX_POOL_2D": ("Pool2DOptions", _pool),
    "MEAN": ("ReducerOptions", _reducer),
    "MIRROR_PAD": ("MirrorPadOptions", {"mode": ("Mode", _name(MIRROR_MODES, "padding mode"))}),
    "MUL": ("MulOptions", {"activation": _activation}),
    "PACK": ("PackOptions", {"axis": ("Axis", int), "values_count": ("ValuesCount", int)}),
    "REDUCE_MAX": ("ReducerOptions", _reducer),
    "REDUCE_MIN": ("ReducerOptions", _reducer),
    "RESIZE_BILINEAR": ("ResizeBilinearOptions", _resize),
    "RESIZE_NEAREST_NEIGHBOR": ("ResizeNearestNeighborOptions", _resize),
    "SHAPE": ("ShapeOptions", {"out_type": ("OutType", _element_type)}),
    "SOFTMAX": ("SoftmaxOptions", {"beta": ("Beta", float)}),
    "SPACE_TO_DEPTH": ("SpaceToDepthOptions", {"block_size": ("BlockSize", int)}),
    "SPLIT": ("SplitOptions", {"num_splits": ("NumSplits", int)}),
    "SPLIT_V": ("SplitVOptions", {"num_splits": ("NumSplits", int)}),
    "STRIDED_SLICE": (
        "StridedSliceOptions",
        {
            "begin_mask": ("BeginMask", int), "end_mask": ("EndMask", int),
            "ellipsis_mask": ("EllipsisMask", int), "new_axis_mask": ("NewAxisMask", int),
            "shrink_axis_mask": ("ShrinkAxisMask", int), "offset": ("Offset", bool),
        },
    ),
    "SUB": ("SubOptions", {"activation": _activation}),
    "SUM": ("ReducerOptions", _reducer),
    "TRANSPOSE_CONV": (
        "TransposeConvOptions", {**_strides, "padding": _padding, "activation": _activation}
    ),
    "UNPACK": ("UnpackOptions", {"axis": ("Axis", int), "num": ("Num", int)}),
}
"""Per kind: the table of the schema, and attribute name to method and conversion."""

VECTORS = {"RESHAPE": ("ReshapeOptions", "NewShape"), "SQUEEZE": ("SqueezeOptions", "SqueezeDims")}
"""Kinds whose only attribute is a vector of int32."""

REQUIRED = {"AVERAGE_POOL_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "MAX_POOL_2D", "TRANSPOSE_CONV"}
"""Kinds that mean nothing without their options; others take the schema's defaults."""


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def read_attributes(kind: str, operator: Any) -> dict[str, Any]:
    """The attributes of one operator, named as in the schema.

    Parameters
    ----------
    kind : str
        Name of the builtin operator.
    operator : tflite.Operator
        Reader of the flatbuffer.

    Raises
    ------
    ModelError
        If the options are of another operator, or a value does not exist in the schema.
    """
    if kind in OPTIONS:
        class_name, fields = OPTIONS[kind]
    elif kind in VECTORS:
        class_name, fields = VECTORS[kind][0], {}
    else:
        return {}
    module = importlib.import_module(f"tflite.{class_name}")
    union = importlib.import_module("tflite.BuiltinOptions").BuiltinOptions
    table = getattr(module, class_name)()
    stored = operator.BuiltinOptions()
    kind_of_options = operator.BuiltinOptionsType()
    if kind_of_options == getattr(union, class_name) and stored is not None:
        table.Init(stored.Bytes, stored.Pos)
    elif kind_of_options != union.NONE:
        raise ModelError(f"{kind} has options number {kind_of_options}, not {class_name}")
    elif kind in REQUIRED:
        raise ModelError(f"{kind} has no options")
    else:
        return _defaults(kind)
    if kind in VECTORS:
        field = VECTORS[kind][1]
        return {_snake(field): tuple(numbers(table, field, "<i4", limit=64).tolist())}
    return {name: convert(getattr(table, method)()) for name, (method, convert) in fields.items()}


def _defaults(kind: str) -> dict[str, Any]:
    if kind in VECTORS:
        return {_snake(VECTORS[kind][1]): ()}
    return {name: convert(0) for name, (_, convert) in OPTIONS[kind][1].items()}
