# SPDX-License-Identifier: Apache-2.0
"""Every kernel against TensorFlow Lite Micro, on random models of one operator."""

import numpy as np
import pytest
import random_movement  # noqa: F401 - registers its cases
from micro_oracle import micro_outputs, micro_runtime
from random_models import CASES, Skip

from weft.importers.tflite import parse_tflite
from weft.operators import kernels  # noqa: F401 - registers the kernels
from weft.operators.interpreter import run
from weft.operators.registry import KERNELS

WITHOUT_ORACLE = {
    "CAST": "folded away", "GELU": "not in TensorFlow Lite Micro", "SHAPE": "folded away",
    "RELU_N1_TO_1": "not in TensorFlow Lite Micro",
}
QUICK, FULL = 40, 400


def compare(kind, seeds):
    checked = 0
    for seed in seeds:
        rng = np.random.default_rng([seed, *kind.encode()])
        try:
            model, inputs, count = CASES[kind](kind, rng)
        except Skip:
            continue
        expected = micro_outputs(model, inputs, count)
        graph = parse_tflite(model)
        assert not list(graph.unsupported()), graph
        values = run(graph, inputs)
        for name, reference in zip(graph.outputs, expected, strict=True):
            value = values[name]
            assert value.dtype == reference.dtype, f"seed {seed}: {graph}"
            # TensorFlow Lite Micro gives a scalar the shape [1] or none at all.
            np.testing.assert_array_equal(
                value.reshape(-1), reference.reshape(-1), err_msg=f"seed {seed}: {graph}"
            )
        checked += 1
    assert checked > len(seeds) // 2


def test_every_kernel_has_a_case():
    assert set(KERNELS) == set(CASES) | set(WITHOUT_ORACLE)


@pytest.mark.parametrize("kind", sorted(CASES))
def test_equals_tensorflow_lite_micro(kind):
    micro_runtime()
    compare(kind, range(QUICK))


@pytest.mark.full
@pytest.mark.parametrize("kind", sorted(CASES))
def test_equals_tensorflow_lite_micro_on_many(kind):
    micro_runtime()
    compare(kind, range(QUICK, QUICK + FULL))
