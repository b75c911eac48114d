# SPDX-License-Identifier: Apache-2.0
"""Post-training quantization of floating-point graphs.

Activations are int8 with a zero point, weights int8 without (per output channel or per tensor),
biases int32. Scheme: B. Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", CVPR 2018.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from ..graph import CONVENTIONS, Graph, ModelError, Quantization
from ..importers import load_model
from ..operators.checks import check_graph
from ..operators.interpreter import Inputs
from .calibration import Range, calibrate
from .conversion import Conversion
from .fusion import fuse
from .selection import FIXED, SAME_SCALE, chosen

__all__ = ["activation_quantization", "quantize"]


def quantize(
    model: Graph | str | os.PathLike[str], calibration: Iterable[Inputs],
    method: str = "minmax", per_channel: bool = True, convention: str = "tflite",
    percentile: float = 99.99, integer_interface: bool = False,
) -> Graph:
    """Quantize a floating-point graph to int8.

    Parameters
    ----------
    model : Graph or path
        Floating point; a path is an ``.onnx`` or ``.tflite`` file.
    calibration : iterable of inputs
        Samples as `weft.operators.interpreter.run` takes them.
    method : str
        "minmax", "percentile" or "entropy": how ranges come from the samples.
    per_channel : bool
        One weight scale for each output channel instead of one for all.
    convention : str
        "tflite" or "onnx": how the integers are rescaled.
    percentile : float
        For method "percentile".
    integer_interface : bool
        Inputs and outputs are int8 where the operators next to them are; otherwise they keep the
        types of ``model``, converted on the host.

    Returns
    -------
    Graph
        What has no integer form keeps running in floating point on the host. The inputs and
        outputs have the names that they have in ``model``.

    Raises
    ------
    ModelError
        If the model cannot be run, or nothing in it can be quantized.
    """
    if convention not in CONVENTIONS:
        raise ValueError(f"convention must be one of {', '.join(CONVENTIONS)}, not {convention!r}")
    graph = fuse(model if isinstance(model, Graph) else load_model(model))
    operators = [operator for operator in graph.operators if chosen(graph, operator, convention)]
    if not operators:
        raise ModelError(f"graph {graph.name}: no operator can be quantized")
    names = _activations(graph, operators)
    observed = [name for name in names if not graph.tensors[name].constant]
    ranges = calibrate(graph, observed, calibration, method, percentile)
    for name in names:
        data = graph.tensors[name].data
        if data is not None:
            ranges[name] = Range(min(float(data.min(initial=0.0)), 0.0),
                                 max(float(data.max(initial=0.0)), 0.0))
    quantizations = _quantizations(operators, ranges)
    conversion = Conversion(graph, convention, quantizations, per_channel)
    result = conversion.run({id(operator) for operator in operators}, integer_interface)
    result.validate()
    check_graph(result)
    return result


def _activations(graph: Graph, operators: list) -> list[str]:
    """The floating-point operands and results that become integers, weights and biases aside."""
    names: dict[str, None] = {}
    for operator in operators:
        operands = operator.inputs
        if operator.kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            operands = operands[:1]
        for name in (*operands, *operator.outputs):
            if name is not None and graph.tensors[name].dtype.kind == "f":
                names[name] = None
    return list(names)


def _quantizations(operators: list, ranges: dict[str, Range]) -> dict[str, Quantization]:
    """Scale and zero point of each tensor; tensors that must share them form groups."""
    parent = {name: name for name in ranges}

    def find(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for operator in operators:
        if operator.kind in SAME_SCALE:
            members = [name for name in (*operator.inputs, *operator.outputs) if name in parent]
            for name in members[1:]:
                parent[find(name)] = find(members[0])
    groups: dict[str, Range] = {}
    for name, found in ranges.items():
        root = find(name)
        groups[root] = groups[root] | found if root in groups else found
    fixed = {
        find(name): FIXED[operator.kind] for operator in operators if operator.kind in FIXED
        for name in operator.outputs
    }
    return {
        name: Quantization(*fixed[find(name)]) if find(name) in fixed  # type: ignore[arg-type]
        else activation_quantization(groups[find(name)]) for name in ranges
    }


def activation_quantization(span: Range) -> Quantization:
    """Scale and zero point that put a range, with zero exactly, on -128 to 127."""
    width = span.high - span.low
    scale = width / 255 if width > 1e-30 else 1.0
    zero = round(-128 - span.low / scale)
    return Quantization([scale], [min(max(zero, -128), 127)])  # type: ignore[arg-type]
