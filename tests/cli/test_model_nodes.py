# SPDX-License-Identifier: Apache-2.0
"""The integer backend node tests of PyPI ``onnx`` through `weft run`, and what runs where."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

onnx = pytest.importorskip("onnx")

from weft.cli import main  # noqa: E402

NODES = Path(onnx.__file__).parent / "backend" / "test" / "data" / "node"
KINDS = ("matmulinteger", "qlinearmatmul", "convinteger", "qlinearconv", "quantizelinear")
REFUSED = ("e4m3", "e5m2", "float4", "int4", "int2")
"""Element types that no tensor of a graph has: 8-bit floats and integers of 4 and 2 bits."""

ON_THE_ARRAY = {
    "test_qlinearconv", "test_qlinearmatmul_2D_int8_float16", "test_qlinearmatmul_2D_int8_float32",
    "test_qlinearmatmul_2D_uint8_float16", "test_qlinearmatmul_2D_uint8_float32",
}
"""Node tests whose product runs on the array once their parameters are constants."""

if not NODES.is_dir():
    pytest.skip("this version of onnx does not carry the backend node tests; 1.22.0 does",
                allow_module_level=True)

NAMES = sorted(path.name for path in NODES.glob("test_*")
               if any(kind in path.name for kind in KINDS) and "expanded" not in path.name)
SOUND = [name for name in NAMES if not any(part in name for part in REFUSED)]


def arguments(name: str, constant: bool) -> list[str]:
    """Of `weft run`: all inputs given, or all but the first bound as constants."""
    folder = NODES / name
    data = folder / "test_data_set_0"
    names = [item.name for item in onnx.load(folder / "model.onnx").graph.input]
    result = ["run", str(folder / "model.onnx"), "--preset", "small"]
    for number, item in enumerate(names):
        option = "--constant" if constant and number else "--input"
        result += [option, f"{item}={data / f'input_{number}.pb'}"]
    for number in range(len(list(data.glob("output_*.pb")))):
        result += ["--expect", str(data / f"output_{number}.pb")]
    return result


def run(capfd: pytest.CaptureFixture[str], given: list[str], status: int = 0) -> dict[str, Any]:
    assert main([*given, "--json"]) == status
    value = json.loads(capfd.readouterr().out)
    assert isinstance(value, dict)
    return value


def test_there_are_node_tests() -> None:
    assert (len(NAMES), len(SOUND)) == (42, 26)


@pytest.mark.parametrize("constant", [False, True])
@pytest.mark.parametrize("name", SOUND)
def test_node(capfd: pytest.CaptureFixture[str], name: str, constant: bool) -> None:
    value = run(capfd, arguments(name, constant))
    assert value["equal_to_expected"] is True
    assert all(item["reason"] for item in value["host_operators"])


@pytest.mark.parametrize("name", sorted(ON_THE_ARRAY))
def test_node_on_rtl(capfd: pytest.CaptureFixture[str], name: str) -> None:
    given = arguments(name, True)
    given[given.index("small")] = "default"
    value = run(capfd, [*given, "--target", "rtl"])
    assert value["equal_to_expected"] is True and value["cycles"]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SOUND])
def test_refused(capfd: pytest.CaptureFixture[str], name: str) -> None:
    value = run(capfd, arguments(name, False), status=1)
    assert value["error"]["type"] == "ModelError"
    assert "unsupported quantization or element type" in value["error"]["message"]


def test_a_wrong_expectation_fails(capfd: pytest.CaptureFixture[str]) -> None:
    given = arguments("test_quantizelinear", False)
    given[given.index("--expect") + 1] = given[given.index("--input") + 1].partition("=")[2]
    assert run(capfd, given, status=1)["equal_to_expected"] is False
    assert main(given) == 1
    assert "equal to what was expected: NO" in capfd.readouterr().out


def test_where_they_run(capfd: pytest.CaptureFixture[str]) -> None:
    """With constant parameters; the list is printed (pytest -s shows it)."""
    table = {}
    for name in SOUND:
        value = run(capfd, arguments(name, True))
        kinds = {layer["kind"] for layer in value["layers"] if layer["where"] == "accelerator"}
        reasons = Counter(item["reason"] for item in value["host_operators"])
        table[name] = ", ".join(sorted(kinds)) or "-", "; ".join(reasons) or "-"
    print(f"{'node test':40} {'accelerator':16} why the rest runs on the host")
    for name, (kinds, reasons) in table.items():
        print(f"{name:40} {kinds:16} {reasons}")
    assert {name for name, row in table.items() if row[0] != "-"} == ON_THE_ARRAY
