# SPDX-License-Identifier: Apache-2.0
"""Classification on a stand-in device: what is compared, what is summed."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from weft.demo.classify import ARRAY_CAUSES, classify
from weft.demo.digits import load_digits, load_network
from weft.graph import Graph
from weft.hdl.registers import COUNTERS
from weft.operators.interpreter import Interpreter


class Device:
    """The reference kernels with invented costs; changes one output of the given run."""

    def __init__(self, wrong_run: int = -1) -> None:
        self.wrong_run = wrong_run
        self.graphs: list[Graph] = []

    def run(self, model: Graph, inputs: Sequence[NDArray[np.int8]]) -> SimpleNamespace:
        output = Interpreter(model).run(list(inputs))[model.outputs[0]].copy()
        if len(self.graphs) == self.wrong_run:
            output[0, 0] ^= 1
        self.graphs.append(model)
        return SimpleNamespace(
            outputs=[output], cycles=100, counters={"ARRAY_ACTIVE": 60, "ARRAY_IDLE": 40}
        )


def data(count: int) -> tuple[np.ndarray, np.ndarray]:
    images, labels = load_digits()
    return images[:count], labels[:count]


def test_the_whole_network_runs_and_then_each_layer() -> None:
    images, labels = data(30)
    network = load_network()
    device = Device()
    done: list[int] = []
    result = classify(device, network, images, labels, progress=done.append)
    assert [len(graph.operators) for graph in device.graphs] == [3, 1, 1, 1]
    expected = network.evaluate(images)[-1]
    np.testing.assert_array_equal(result.scores, expected)
    np.testing.assert_array_equal(result.predictions, expected.argmax(axis=1))
    assert result.equal
    assert result.values == 30 * (10 + sum(network.sizes[1:]))
    assert done == [30 * network.products, 30 * 64 * 48, 30 * 48 * 24, 30 * 24 * 10]
    assert result.accuracy == result.reference_accuracy
    assert result.network.cycles == 100
    assert result.network.counters == {"ARRAY_ACTIVE": 60, "ARRAY_IDLE": 40}


def test_one_wrong_value_is_noticed_in_each_run() -> None:
    images, labels = data(20)
    for run in range(4):
        result = classify(Device(wrong_run=run), load_network(), images, labels)
        costs = [result.network, *result.layers]
        assert costs[run].different == 1
        assert not result.equal


def test_every_cause_is_a_counter_of_the_hardware() -> None:
    names = [name for name, _ in COUNTERS]
    assert set(ARRAY_CAUSES) == {name for name in names if name.startswith("ARRAY_")}
