# SPDX-License-Identifier: Apache-2.0
"""Which operators run on the accelerator, as what, and why the others do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...graph import Graph, ModelError, Operator
from ...hdl.config import Config
from ...operators import kernels
from .layers import Alias, Convolution, HostOperator, Layer
from .mapper import Mapper, Refusal
from .mapping_convolution import map_convolution, map_depthwise, map_fully_connected
from .mapping_elementwise import fuse_unary, is_unary, map_addition, map_unary
from .mapping_pooling import map_pooling, map_reduction

__all__ = ["BUILDERS", "MISSING", "Item", "kernels", "map_graph"]

Item = Layer | HostOperator | Alias

ALIASES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
"""Kinds that leave the bytes of a tensor as they are."""

BUILDERS: dict[str, Callable[[Mapper, Operator], Layer]] = {
    "CONV_2D": map_convolution,
    "DEPTHWISE_CONV_2D": map_depthwise,
    "FULLY_CONNECTED": map_fully_connected,
    "ADD": map_addition,
    "SUB": map_addition,
    "AVERAGE_POOL_2D": map_pooling,
    "MAX_POOL_2D": map_pooling,
    "MEAN": map_reduction,
    "SUM": map_reduction,
    "REDUCE_MAX": map_reduction,
}
"""What makes a layer of an operator, or refuses."""


MISSING: dict[str, str] = {
    **dict.fromkeys(("SOFTMAX", "LOG_SOFTMAX"),
                    "sums exponentials over channels, and the vector unit has no exponential"),
    **dict.fromkeys(("BATCH_TO_SPACE_ND", "BROADCAST_TO", "CONCATENATION", "DEPTH_TO_SPACE",
                     "GATHER", "MIRROR_PAD", "ONNX_FLIP_SIGN", "ONNX_REINTERPRET", "PACK",
                     "RESIZE_NEAREST_NEIGHBOR", "SLICE", "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH",
                     "SPLIT", "SPLIT_V", "STRIDED_SLICE", "TRANSPOSE", "UNPACK"),
                    "only moves or relabels bytes"),
    **dict.fromkeys(("PAD", "PADV2"), "is not in front of convolutions alone, which would pad"),
    "BATCH_MATMUL": "multiplies by a computed matrix or several, and the array by one constant one",
    "MUL": "multiplies two computed tensors, and the vector unit multiplies by constants",
    **dict.fromkeys(("MAXIMUM", "MINIMUM", "PRELU"),
                    "selects between two tensors, and the vector unit does so only with a single "
                    "constant"),
    **dict.fromkeys(("ARG_MAX", "ARG_MIN"), "finds places, and the vector unit only values"),
    **dict.fromkeys(("ONNX_CONV_INTEGER", "ONNX_DEQUANTIZE_LINEAR", "ONNX_MATMUL_INTEGER",
                     "ONNX_DYNAMIC_QUANTIZE_LINEAR", "ONNX_QLINEAR_CONV", "ONNX_QLINEAR_MATMUL",
                     "ONNX_QUANTIZE_LINEAR"),
                    "its weights, scales or zero points are computed, and the accelerator needs "
                    "them when it compiles"),
}
"""Why the accelerator lacks a kind of operator."""


def _missing(mapper: Mapper, operator: Operator) -> str:
    """Why there is no operation for an operator."""
    operands = [item for item in mapper.graph.operands(operator) if item is not None]
    if operator.kind in MISSING and operator.kind.startswith("ONNX_"):
        return MISSING[operator.kind]
    if any(item.dtype.kind == "f" for item in [*operands, *mapper.graph.results(operator)]):
        return "has floating-point operands or results, and the accelerator computes integers"
    return MISSING.get(operator.kind, "the accelerator has no such operation")


def _refuse_sizes(config: Config, layer: Layer) -> None:
    if min(layer.source) < 1 or min(layer.result) < 1:
        raise Refusal("has an empty tensor")
    if isinstance(layer, Convolution):
        depth = layer.weights[0].size
        words = -(-layer.weights.shape[3] // config.rows) * config.rows
        if max(depth, words * layer.kernel[0] * layer.kernel[1]) > config.max_reduction_depth:
            raise Refusal(
                f"adds {depth} products, more than max_reduction_depth "
                f"({config.max_reduction_depth})"
            )
        if not layer.rescaling.legal:
            raise Refusal("a scale does not fit the vector unit's shifts")


def _layer(mapper: Mapper, operator: Operator) -> Layer:
    """The layer of one operator; raises `Refusal`."""
    config = mapper.config
    if operator in mapper.refused:
        raise Refusal(mapper.refused[operator])
    if operator.unsupported is not None:
        raise Refusal(operator.unsupported)
    if "float32" in operator.attributes:
        raise Refusal(f"is in float32, as in onnxruntime: {operator.attributes['float32']}")
    unary = is_unary(mapper, operator)
    if operator.kind not in BUILDERS and not unary:
        raise Refusal(_missing(mapper, operator))
    if not config.lanes:
        raise Refusal("the accelerator has no vector unit")
    for tensor in [*mapper.graph.operands(operator)[:1], *mapper.graph.results(operator)]:
        if tensor is None or tensor.dtype.name != "int8":
            found = "nothing" if tensor is None else tensor.dtype.name
            raise Refusal(f"has {found} where the accelerator's layers have int8")
    try:
        layer = (map_unary if unary else BUILDERS[operator.kind])(mapper, operator)
    except (ModelError, ArithmeticError, LookupError, TypeError) as error:
        raise Refusal(str(error)) from error
    _refuse_sizes(config, layer)
    return layer


def map_graph(
    graph: Graph, config: Config, refused: Mapping[Operator, str] | None = None
) -> tuple[list[Item], Mapper]:
    """Every operator of a graph as a layer, an alias or an operator of the host, in order.

    Parameters
    ----------
    refused : mapping of Operator to str or None
        Operators that have to run on the host, and why.
    """
    mapper = Mapper(graph, config, refused=dict(refused or {}))
    items: list[Item] = []
    fused: set[Operator] = set()
    _find_padding(mapper)
    for operator in graph.operators:
        if operator in fused:
            continue
        output = operator.outputs[0] if operator.outputs else ""
        if operator.kind in ALIASES and operator.unsupported is None and operator.inputs[0]:
            source = operator.inputs[0]
            if not graph.tensors[source].constant:
                mapper.roots[output] = mapper.root(source)
                items.append(Alias(operator))
                continue
        if output in mapper.padded:
            continue
        try:
            layer = _layer(mapper, operator)
        except Refusal as reason:
            items.append(HostOperator(operator, str(reason)))
            continue
        fused |= fuse_unary(mapper, layer)
        mapper.forms[layer.output] = layer.result
        items.append(layer)
    return items, mapper


def _find_padding(mapper: Mapper) -> None:
    """PAD operators that the convolutions behind them can do."""
    graph = mapper.graph
    for operator in graph.operators:
        if operator.kind != "PAD" or operator.unsupported is not None:
            continue
        x, amounts = graph.operands(operator)[:2]
        output = operator.outputs[0]
        users = graph.consumers(output)
        if (
            x is None or x.constant or x.dtype.name != "int8" or len(x.shape) != 4
            or amounts is None or amounts.data is None or amounts.shape != (4, 2)
            or output in graph.outputs or not users or not mapper.config.lanes
            or graph.convention != mapper.config.requantize
        ):
            continue
        before, after = amounts.data.T.tolist()
        if before[0] or before[3] or after[0] or after[3]:
            continue
        if all(user.kind in ("CONV_2D", "DEPTHWISE_CONV_2D") and user.inputs.count(output) == 1
               and user.inputs[0] == output for user in users):
            mapper.padded[output] = operator, (before[1], before[2], after[1], after[2])
            try:
                for user in users:
                    _layer(mapper, user)
            except Refusal:
                del mapper.padded[output]
