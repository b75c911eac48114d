# SPDX-License-Identifier: Apache-2.0
"""Random models of one operator that moves elements."""

import numpy as np
from random_models import TensorSpec, case, constant, integers, quantized, shape, single


def like(x, name, extents):
    """A tensor of another shape with the quantization of ``x``."""
    return TensorSpec(name, tuple(int(n) for n in extents), x.dtype, x.scale, x.zero_point)


def moved(kind, rng, x, extents, constants, options_class=None, options=None):
    """One operand, constants, one result."""
    tensors = [x, *constants, like(x, "y", extents)]
    last = len(tensors) - 1
    return single(kind, tensors, list(range(last)), [last], options_class, options or {},
                  [integers(rng, x.shape)])


@case("RESHAPE")
def reshape(kind, rng):
    a, b, c = shape(rng, 3)
    x = quantized(rng, "x", (a, b, c))
    return moved(kind, rng, x, (c, a * b), [constant("shape", [c, -1])], "ReshapeOptions",
                 {"NewShape": [c, -1]})


@case("SQUEEZE")
def squeeze(kind, rng):
    a, b = shape(rng, 2)
    x = quantized(rng, "x", (1, a, 1, b))
    return moved(kind, rng, x, (a, b), [], "SqueezeOptions", {"SqueezeDims": [0, 2]})


@case("EXPAND_DIMS")
def expand_dims(kind, rng):
    x = quantized(rng, "x", shape(rng, 3))
    axis = int(rng.integers(0, 4))
    extents = (*x.shape[:axis], 1, *x.shape[axis:])
    return moved(kind, rng, x, extents, [constant("axis", [axis])], "ExpandDimsOptions")


@case("PAD", "PADV2")
def pad(kind, rng):
    x = quantized(rng, "x", shape(rng, 4, 5))
    pairs = rng.integers(0, 4, (4, 2))
    constants = [constant("paddings", pairs)]
    if kind == "PADV2":
        constants.append(constant("value", np.int8([rng.integers(-128, 128)]), "int8",
                                  scale=x.scale, zero_point=x.zero_point))
    options = "PadOptions" if kind == "PAD" else "PadV2Options"
    return moved(kind, rng, x, np.array(x.shape) + pairs.sum(axis=1), constants, options)


@case("MIRROR_PAD")
def mirror_pad(kind, rng):
    x = quantized(rng, "x", rng.integers(2, 6, 4))
    mode = int(rng.integers(2))
    pairs = np.array([rng.integers(0, n + mode, 2) for n in x.shape])
    return moved(kind, rng, x, np.array(x.shape) + pairs.sum(axis=1),
                 [constant("paddings", pairs)], "MirrorPadOptions", {"Mode": mode})


@case("CONCATENATION", "PACK")
def join(kind, rng):
    base = shape(rng, 4 if kind == "CONCATENATION" else 3, 5)
    axis = int(rng.integers(0, len(base)))
    shapes = []
    for _ in range(int(rng.integers(1, 5))):
        extents = list(base)
        if kind == "CONCATENATION":
            extents[axis] = int(rng.integers(1, 5))
        shapes.append(tuple(extents))
    x = quantized(rng, "x0", shapes[0])
    tensors = [x] + [like(x, f"x{i}", extents) for i, extents in enumerate(shapes) if i]
    arrays = [integers(rng, extents) for extents in shapes]
    function = np.concatenate if kind == "CONCATENATION" else np.stack
    tensors.append(like(x, "y", function(arrays, axis=axis).shape))
    options = {"Axis": axis - len(base) if rng.random() < 0.3 and kind != "PACK" else axis}
    if kind == "PACK":
        options["ValuesCount"] = len(shapes)
    return single(kind, tensors, list(range(len(shapes))), [len(shapes)],
                  f"{kind.title()}Options", options, arrays)


@case("SPLIT", "SPLIT_V", "UNPACK")
def split(kind, rng):
    extents = list(shape(rng, 4, 5))
    axis, parts = int(rng.integers(0, 4)), int(rng.integers(1, 4))
    sizes = [int(rng.integers(1, 4))] * parts
    if kind == "SPLIT_V":
        sizes = [int(n) for n in rng.integers(1, 4, parts)]
    extents[axis] = parts if kind == "UNPACK" else sum(sizes)
    x = quantized(rng, "x", extents)
    if kind == "UNPACK":
        results = [extents[:axis] + extents[axis + 1 :]] * parts
        tensors, inputs, options = [x], [0], {"Axis": axis, "Num": parts}
    else:
        results = [[*extents[:axis], size, *extents[axis + 1 :]] for size in sizes]
        options = {"NumSplits": parts}
        if kind == "SPLIT":
            tensors, inputs = [constant("axis", axis), x], [0, 1]
        else:
            tensors, inputs = [x, constant("sizes", sizes), constant("axis", axis)], [0, 1, 2]
    first = len(tensors)
    tensors += [like(x, f"y{i}", result) for i, result in enumerate(results)]
    name = {"SPLIT": "SplitOptions", "SPLIT_V": "SplitVOptions", "UNPACK": "UnpackOptions"}[kind]
    return single(kind, tensors, inputs, list(range(first, first + parts)), name, options,
                  [integers(rng, x.shape)])


