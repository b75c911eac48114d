# SPDX-License-Identifier: Apache-2.0
"""onnxruntime as an oracle: its quantizer, its session, and whether it is exact here."""

import tempfile
from collections import Counter

import numpy as np
import pytest
from onnx_models import SIZE, model

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper  # noqa: E402
from onnxruntime import quantization  # noqa: E402

UINT8, INT8 = quantization.QuantType.QUInt8, quantization.QuantType.QInt8
FORMATS = {"QDQ": quantization.QuantFormat.QDQ, "QOperator": quantization.QuantFormat.QOperator}


class Reader(quantization.CalibrationDataReader):
    """Calibration samples for ``quantize_static``."""

    def __init__(self, samples):
        self.samples = iter(samples)

    def get_next(self):
        """The next sample, or None."""
        return next(self.samples, None)


def session(data):
    """A session on one thread of the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


FLOAT_KINDS = {
    "Conv": "Conv", "FusedConv": "Conv", "Gemm": "Gemm", "FusedGemm": "Gemm", "MatMul": "Gemm",
    "AveragePool": "AveragePool", "GlobalAveragePool": "GlobalAveragePool", "Sigmoid": "Sigmoid",
    "Softmax": "Softmax",
}


def float_kinds(data):
    """How many operators of each kind a session computes in float32; products are Gemm."""
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.optimized_model_filepath = f"{folder}/optimized.onnx"
        onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        nodes = onnx.load(options.optimized_model_filepath).graph.node
    return dict(Counter(FLOAT_KINDS[node.op_type] for node in nodes
                        if node.op_type in FLOAT_KINDS))


def quantized(float_model, folder, **options):
    """The file that ``quantize_static`` makes of a model with input ``x``."""
    rng = np.random.default_rng(7)
    shape = (1, 3, SIZE, SIZE)
    samples = [{"x": rng.normal(size=shape).astype(np.float32)} for _ in range(4)]
    onnx.save(float_model, folder / "float.onnx")
    quantization.quantize_static(
        folder / "float.onnx", folder / "quantized.onnx", Reader(samples), **options
    )
    return folder / "quantized.onnx"


def require_exact():
    """Skip where products of uint8 and int8 saturate: x86 without dot product instructions."""
    node = helper.make_node("MatMulInteger", ["x", "w"], ["y"])
    source = model(
        [node], {"w": np.full((64, 64), 127, np.int8)}, [("x", TensorProto.UINT8, [8, 64])],
        [("y", TensorProto.INT32, [8, 64])],
    )
    x = np.full((8, 64), 255, np.uint8)
    if (session(source.SerializeToString()).run(None, {"x": x})[0] != 255 * 127 * 64).any():
        pytest.skip("onnxruntime's kernels for this processor saturate their sums")
