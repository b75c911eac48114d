# SPDX-License-Identifier: Apache-2.0
"""The ONNX network for handwritten digits: quantized by Weft, run on RTL, by the command line."""

import json

import numpy as np
import pytest
from shared_models import digits, models_folder, shifted

import weft
from weft.cli import main
from weft.importers import load_model
from weft.operators.interpreter import Interpreter
from weft.quantize import quantize

pytest.importorskip("onnx")


def network():
    """The floating-point model, the ten digits as it takes them, and calibration samples."""
    path = models_folder() / "onnx" / "mnist_cnn_pytorch_opset9.onnx"
    ten = [array.reshape(1, 1, 28, 28) for array in digits()]
    return path, ten, shifted(digits(), 1)[0][::3]


@pytest.mark.parametrize("convention", ["tflite", "onnx"])
def test_classifies_all_digits_on_rtl(convention):
    path, ten, samples = network()
    graph = quantize(load_model(path), samples, convention=convention)
    reference = Interpreter(graph)
    with weft.open("rtl", weft.Config(requantize=convention)) as device:
        for label, image in enumerate(ten):
            result = device.run(graph, image)
            assert result.outputs[0].argmax() == label
            assert np.array_equal(result.outputs[0], reference.run([image])[graph.outputs[0]])
    where = {layer.kind: layer.where for layer in result.layers}
    assert where["CONV_2D"] == where["MAX_POOL_2D"] == where["FULLY_CONNECTED"] == "accelerator"


def test_the_command_line_prints_the_accuracy(tmp_path, capfd):
    path, ten, samples = network()
    np.save(tmp_path / "samples.npy", np.concatenate(samples))
    np.save(tmp_path / "digits.npy", np.concatenate(ten))
    np.save(tmp_path / "labels.npy", np.arange(10))
    np.save(tmp_path / "three.npy", ten[3])
    options = ["--calibration", str(tmp_path / "samples.npy"), "--method", "entropy",
               "--evaluation", str(tmp_path / "digits.npy"),
               "--labels", str(tmp_path / "labels.npy")]
    program = str(tmp_path / "mnist.weft")
    assert main(["compile", str(path), "-o", program, *options]) == 0
    said = "accuracy before quantization 100.0 % (10 of 10), after 100.0 % (10 of 10)"
    assert said in capfd.readouterr().out
    given = ["--input", str(tmp_path / "three.npy"), "--json"]
    assert main(["run", str(path), *options, *given]) == 0
    whole = json.loads(capfd.readouterr().out)
    assert whole["accuracy"] == {"before": 10, "after": 10, "samples": 10}
    assert np.argmax(whole["outputs"][0]["values"]) == 3
    assert main(["run", program, *given]) == 0
    assert json.loads(capfd.readouterr().out)["outputs"] == whole["outputs"]


@pytest.mark.parametrize("options, message", [
    (["--labels", "labels.npy"], "need --calibration"),
    (["--calibration", "digits.npy", "--evaluation", "digits.npy"], "needs --labels"),
    (["--calibration", "digits.npy", "--labels", "digits.npy"], "must hold 10 integers"),
    (["--calibration", "labels.npy"], "must have the 784 elements"),
])
def test_wrong_samples_and_labels(tmp_path, capfd, options, message):
    path, ten, _ = network()
    np.save(tmp_path / "digits.npy", np.concatenate(ten))
    np.save(tmp_path / "labels.npy", np.arange(10))
    given = [str(tmp_path / item) if item.endswith(".npy") else item for item in options]
    assert main(["run", str(path), *given, "--json"]) == 1
    assert message in json.loads(capfd.readouterr().out)["error"]["message"]
