# SPDX-License-Identifier: Apache-2.0
"""The stored network and data: shapes, accuracy, and an evaluation that is written differently."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from weft.demo.digits import ATTRIBUTION, load_digits, load_network
from weft.demo.network import Network, int32_matmul

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
    predictions = network.predict(network.evaluate(images[test])[-1])
    assert (predictions == labels[test]).mean() >= LEAST_ACCURACY


def test_evaluation_equals_the_formulas_of_the_contract() -> None:
    """Zero points applied to every activation instead of folded into the bias."""
    network = load_network()
    images, _ = load_digits()
    values = network.encode(images[:50])
    zero_point = int(network.pixel_table[0])
    for layer, accumulator in zip(network.layers, network.evaluate(images[:50]), strict=True):
        weight = layer.weight.astype(np.int64)
        plain_bias = layer.bias + zero_point * weight.sum(axis=0)
        real = (values.astype(np.int64) - zero_point) @ weight + plain_bias
        np.testing.assert_array_equal(real, accumulator.astype(np.int64) + layer.bias)
        values = layer.finish(accumulator)
        zero_point = layer.zero_point


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


def test_reference_product_does_not_overflow_int8() -> None:
    a = np.full((1, 300), -128, np.int8)
    assert int32_matmul(a, a.T)[0, 0] == 300 * 2**14


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
