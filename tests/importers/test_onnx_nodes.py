# SPDX-License-Identifier: Apache-2.0
"""The integer backend node tests that PyPI ``onnx`` carries, through the reference interpreter.

Every model runs twice: as it is, with scales and zero points as inputs, which only the host can
compute, and with all inputs but the first bound as constants, which is what the array takes.
"""

from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import numpy_helper  # noqa: E402

from weft.graph import ModelError  # noqa: E402
from weft.importers.onnx import load_onnx  # noqa: E402
from weft.operators.interpreter import run  # noqa: E402

NODES = Path(onnx.__file__).parent / "backend" / "test" / "data" / "node"
KINDS = ("matmulinteger", "qlinearmatmul", "convinteger", "qlinearconv", "quantizelinear")
NAMES = sorted(
    path.name for path in NODES.glob("test_*")
    if any(kind in path.name for kind in KINDS) and "expanded" not in path.name
) if NODES.is_dir() else []
REFUSED = ("e4m3", "e5m2", "float4", "int4", "int2", "uint4", "uint2")
"""Element types that no tensor of a graph has."""

HOST_ONLY = (
    "blocked", "dequantizelinear", "dynamicquantizelinear", "int16", "uint16", "float16",
    "quantizelinear",
)
"""Conversions to or from floating point, and 16-bit types, never reach the array."""

ARRAY_KINDS = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL"}


def refused(name):
    return any(part in name for part in REFUSED)


def tensors(name, kind):
    files = sorted((NODES / name / "test_data_set_0").glob(f"{kind}_*.pb"))
    values = []
    for file in files:
        tensor = onnx.TensorProto()
        tensor.ParseFromString(file.read_bytes())
        values.append(numpy_helper.to_array(tensor))
    return values


def check(graph, name, inputs):
    values = run(graph, inputs)
    expected = tensors(name, "output")
    assert len(expected) == len(graph.outputs)
    for output, want in zip(graph.outputs, expected, strict=True):
        assert values[output].dtype == want.dtype
        np.testing.assert_array_equal(values[output], want)


def test_there_are_node_tests():
    if not NODES.is_dir():
        pytest.skip("this version of onnx does not carry the backend node tests; 1.22.0 does")
    assert len([name for name in NAMES if not refused(name)]) >= 20


@pytest.mark.parametrize("name", [name for name in NAMES if not refused(name)])
def test_computed_parameters(name):
    graph = load_onnx(NODES / name / "model.onnx")
    assert not list(graph.unsupported())
    check(graph, name, tensors(name, "input"))


@pytest.mark.parametrize("name", [name for name in NAMES if not refused(name)])
def test_constant_parameters(name):
    path = NODES / name / "model.onnx"
    names = [item.name for item in onnx.load(path).graph.input]
    values = dict(zip(names, tensors(name, "input"), strict=True))
    constants = {item: values[item] for item in names[1:]}
    graph = load_onnx(path, constants=constants)
    assert not list(graph.unsupported())
    if not any(part in name for part in HOST_ONLY) or "qlinear" in name:
        assert ARRAY_KINDS & {operator.kind for operator in graph.operators}
        assert not any(o.kind.startswith("ONNX_Q") for o in graph.operators)
    check(graph, name, [values[names[0]]])


@pytest.mark.parametrize("name", [name for name in NAMES if refused(name)])
def test_element_types_that_are_refused(name):
    with pytest.raises(ModelError, match="unsupported quantization or element type"):
        load_onnx(NODES / name / "model.onnx")
