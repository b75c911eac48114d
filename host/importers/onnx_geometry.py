# SPDX-License-Identifier: Apache-2.0
"""Windows of ONNX convolutions and pools: strides, dilations and explicit padding."""

from __future__ import annotations

from dataclasses import dataclass

from .onnx_builder import Builder

__all__ = ["Window", "window"]

LARGEST = 1 << 20


@dataclass(frozen=True)
class Window:
    """Two-dimensional window: (height, width) pairs and the padding of a graph's operators."""

    extent: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    pads: tuple[int, int, int, int]
    outputs: tuple[int, int]


def window(builder: Builder, size: tuple[int, ...], extent: tuple[int, ...]) -> Window:
    """The window of the current node, from its attributes.

    Parameters
    ----------
    builder : Builder
        Holds the node.
    size : tuple of int
        Rows and columns of the feature map; operators of another rank are unsupported.
    extent : tuple of int
        Rows and columns of the kernel.
    """
    attributes = builder.node.attributes
    if len(size) != 2 or len(extent) != 2:
        builder.unsupported(f"{len(size)} spatial dimensions; only two are supported")
    stride = [int(n) for n in attributes.get("strides", (1, 1))]
    dilation = [int(n) for n in attributes.get("dilations", (1, 1))]
    pads = [int(n) for n in attributes.get("pads", (0, 0, 0, 0))]
    declared = [int(n) for n in attributes.get("kernel_shape", extent)]
    if (len(stride), len(dilation), len(pads), len(declared)) != (2, 2, 4, 2):
        builder.fail("strides, dilations, pads or kernel_shape do not have two dimensions")
    if declared != list(extent):
        builder.fail(f"kernel_shape {declared}, but the weights have {extent}")
    numbers = (*stride, *dilation, *extent)
    if min(numbers) < 1 or min(pads) < 0 or max((*numbers, *pads)) > LARGEST:
        builder.fail(f"stride {stride}, dilation {dilation}, kernel {extent}, padding {pads}")
    ceiling = bool(attributes.get("ceil_mode", 0))
    automatic = attributes.get("auto_pad", "NOTSET")
    outputs = []
    for axis in (0, 1):
        effective = (extent[axis] - 1) * dilation[axis] + 1
        if automatic in ("SAME_UPPER", "SAME_LOWER"):
            count = -(-size[axis] // stride[axis])
            total = max((count - 1) * stride[axis] + effective - size[axis], 0)
            less, more = total // 2, total - total // 2
            pads[axis], pads[axis + 2] = (
                (less, more) if automatic == "SAME_UPPER" else (more, less)
            )
        elif automatic == "VALID":
            pads[axis] = pads[axis + 2] = 0
        elif automatic != "NOTSET":
            builder.fail(f"auto_pad {automatic!r}")
        room = size[axis] + pads[axis] + pads[axis + 2] - effective
        if room < 0 or size[axis] < 1:
            builder.fail(f"window of {effective} is larger than the padded input")
        count = room // stride[axis] + 1
        if ceiling and automatic == "NOTSET":
            count = -(-room // stride[axis]) + 1
            if (count - 1) * stride[axis] >= size[axis] + pads[axis]:
                count -= 1
            reach = (count - 1) * stride[axis] + effective
            pads[axis + 2] = max(pads[axis + 2], reach - size[axis] - pads[axis])
        outputs.append(count)
    return Window(
        (extent[0], extent[1]), (stride[0], stride[1]), (dilation[0], dilation[1]),
        (pads[0], pads[1], pads[2], pads[3]), (outputs[0], outputs[1]),
    )
