# SPDX-License-Identifier: Apache-2.0
"""Pooling and reductions over space to layers of the vector unit."""

from __future__ import annotations

import numpy as np

from ...graph import Operator
from ...operators.onnx_pooling import average_of_sums
from ...operators.pooling import divide_half_away
from ...operators.reduction import mean_multiplier, reduction_axes
from ...operators.registry import Call
from ...operators.rescale import activation_range, quantize_multiplier
from .float_rescaling import find_average
from .forms import Form, form_of
from .layers import Pooling
from .mapper import Mapper, Refusal
from .pooling import runs
from .rescaling import Rescaling, find_rescaling

__all__ = ["map_pooling", "map_reduction"]

_LARGEST = 1 << 14
"""Elements of a window up to which an average is proven for every sum."""


def map_pooling(mapper: Mapper, operator: Operator) -> Pooling:
    """AVERAGE_POOL_2D and MAX_POOL_2D."""
    call = mapper.call(operator)
    if tuple(call.attribute("dilation", (1, 1))) != (1, 1):
        raise Refusal("has a dilated window")
    average = operator.kind == "AVERAGE_POOL_2D"
    floating = average and mapper.graph.convention == "onnx"
    if not floating:
        call.same_type(call.input(0), call.output)
    pads, window = call.attribute("pads"), tuple(call.attribute("filter"))
    layer = Pooling(
        operator.name, [operator], (mapper.name(operator, 0),), operator.outputs[0],
        form_of(call.input(0).shape), form_of(call.output.shape), call.input(0).zero_point, 0,
        activation_range(call.attribute("activation", "NONE"), call.output),
        average=average, window=window, stride=tuple(call.attribute("stride")),
        before=(pads[0], pads[1]),
    )
    if not average:
        return layer
    mapper.require_convention()
    if window[0] * window[1] > _LARGEST:
        raise Refusal(f"averages {window[0] * window[1]} elements, more than {_LARGEST}")
    sizes = [
        {run[3] for run in runs(0, layer.result[1 + axis], window[axis], layer.stride[axis],
                                layer.before[axis], layer.source[1 + axis])}
        for axis in (0, 1)
    ]
    counts = sorted({y * x for y in sizes[0] for x in sizes[1]})
    if floating:
        layer.zero_point, layer.clamp = call.output.zero_point, (-128, 127)
        divisor = window[0] * window[1] if call.attribute("count_include_pad", False) else None
        layer.rescalings = {count: _float_average(call, count, divisor or count)
                            for count in counts}
        return layer
    for count in counts:
        found = find_rescaling(
            lambda sums, count=count: divide_half_away(sums, count),  # type: ignore[misc]
            -128 * count, 127 * count, 1 / count,
        )
        if found is None:
            raise Refusal(f"no multiplier divides all sums of {count} elements exactly")
        layer.rescalings[count] = found
    return layer


def _float_average(call: Call, taps: int, count: int) -> Rescaling:
    """The rescaling of the sum of ``taps`` integers that averages them as float32 does."""
    if not taps:
        raise Refusal("has a window that lies in the padding")
    wanted = average_of_sums(call, taps, count)
    if wanted is None:
        raise Refusal(
            f"averages {taps} elements in float32, and some sums are so close to halfway between "
            "two results that the roundings on the way decide"
        )
    x, y = call.input(0), call.output
    ratio = float(np.float32(x.scale)) / float(np.float32(y.scale)) / count
    found = find_average(wanted, -128 * taps, ratio, -x.zero_point * taps, y.zero_point)
    if found is None:
        raise Refusal(f"no multiplier divides all sums of {taps} elements as float32 does")
    return found


def map_reduction(mapper: Mapper, operator: Operator) -> Pooling:
    """MEAN, SUM and REDUCE_MAX over rows and columns of a feature map."""
    call = mapper.call(operator)
    x, y = call.input(0), call.output
    if len(x.shape) != 4 or reduction_axes(call) != (1, 2):
        raise Refusal("does not reduce rows and columns of a feature map")
    form = form_of(x.shape)
    layer = Pooling(
        operator.name, [operator], (mapper.name(operator, 0),), operator.outputs[0], form,
        Form(form.batch, 1, 1, form.channels), x.zero_point, y.zero_point, (-128, 127),
        average=operator.kind != "REDUCE_MAX", window=(form.height, form.width),
    )
    if not layer.average:
        call.same_type(x, y)
        layer.zero_point = 0
        return layer
    mapper.require_convention()
    count = form.height * form.width
    if mapper.graph.convention == "onnx":
        if operator.kind != "MEAN":
            raise Refusal("the accelerator has no such operation")
        factor = np.float32(x.scale) / (np.float32(y.scale) * np.float32(count))
        layer.rescalings[count] = Rescaling.float_scale(-x.zero_point * count, factor)
        return layer
    ratio = x.scale / y.scale
    mean = operator.kind == "MEAN"
    scale = mean_multiplier(ratio, count) if mean else quantize_multiplier(ratio)
    layer.rescalings[count] = Rescaling.fixed_point(-x.zero_point * count, *scale)
    if not layer.rescalings[count].legal:
        raise Refusal("its scale does not fit the vector unit's shifts")
    return layer
