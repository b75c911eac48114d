# SPDX-License-Identifier: Apache-2.0
"""`weft run`, `compile` and `fit` on a tiny network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tflite
from tflite_builder import OperatorSpec, TensorSpec, build, constant

from weft.cli import main

SMALL = ["--rows", "4", "--cols", "4"]


def network(kinds: tuple[str, ...] = ("CONV_2D", "SOFTMAX"), size: int = 6,
            dtype: str = "int8", depth: int = 3) -> bytes:
    """A convolution 1x6x6x3 to 1x6x6x4, and what follows it."""
    random = np.random.default_rng(3)
    tensors = [
        TensorSpec("x", (1, size, size, depth), dtype, scale=0.05, zero_point=3),
        constant("w", random.integers(-127, 128, (4, 3, 3, depth)), "int8",
                 scale=random.uniform(0.001, 0.01, 4), zero_point=0),
        constant("b", random.integers(-500, 500, 4), scale=[1e-4] * 4),
        TensorSpec("y", (1, size, size, 4), dtype, scale=0.03, zero_point=-5),
        TensorSpec("z", (1, size, size, 4), dtype, scale=1 / 256, zero_point=-128),
    ]
    operators = [
        OperatorSpec("CONV_2D", [0, 1, 2], [3], "Conv2DOptions", {
            "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1,
            "Padding": tflite.Padding.SAME}),
        OperatorSpec("SOFTMAX", [3], [4], "SoftmaxOptions", {"Beta": 1.0}),
    ]
    if kinds[-1] == "CUSTOM":
        operators[1] = OperatorSpec("CUSTOM", [3], [4], custom_code="mystery")
    return build(tensors, operators, [0], [4])


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "model.tflite"
    path.write_bytes(network())
    return str(path)


def run_json(
    capfd: pytest.CaptureFixture[str], *arguments: str, status: int = 0
) -> dict[str, Any]:
    """Run with --json; the output must be one object on one line."""
    assert main([*arguments, "--json"]) == status
    out = capfd.readouterr().out
    assert out.endswith("\n") and out.count("\n") == 1, out
    value = json.loads(out)
    assert isinstance(value, dict)
    return value


def test_run(capfd: pytest.CaptureFixture[str], model: str, tmp_path: Path) -> None:
    data = np.random.default_rng(1).integers(-128, 128, (1, 6, 6, 3), np.int8)
    np.save(tmp_path / "x.npy", data)
    saved = tmp_path / "out" / "y.npy"
    value = run_json(capfd, "run", model, "--input", str(tmp_path / "x.npy"), *SMALL,
                     "--output", str(saved))
    assert value["equal_to_reference"] is True
    assert value["cycles"] is None and value["utilization"] is None
    assert value["estimated_cycles"] == sum(
        layer["estimated_cycles"] or 0 for layer in value["layers"])
    assert [(layer["kind"], layer["where"]) for layer in value["layers"]] == [
        ("CONV_2D", "accelerator"), ("SOFTMAX", "host")]
    assert [item["kind"] for item in value["host_operators"]] == ["SOFTMAX"]
    assert value["config"]["rows"] == 4
    output, = value["outputs"]
    assert output["shape"] == [1, 6, 6, 4] and output["dtype"] == "int8"
    assert np.array_equal(np.load(saved), np.array(output["values"], np.int8))
    reference = run_json(capfd, "run", model, "--input", f"x={tmp_path / 'x.npy'}",
                         "--target", "reference")
    assert reference["outputs"] == value["outputs"]
    assert reference["equal_to_reference"] is None


def test_random_inputs_are_said_and_seeded(
    capfd: pytest.CaptureFixture[str], model: str
) -> None:
    one, other, third = (run_json(capfd, "run", model, "--seed", seed, *SMALL)
                         for seed in ("5", "5", "6"))
    assert one["inputs"][0]["source"] == "random, seed 5"
    assert one["outputs"] == other["outputs"] != third["outputs"]
    assert main(["run", model, *SMALL, "--no-check"]) == 0
    text = capfd.readouterr().out
    assert "random, seed 0" in text and "no exponential" in text
    assert "equal to" not in text


def test_compiled_models_run_alike(
    capfd: pytest.CaptureFixture[str], model: str, tmp_path: Path
) -> None:
    program = str(tmp_path / "program.weft")
    made = run_json(capfd, "compile", model, "-o", program, *SMALL)
    assert made["bytes"] == Path(program).stat().st_size
    assert made["instructions"] == sum(item["instructions"] or 0 for item in made["layers"])
    value = run_json(capfd, "run", program, "--reference", model)
    assert value["equal_to_reference"] is True and value["config"] == made["config"]
    assert value["outputs"] == run_json(capfd, "run", model)["outputs"]
    alone = run_json(capfd, "run", program)
    assert alone["equal_to_reference"] is None and "--reference" in alone["notes"][0]
    error = run_json(capfd, "run", program, "--rows", "8", status=1)["error"]
    assert error["type"] == "TargetError"
    nowhere = str(tmp_path / "nowhere" / "program.weft")
    error = run_json(capfd, "compile", model, "-o", nowhere, *SMALL, status=1)["error"]
    assert "no directory" in error["message"] and not Path(nowhere).parent.exists()
    Path(program).write_bytes(Path(program).read_bytes()[:-1])
    error = run_json(capfd, "run", program, status=1)["error"]
    assert error["type"] == "ProgramError" and "\n" not in error["message"]
    assert error["message"].startswith(f"{program}: ")


def test_the_reference_must_be_the_model_that_was_compiled(
    capfd: pytest.CaptureFixture[str], model: str, tmp_path: Path
) -> None:
    program, other = str(tmp_path / "program.weft"), tmp_path / "other.tflite"
    run_json(capfd, "compile", model, "-o", program, *SMALL)
    other.write_bytes(network(size=5))
    error = run_json(capfd, "run", program, "--reference", str(other), status=1)["error"]
    assert f"--reference {other} is not the model" in error["message"]


def test_outputs_that_cannot_be_written(
    capfd: pytest.CaptureFixture[str], model: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message names the file that was asked for, and nothing is left behind."""
    (tmp_path / "folder.npy").mkdir()
    (tmp_path / "file").write_text("as it was")
    before = sorted(tmp_path.iterdir())

    def written(path: Path) -> str:
        error = run_json(capfd, "run", model, *SMALL, "--output", str(path), status=1)["error"]
        assert error["type"] == "UsageError" and "\n" not in error["message"]
        assert str(path) in error["message"] or str(path.parent) in error["message"]
        assert sorted(tmp_path.iterdir()) == before
        return str(error["message"])

    assert "is a directory" in written(tmp_path / "folder.npy")
    assert "cannot be made" in written(tmp_path / "file" / "y.npy")
    assert "cannot be made" in written(tmp_path / "file" / "folder")

    def refused(*arguments: Any, **options: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("weft.cli._model_load.tempfile.mkstemp", refused)
    assert "cannot be written (Permission denied)" in written(tmp_path / "y.npy")


def test_the_output_is_checked_before_the_run(
    capfd: pytest.CaptureFixture[str], model: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: Any, **options: Any) -> None:
        raise AssertionError("the model ran")

    monkeypatch.setattr("weft.open", never)
    (tmp_path / "file").write_text("as it was")
    for path in (tmp_path / "file" / "y.npy", tmp_path / "file" / "folder", tmp_path / "file"):
        error = run_json(capfd, "run", model, *SMALL, "--output", str(path), status=1)["error"]
        assert error["type"] == "UsageError" and str(tmp_path / "file") in error["message"]


def test_unknown_suffixes_and_inputs_name_what_there_is(
    capfd: pytest.CaptureFixture[str], model: str, tmp_path: Path
) -> None:
    for command in ("run", "fit", "profile"):
        error = run_json(capfd, command, str(tmp_path / "x.pt"), status=1)["error"]
        assert error["message"].endswith("x.pt: the name must end with .tflite, .onnx or .weft")
    np.save(tmp_path / "x.npy", np.zeros((1, 6, 6, 3), np.int8))
    file = str(tmp_path / "x.npy")
    error = run_json(capfd, "run", model, "--input", f"foo={file}", status=1)["error"]
    assert error["message"] == "the model has no input 'foo'; --input takes x"
    error = run_json(capfd, "run", model, "--expect", f"foo={file}", status=1)["error"]
    assert error["message"] == "the model has no output 'foo'; --expect takes z"
    (tmp_path / "a=b.npy").write_bytes((tmp_path / "x.npy").read_bytes())
    assert run_json(capfd, "run", model, *SMALL, "--input", str(tmp_path / "a=b.npy"))["inputs"]


def test_warnings_are_no_notes() -> None:
    from io import StringIO

    from rich.console import Console

    from weft.cli._model_report import print_notes

    text = StringIO()
    print_notes(Console(file=text), ["a decision", "warning: results may differ"])
    assert text.getvalue() == "note: a decision\nwarning: results may differ\n"


FLOAT_TENSORS = [
    TensorSpec("x", (1, 6), "float32"),
    constant("w", np.linspace(-1, 1, 24).reshape(4, 6), "float32"),
    TensorSpec("y", (1, 4), "float32"),
]


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("samples, labels, message", [
    (np.array([[1.0] * 6, [np.nan] * 6]), None, "sample 1 has values that are not finite"),
    (np.array([[np.inf] * 6, [1.0] * 6]), None, "sample 0 has values that are not finite"),
    (np.array([[1e300] * 6]), None, "sample 0 has values that are not finite"),
    (np.zeros((3, 6)), None, "holds only zeros"),
    (np.ones((2, 6)), [0, 4], "label 1 is 4, and the model's classes are 0 to 3"),
    (np.ones((2, 6)), [-1, 0], "label 0 is -1, and the model's classes are 0 to 3"),
])
def test_samples_and_labels_that_make_no_sense(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, samples: Any, labels: Any, message: str
) -> None:
    path = tmp_path / "float.tflite"
    path.write_bytes(build(FLOAT_TENSORS, [
        OperatorSpec("FULLY_CONNECTED", [0, 1], [2], "FullyConnectedOptions", {})], [0], [2]))
    np.save(tmp_path / "samples.npy", samples)
    arguments = ["--calibration", str(tmp_path / "samples.npy")]
    if labels is not None:
        np.save(tmp_path / "labels.npy", np.array(labels))
        arguments += ["--labels", str(tmp_path / "labels.npy")]
    for method in ("minmax", "percentile", "entropy"):
        error = run_json(capfd, "run", str(path), *arguments, "--method", method, status=1)["error"]
        assert error["type"] == "UsageError" and message in error["message"]


@pytest.mark.parametrize("dtype", ["U1", "complex64"])
def test_samples_that_are_no_numbers(
    capfd: pytest.CaptureFixture[str], model: str, tmp_path: Path, dtype: str
) -> None:
    path = tmp_path / "samples.npy"
    np.save(path, np.zeros((2, 6, 6, 3), dtype))
    error = run_json(capfd, "fit", model, "--calibration", str(path), status=1)["error"]
    assert error["type"] == "UsageError" and "must hold numbers" in error["message"]


def test_a_difference_is_an_error(
    capfd: pytest.CaptureFixture[str], model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from weft.operators.interpreter import Interpreter

    honest = Interpreter.run

    def wrong(self: Interpreter, inputs: Any) -> dict[str, np.ndarray]:
        return {name: value ^ 1 for name, value in honest(self, inputs).items()
                if value.dtype == np.int8}

    monkeypatch.setattr(Interpreter, "run", wrong)
    value = run_json(capfd, "run", model, *SMALL, status=1)
    assert value["equal_to_reference"] is False


BROKEN = {
    "short": (network()[:300], ""),
    "garbage": (bytes(range(256)) * 8, ""),
    "empty": (b"", ""),
    "custom": (network(("CONV_2D", "CUSTOM")), "mystery"),
    "int16": (network(dtype="int16"), "unsupported quantization"),
    "large": (network(size=20_000), "more than 1073741824"),
    "missing": (None, "No such file"),
}
"""Contents of files that no command takes, and what the error says."""


@pytest.mark.parametrize("command", ["run", "compile", "fit", "profile"])
@pytest.mark.parametrize("name", BROKEN)
def test_bad_files_leave_nothing(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, command: str, name: str
) -> None:
    content, said = BROKEN[name]
    path = tmp_path / f"{name}.tflite"
    if content is not None:
        path.write_bytes(content)
    options = {"compile": ["-o", str(tmp_path / "program.weft")],
               "profile": ["-o", str(tmp_path / "profile")],
               "run": ["--output", str(tmp_path / "out" / "y.npy")]}.get(command, [])
    before = sorted(tmp_path.iterdir())
    value = run_json(capfd, command, str(path), *options, *SMALL, status=1)
    if "problems" in value:
        assert value["fits"] is False and said in value["problems"][0]
    else:
        assert value["error"]["type"] == "ModelError"
        assert said in value["error"]["message"] and "\n" not in value["error"]["message"]
    assert sorted(tmp_path.iterdir()) == before


def test_a_program_file_stays_until_the_next_is_whole(
    capfd: pytest.CaptureFixture[str], model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program.weft"
    program.write_bytes(b"as it was")
    before = sorted(tmp_path.iterdir())

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("weft.cli._model_load.os.replace", full)
    error = run_json(capfd, "compile", model, "-o", str(program), *SMALL, status=1)["error"]
    assert "No space left" in error["message"]
    assert program.read_bytes() == b"as it was" and sorted(tmp_path.iterdir()) == before


def test_too_little_memory(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(network(size=400))
    error = run_json(capfd, "run", str(path), *SMALL, "--dram", "1", status=1)["error"]
    assert error["type"] == "MemorySizeError" and "the device has 1048576" in error["message"]
    value = run_json(capfd, "fit", str(path), *SMALL, "--dram", "1", status=1)
    assert value["fits"] is False and "DRAM" in value["problems"][0]


def test_products_on_the_host_do_not_fit_silently(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A reduction too deep for any configuration."""
    path = tmp_path / "model.tflite"
    path.write_bytes(network(depth=20_000))
    value = run_json(capfd, "fit", str(path), status=1)
    assert value["fits"] is False and "max_reduction_depth" in value["problems"][0]
    assert run_json(capfd, "fit", str(path), "--allow-host")["fits"] is True


def test_bad_inputs(capfd: pytest.CaptureFixture[str], model: str, tmp_path: Path) -> None:
    good, bad = str(tmp_path / "good.npy"), str(tmp_path / "bad.npy")
    np.save(good, np.zeros((1, 6, 6, 3), np.int8))
    np.save(bad, np.zeros((1, 6, 6, 3), np.float32))
    error = run_json(capfd, "run", model, "--input", bad, status=1)["error"]
    assert error["type"] == "OperandError" and "float32" in error["message"]
    Path(bad).write_text("nothing")
    for arguments in (["--input", bad], ["--input", good, "--input", good],
                      ["--input", str(tmp_path / "no.npy")]):
        assert "error" in run_json(capfd, "run", model, *arguments, status=1)
    error = run_json(capfd, "run", model, "--rows", "0", status=1)["error"]
    assert error["type"] == "ConfigurationError"


def test_fit(capfd: pytest.CaptureFixture[str], model: str) -> None:
    value = run_json(capfd, "fit", model, *SMALL)
    assert value["fits"] is True and value["problems"] == []
    assert value["estimated_cycles"] == sum(item["cycles"] or 0 for item in value["layers"])
    assert all(item["utilization"] is None or 0 < item["utilization"] <= 1
               for item in value["layers"])
    assert value["macs"] == 6 * 6 * 4 * 27
    traffic = value["dram"]["traffic"]
    assert traffic["read"] >= 4 * 27 + 6 * 6 * 3 and traffic["written"] >= 6 * 6 * 4
    used = {item["memory"]: item for item in value["memories"]}
    assert 0 < used["weight"]["used"] <= used["weight"]["words"] == 4096
    assert used["accumulator"]["used"] > 0 and used["parameter"]["used"] > 0


@pytest.mark.parametrize("options", [
    ["--vector-lanes", "0"], ["--requantize", "onnx"], ["--max-reduction-depth", "8"],
])
def test_what_does_not_fit(
    capfd: pytest.CaptureFixture[str], model: str, options: list[str]
) -> None:
    value = run_json(capfd, "fit", model, *SMALL, *options, status=1)
    assert value["fits"] is False
    assert "CONV_2D" in value["problems"][0] and "SOFTMAX" not in str(value["problems"])
    assert main(["fit", model, *SMALL, *options]) == 1
    assert "does not fit" in capfd.readouterr().out
