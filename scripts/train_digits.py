# SPDX-License-Identifier: Apache-2.0
"""Train and quantize the network of the demonstration, and store it with the package.

NumPy only, seeded, a few seconds on one core. `--data` also rewrites the package's copy of the
images from scikit-learn. The constants were chosen by three-fold cross-validation on the training
images; the test images had no part in it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weft.demo.digits import ATTRIBUTION, load_digits
from weft.demo.network import Layer, Network

DATA = Path(__file__).parent.parent / "host" / "data"
SEED = 5
SIZES = (64, 48, 24, 10)
TEST_IMAGES = 400
EPOCHS = 400
WARM_UP_EPOCHS = 20
BATCH = 32
LEARNING_RATE = 0.01
WEIGHT_DECAY = 1e-3
LARGEST_PIXEL = 16
LARGEST_BIAS = 1 << 24

Array = NDArray[np.float64]


def store_data() -> None:
    """Copy the images that scikit-learn carries into the package."""
    from sklearn.datasets import load_digits as sklearn_digits

    digits = sklearn_digits()
    np.savez_compressed(
        DATA / "digits.npz",
        images=digits.data.astype(np.uint8),
        labels=digits.target.astype(np.uint8),
        attribution=np.array(ATTRIBUTION),
    )


def shift_images(images: Array, generator: np.random.Generator) -> Array:
    """Move every image by up to one pixel in x and in y."""
    count = len(images)
    padded = np.pad(images.reshape(count, 8, 8), ((0, 0), (1, 1), (1, 1)))
    rows = generator.integers(0, 3, (count, 1)) + np.arange(8)
    columns = generator.integers(0, 3, (count, 1)) + np.arange(8)
    moved = padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return np.asarray(moved.reshape(count, 64))


def forward(images: Array, weights: list[Array], biases: list[Array]) -> list[Array]:
    """The input and every layer's output; all layers but the last rectify."""
    outputs = [images]
    for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        sums = outputs[-1] @ weight + bias
        outputs.append(np.maximum(sums, 0) if number < len(weights) - 1 else sums)
    return outputs


def gradients(
    outputs: list[Array], labels: NDArray[np.uint8], weights: list[Array]
) -> list[Array]:
    """Gradients of the mean cross entropy for the weights, then for the biases."""
    logits = outputs[-1] - outputs[-1].max(axis=1, keepdims=True)
    slope = np.exp(logits)
    slope /= slope.sum(axis=1, keepdims=True)
    slope[np.arange(len(labels)), labels] -= 1
    slope /= len(labels)
    for_weights: list[Array] = []
    for_biases: list[Array] = []
    for number in reversed(range(len(weights))):
        for_weights.insert(0, outputs[number].T @ slope + WEIGHT_DECAY * weights[number])
        for_biases.insert(0, slope.sum(axis=0))
        slope = (slope @ weights[number].T) * (outputs[number] > 0)
    return for_weights + for_biases


def train(images: Array, labels: NDArray[np.uint8]) -> tuple[list[Array], list[Array]]:
    """Weights and biases after Adam with a cosine schedule (Kingma and Ba, 2015)."""
    generator = np.random.default_rng(SEED)
    weights = [
        generator.normal(0, np.sqrt(2 / inputs), (inputs, outputs))
        for inputs, outputs in zip(SIZES, SIZES[1:], strict=False)
    ]
    biases = [np.zeros(outputs) for outputs in SIZES[1:]]
    parameters = weights + biases
    first = [np.zeros_like(item) for item in parameters]
    second = [np.zeros_like(item) for item in parameters]
    step = 0
    for epoch in range(EPOCHS):
        warm_up = min(1.0, (epoch + 1) / WARM_UP_EPOCHS)
        rate = warm_up * LEARNING_RATE * 0.5 * (1 + np.cos(np.pi * epoch / EPOCHS))
        order = generator.permutation(len(images))
        for start in range(0, len(images), BATCH):
            chosen = order[start : start + BATCH]
            outputs = forward(shift_images(images[chosen], generator), weights, biases)
            step += 1
            for number, slope in enumerate(gradients(outputs, labels[chosen], weights)):
                first[number] += 0.1 * (slope - first[number])
                second[number] += 0.001 * (slope**2 - second[number])
                mean = first[number] / (1 - 0.9**step)
                spread = np.sqrt(second[number] / (1 - 0.999**step)) + 1e-8
                parameters[number] -= rate * mean / spread
    return weights, biases


def quantize(
    images: Array, weights: list[Array], biases: list[Array], test_index: NDArray[np.int64]
) -> Network:
    """Int8 weights with a scale per channel, int8 activations with ranges from ``images``."""
    pixels = np.arange(LARGEST_PIXEL + 1) / LARGEST_PIXEL
    input_scale, input_zero = np.float32(1 / 255), -128
    table = np.floor(pixels / float(input_scale) + 0.5).astype(np.int64) + input_zero
    outputs = forward(images, weights, biases)
    layers = []
    for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        # A channel that training has silenced has next to no weights: its bias sets the scale.
        smallest = np.abs(bias) / (input_scale * LARGEST_BIAS)
        largest = np.abs(weight).max(axis=0) / 127
        weight_scale = np.maximum(largest, np.maximum(smallest, 1e-9)).astype(np.float32)
        low, high = min(0.0, outputs[number + 1].min()), outputs[number + 1].max()
        output_scale = np.float32((high - low) / 255)
        output_zero = int(np.clip(np.rint(-128 - low / output_scale), -128, 127))
        bias_scale = float(input_scale) * weight_scale.astype(float)
        layers.append(
            Layer(
                weight=np.clip(np.rint(weight / weight_scale), -127, 127).astype(np.int8),
                weight_scale=weight_scale,
                bias=np.rint(bias / bias_scale).astype(np.int32),
                input_scale=input_scale,
                input_zero_point=input_zero,
                output_scale=output_scale,
                zero_point=output_zero,
                rectify=number < len(weights) - 1,
            )
        )
        input_scale, input_zero = output_scale, output_zero
    return Network(tuple(layers), table.astype(np.int8), test_index.astype(np.int16))


def main() -> None:
    """Train, quantize, store, and print the accuracy before and after quantization."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", action="store_true", help="rewrite the stored images as well")
    parser.add_argument("-o", "--output", type=Path, default=DATA / "digits_network.npz")
    arguments = parser.parse_args()
    if arguments.data:
        store_data()
    images, labels = load_digits()
    order = np.random.default_rng(SEED).permutation(len(images))
    test, training = np.sort(order[:TEST_IMAGES]), order[TEST_IMAGES:]
    real = images / LARGEST_PIXEL
    weights, biases = train(real[training], labels[training])
    network = quantize(real[training], weights, biases, test)
    network.save(arguments.output)
    float_labels = forward(real[test], weights, biases)[-1].argmax(axis=1)
    int8_labels = network.evaluate(images[test])[-1].argmax(axis=1)
    print(f"network {'-'.join(map(str, SIZES))}, {TEST_IMAGES} images kept out of training")
    print(f"float accuracy {(float_labels == labels[test]).mean():.2%}")
    print(f"int8 accuracy  {(int8_labels == labels[test]).mean():.2%}")
    print(f"{arguments.output.name}: {arguments.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
