# SPDX-License-Identifier: Apache-2.0
"""Classification against a device: batches, costs, and differences that must be noticed."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from weft.demo.classify import ARRAY_CAUSES, classify
from weft.demo.digits import load_digits, load_network
from weft.demo.network import int32_matmul
from weft.hdl.registers import COUNTERS


class Device:
    """NumPy with invented costs; adds ``error`` to one accumulator of the given call."""

    def __init__(self, wrong_call: int = -1) -> None:
        self.wrong_call = wrong_call
        self.calls = 0
        self.last_run: SimpleNamespace | None = None

    def matmul(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        product = int32_matmul(a, b)
        if self.calls == self.wrong_call:
            product[0, 0] += 1
        self.calls += 1
        self.last_run = SimpleNamespace(cycles=100, counters={"ARRAY_ACTIVE": 60, "ARRAY_IDLE": 40})
        return product


def data(count: int) -> tuple[np.ndarray, np.ndarray]:
    images, labels = load_digits()
    return images[:count], labels[:count]


@pytest.mark.parametrize("batch", [1, 7, 30, 50])
def test_batches_do_not_change_the_answer(batch: int) -> None:
    images, labels = data(30)
    network = load_network()
    done: list[int] = []
    result = classify(Device(), network, images, labels, batch=batch, progress=done.append)
    np.testing.assert_array_equal(
        result.predictions, network.predict(network.evaluate(images)[-1])
    )
    assert result.equal
    assert result.accumulators == 30 * sum(network.sizes[1:])
    assert sum(done) == result.products
    assert result.accuracy == result.reference_accuracy


def test_costs_are_summed_over_calls() -> None:
    images, labels = data(30)
    result = classify(Device(), load_network(), images, labels, batch=10)
    assert [layer.calls for layer in result.layers] == [3, 3, 3]
    assert result.cycles == 900
    assert result.counters() == {"ARRAY_ACTIVE": 540, "ARRAY_IDLE": 360}
    assert result.products == 30 * (64 * 48 + 48 * 24 + 24 * 10)


def test_one_wrong_accumulator_is_noticed() -> None:
    images, labels = data(20)
    result = classify(Device(wrong_call=2), load_network(), images, labels, batch=20)
    assert result.layers[2].different == 1
    assert not result.equal


def test_every_cause_is_a_counter_of_the_hardware() -> None:
    names = [name for name, _ in COUNTERS]
    assert set(ARRAY_CAUSES) == {name for name in names if name.startswith("ARRAY_")}