@case("TRANSPOSE")
def transpose(kind, rng):
    x = quantized(rng, "x", shape(rng, int(rng.integers(2, 5))))
    order = rng.permutation(len(x.shape))
    return moved(kind, rng, x, np.array(x.shape)[order], [constant("order", order)],
                 "TransposeOptions")


@case("SLICE")
def slice_(kind, rng):
    x = quantized(rng, "x", shape(rng, 4))
    begin = [int(rng.integers(0, n)) for n in x.shape]
    size = [int(rng.integers(1, n - b + 1)) for n, b in zip(x.shape, begin, strict=True)]
    listed = [-1 if b + s == n and rng.random() < 0.5 else s
              for n, b, s in zip(x.shape, begin, size, strict=True)]
    return moved(kind, rng, x, size, [constant("begin", begin), constant("size", listed)],
                 "SliceOptions")


@case("STRIDED_SLICE")
def strided_slice(kind, rng):
    while True:
        x = quantized(rng, "x", shape(rng, 4))
        begin, end = ([int(rng.integers(-n, n)) for n in x.shape] for _ in range(2))
        strides = [int(rng.choice([1, 1, 2, 3, -1, -2])) for _ in x.shape]
        masks = [int(m) for m in rng.integers(0, 16, 2)]
        shrink = int(rng.choice([0, 0, *range(16)]))
        shrink &= sum(1 << i for i, stride in enumerate(strides) if stride > 0)
        index = []
        for i, stride in enumerate(strides):
            if shrink >> i & 1:
                index.append(begin[i])
                continue
            first = None if masks[0] >> i & 1 else begin[i]
            last = None if masks[1] >> i & 1 else end[i]
            index.append(slice(first, last, stride))
        result = np.empty(x.shape)[tuple(index)].shape
        if 0 not in result:
            break
    options = {"BeginMask": masks[0], "EndMask": masks[1], "ShrinkAxisMask": shrink}
    constants = [constant("begin", begin), constant("end", end), constant("strides", strides)]
    return moved(kind, rng, x, result, constants, "StridedSliceOptions", options)


@case("GATHER")
def gather(kind, rng):
    x = quantized(rng, "x", shape(rng, 3))
    axis = int(rng.integers(0, 3))
    indices = rng.integers(0, x.shape[axis], int(rng.integers(1, 6)))
    extents = (*x.shape[:axis], len(indices), *x.shape[axis + 1 :])
    return moved(kind, rng, x, extents, [constant("indices", indices)], "GatherOptions",
                 {"Axis": axis})


@case("SPACE_TO_DEPTH", "DEPTH_TO_SPACE")
def blocks(kind, rng):
    n, h, w, c = shape(rng, 4, 4)
    size = int(rng.integers(1, 4))
    wide, deep = (n, h * size, w * size, c), (n, h, w, c * size * size)
    before, after = (wide, deep) if kind == "SPACE_TO_DEPTH" else (deep, wide)
    name = "SpaceToDepthOptions" if kind == "SPACE_TO_DEPTH" else "DepthToSpaceOptions"
    return moved(kind, rng, quantized(rng, "x", before), after, [], name, {"BlockSize": size})


@case("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND")
def batches(kind, rng):
    n, h, w, c = shape(rng, 4, 4)
    p, q = shape(rng, 2, 3)
    pairs = np.stack([rng.integers(0, 2, 2) * (h * p > 2), rng.integers(0, 2, 2) * (w * q > 2)])
    if kind == "SPACE_TO_BATCH_ND":
        # TensorFlow Lite Micro pads with memory that it never initializes.
        pairs = np.zeros((2, 2), np.int32)
        before = (n, h * p, w * q, c)
        after = (n * p * q, h, w, c)
    else:
        before = (n * p * q, h, w, c)
        after = (n, h * p - pairs[0].sum(), w * q - pairs[1].sum(), c)
    name = "SpaceToBatchNDOptions" if kind == "SPACE_TO_BATCH_ND" else "BatchToSpaceNDOptions"
    return moved(kind, rng, quantized(rng, "x", before), after,
                 [constant("block", [p, q]), constant("padding", pairs)], name)


@case("BROADCAST_TO")
def broadcast_to(kind, rng):
    extents = shape(rng, 4, 5)
    x = quantized(rng, "x", [n if rng.random() < 0.5 else 1 for n in extents])
    return moved(kind, rng, x, extents, [constant("shape", extents)], "BroadcastToOptions")


@case("RESIZE_NEAREST_NEIGHBOR")
def resize(kind, rng):
    x = quantized(rng, "x", shape(rng, 4))
    size = shape(rng, 2, 15)
    align = bool(rng.integers(2))
    options = {"AlignCorners": align, "HalfPixelCenters": not align and bool(rng.integers(2))}
    return moved(kind, rng, x, (x.shape[0], *size, x.shape[3]), [constant("size", size)],
                 "ResizeNearestNeighborOptions", options)
