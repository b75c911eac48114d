# SPDX-License-Identifier: Apache-2.0
"""TensorFlow Lite Micro as the oracle; tests that need it skip where it is not installed."""

import pytest

ARENA_BYTES = 1 << 20


def micro_runtime():
    """Module ``runtime`` of PyPI ``tflite-micro``."""
    return pytest.importorskip(
        "tflite_micro.python.tflite_micro.runtime",
        reason="PyPI tflite-micro, the oracle, is not installed",
        exc_type=ImportError,
    )


def run_micro(model, inputs):
    """The outputs that TensorFlow Lite Micro computes from the bytes of a model."""
    interpreter = micro_runtime().Interpreter.from_bytes(model, arena_size=ARENA_BYTES)
    for index, value in enumerate(inputs):
        interpreter.set_input(value, index)
    interpreter.invoke()
    return interpreter


def micro_outputs(model, inputs, count=1):
    """A list of the first ``count`` outputs."""
    interpreter = run_micro(model, inputs)
    return [interpreter.get_output(index).copy() for index in range(count)]
