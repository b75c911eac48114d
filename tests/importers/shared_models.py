# SPDX-License-Identifier: Apache-2.0
"""The real models beside the repository; tests that need them skip where they are missing."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
MODELS = {
    "ic_int8": ("ic_resnet8_int8.tflite", "ic"),
    "kws_int8": ("kws_dscnn_int8.tflite", "kws"),
    "ad_int8": ("ad_autoencoder_int8.tflite", "ad"),
}
LAYERS = {
    "ic_int8": "layers_ic_int8_quant_cat.npz",
    "kws_int8": "layers_kws_int8_no_3.npz",
    "ad_int8": "layers_ad_int8_normal_0.npz",
}


def models_folder():
    """Folder ``models`` of the shared material, from WEFT_SHARED or beside the repository."""
    shared = Path(os.environ.get("WEFT_SHARED", ROOT.parent / "shared"))
    if not (shared / "models").is_dir():
        pytest.skip(f"no models in {shared}; set WEFT_SHARED to the folder that holds them")
    return shared / "models"


def model_path(key):
    """Path of a model by its key in ``expected.json``."""
    return models_folder() / "mlperf_tiny" / MODELS[key][0]


def samples(key):
    """The entries of ``expected.json`` of a model: sample name to expected outputs."""
    text = (models_folder() / "expected" / "expected.json").read_text()
    return json.loads(text)[key]["samples"]


def read_sample(key, name, shape):
    """The quantized input of a sample."""
    folder = models_folder() / "mlperf_tiny" / "samples" / MODELS[key][1]
    path = folder / name.split("[")[0]
    data = np.fromfile(path, np.uint8)[: int(np.prod(shape))]
    if path.suffix == ".u8":
        data = data ^ 0x80
    return data.view(np.int8).reshape(shape)


def xor_reduction(values):
    """The check sum of the autoencoder's goldens: bytes as C shifts them, with their signs.

    Source: CFU-Playground, ``models/mlcommons_tiny_v01/anomd/anomd.c`` (uint32_xor_reduction).
    """
    wide = values.astype(np.int64) << (np.arange(values.size) % 4 * 8)
    return int(np.bitwise_xor.reduce(wide) & 0xFFFFFFFF)


def check_output(entry, output):
    """Hold an output to TensorFlow Lite Micro and, where there is one, to the published golden."""
    values = output.reshape(-1)
    np.testing.assert_array_equal(values, np.array(entry["tflm_output"], np.int8))
    golden = entry.get("upstream_golden")
    if isinstance(golden, dict):
        assert xor_reduction(values) == int(golden["xor32"], 16)
    elif golden is not None:
        np.testing.assert_array_equal(values, np.array(golden, np.int8))
    if "label" in entry:
        assert values.argmax() == entry["label"]


def entries(key, shape):
    """Name, input and expectations of every sample."""
    for name, entry in samples(key).items():
        yield name, read_sample(key, name, shape), entry


def digits():
    """The ten digits as the network takes them, by label."""
    image = pytest.importorskip("PIL.Image")
    arrays = []
    for label in range(10):
        file = models_folder() / "mnist" / f"sample{label}.png"
        pixels = np.asarray(image.open(file).convert("L"), np.float32) / 255
        arrays.append(((pixels - np.float32(0.1307)) / np.float32(0.3081)).astype(np.float32))
    return arrays


def shifted(arrays, reach):
    """Copies moved by up to ``reach`` pixels each way, and their labels."""
    background = arrays[0].min()
    inputs, labels = [], []
    for label, pixels in enumerate(arrays):
        wide = np.pad(pixels, reach, constant_values=background)
        for y in range(2 * reach + 1):
            for x in range(2 * reach + 1):
                inputs.append(wide[y : y + 28, x : x + 28].reshape(1, 1, 28, 28))
                labels.append(label)
    return inputs, labels
