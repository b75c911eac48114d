# SPDX-License-Identifier: Apache-2.0
"""The stored network and data: shapes, accuracy, and an evaluation that is written differently."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from weft.demo.digits import ATTRIBUTION, load_digits, load_network
from weft.demo.network import Network
from weft.operators.interpreter import Interpreter

LEAST_ACCURACY = 0.95
LEAST_TEST_IMAGES = 360


def test_data_is_the_set_that_scikit_learn_carries() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    images, labels = load_digits()
    original = datasets.load_digits()
    np.testing.assert_array_equal(images, original.data)
    np.testing.assert_array_equal(labels, original.target)


def test_data_file_carries_its_attribution() -> None:
    import weft

    with np.load(Path(weft.__file__).parent / "data" / "digits.npz") as arrays:
        assert str(arrays["attribution"]) == ATTRIBUTION


def test_network_labels_the_images_kept_out_of_training() -> None:
    network = load_network()
    images, labels = load_digits()
    test = network.test_index
    assert len(test) >= LEAST_TEST_IMAGES
    assert len(set(test.tolist())) == len(test)
    predictions = network.evaluate(images[test])[-1].argmax(axis=1)
    assert (predictions == labels[test]).mean() >= LEAST_ACCURACY


def test_graph_gives_what_numpy_gives() -> None:
    """The importers' kernels are written apart from the network's own evaluation."""
    network = load_network()
    images, _ = load_digits()
    values = network.encode(images[:50])
    expected = network.evaluate(images[:50])
    graph = network.graph(50)
    np.testing.assert_array_equal(Interpreter(graph).run([values])[graph.outputs[0]], expected[-1])
    for number, wanted in enumerate(expected):
        graph = network.graph(50, only=number)
        output = Interpreter(graph).run([values])[graph.outputs[0]]
        np.testing.assert_array_equal(output, wanted)
        values = wanted


def test_layers_rescale_each_output_of_its_own() -> None:
    """Were all scales of a layer equal, nothing would show that each output has its own."""
    network = load_network()
    for layer, following in zip(network.layers, network.layers[1:], strict=False):
        assert len(set(layer.weight_scale.tolist())) > layer.outputs // 2
        assert layer.output_scale == following.input_scale
        assert layer.zero_point == following.input_zero_point


def test_pixels_cover_the_int8_range() -> None:
    table = load_network().pixel_table
    assert table.dtype == np.int8
    assert (table[0], table[16]) == (-128, 127)
    assert (np.diff(table.astype(int)) > 0).all()


def test_saved_network_reads_back(tmp_path: Path) -> None:
    network = load_network()
    path = tmp_path / "network.npz"
    network.save(path)
    again = Network.load(path)
    images, _ = load_digits()
    for left, right in zip(
        network.evaluate(images[:20]), again.evaluate(images[:20]), strict=True
    ):
        np.testing.assert_array_equal(left, right)


def test_training_script_gives_the_same_network_twice(tmp_path: Path) -> None:
    path = Path(__file__).parents[2] / "scripts" / "train_digits.py"
    if not path.exists():
        pytest.skip("the training script is not part of this distribution")
    spec = importlib.util.spec_from_file_location("train_digits", path)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.EPOCHS = 3
    images, labels = load_digits()
    real = images[:300] / script.LARGEST_PIXEL
    networks = []
    for number in range(2):
        weights, biases = script.train(real, labels[:300])
        network = script.quantize(real, weights, biases, np.arange(300, 310))
        network.save(tmp_path / f"{number}.npz")
        networks.append((tmp_path / f"{number}.npz").read_bytes())
    assert networks[0] == networks[1]
