# SPDX-License-Identifier: Apache-2.0
"""Strides, dilations and padding of TensorFlow Lite operators as the graph states them.

Source of the padding rule: TensorFlow Lite, ``kernels/padding.h`` (ComputePadding,
ComputeOutSize).
"""

from __future__ import annotations

from ..graph import Graph, ModelError, Operator

__all__ = ["output_size", "resolve", "same_padding"]

WINDOWED = ("CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D")


def output_size(size: int, extent: int, stride: int, dilation: int, padding: str) -> int:
    """Outputs along one axis of a window operator, for padding "SAME" or "VALID"."""
    effective = (extent - 1) * dilation + 1
    covered = size if padding == "SAME" else size - effective + 1
    return max(-(-covered // stride), 0)


def same_padding(size: int, extent: int, stride: int, dilation: int) -> tuple[int, int]:
    """Elements that "SAME" puts before and after one axis; the odd one comes after."""
    outputs = output_size(size, extent, stride, dilation, "SAME")
    total = max((outputs - 1) * stride + (extent - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def resolve(graph: Graph, operator: Operator) -> None:
    """Replace schema attributes by ``stride``, ``dilation``, ``filter`` and ``pads``.

    Parameters
    ----------
    graph : Graph
        Holds the operands of the operator.
    operator : Operator
        Changed in place; operators without windows stay as they are.

    Raises
    ------
    ModelError
        If the operands have no window geometry.
    """
    if operator.kind not in WINDOWED:
        return
    where = f"operator {operator.name}"
    attributes = operator.attributes
    stride = (attributes.pop("stride_h"), attributes.pop("stride_w"))
    dilation = (attributes.pop("dilation_h", 1), attributes.pop("dilation_w", 1))
    padding = attributes.pop("padding")
    operands = graph.operands(operator)
    if not operands or operands[0] is None or len(operands[0].shape) != 4:
        raise ModelError(f"{where}: the first operand must have four dimensions (NHWC)")
    if "filter_h" in attributes:
        extent = (attributes.pop("filter_h"), attributes.pop("filter_w"))
        attributes["filter"] = extent
    elif len(operands) < 2 or operands[1] is None or len(operands[1].shape) != 4:
        raise ModelError(f"{where}: the weights must have four dimensions")
    else:
        extent = operands[1].shape[1:3]
        attributes["dilation"] = dilation
    if min(*stride, *dilation, *extent) < 1:
        raise ModelError(
            f"{where}: stride {stride}, dilation {dilation} and window {extent} must be positive"
        )
    attributes["stride"] = stride
    if padding == "VALID":
        attributes["pads"] = (0, 0, 0, 0)
        return
    height, width = operands[0].shape[1:3]
    top, bottom = same_padding(height, extent[0], stride[0], dilation[0])
    left, right = same_padding(width, extent[1], stride[1], dilation[1])
    attributes["pads"] = (top, left, bottom, right)
