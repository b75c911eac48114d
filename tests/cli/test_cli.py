# SPDX-License-Identifier: Apache-2.0
"""The command line: the JSON contract, exit statuses, help, each subcommand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weft.cli import main
from weft.hdl.config import Config
from weft.hdl.registers import COUNTERS

TINY = ["--preset", "tiny"]
PROGRAM = "SYNC unit=load signal={0}\nSYNC unit=store wait={0}\n"
DEADLOCK = "SYNC unit=load wait={3}\n"


def run_json(
    capfd: pytest.CaptureFixture[str], *arguments: str, status: int = 0
) -> dict[str, Any]:
    """Run with --json; the output must be one object on one line."""
    assert main([*arguments, "--json"]) == status
    out = capfd.readouterr().out
    assert out.endswith("\n") and out.count("\n") == 1, out
    value = json.loads(out)
    assert isinstance(value, dict)
    assert ("error" in value) <= (status != 0)
    return value


def test_generate(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "ip"
    value = run_json(
        capfd, "generate", "--rows", "3", "--cols", "2", "--top", "array", "-o", str(folder)
    )
    manifest = json.loads((folder / "manifest.json").read_text())
    assert value["module"] == manifest["module"] == "weft_array"
    assert value["files"] == manifest["files"]
    assert value["config"]["rows"] == 3
    assert value["directory"] == str(folder)


def test_a_file_and_flags_make_the_configuration(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "my.yaml"
    path.write_text(Config(rows=5, cols=7).to_yaml())
    value = run_json(capfd, "info", "--config", str(path), "--cols", "9", "--axi-width", "64")
    assert Config.from_dict(value["config"]) == Config(rows=5, cols=9, axi_width=64)
    value = run_json(capfd, "info", "--preset", "small", "--queue-depth", "4")
    assert Config.from_dict(value["config"]) == Config.preset("small", queue_depth=4)


def test_info(capfd: pytest.CaptureFixture[str]) -> None:
    value = run_json(capfd, "info")
    assert value["derived"]["macs_per_cycle"] == 256
    assert value["targets"]["reference"] is value["targets"]["simulator"] is True
    assert value["tools"]["amaranth"]
    assert main(["info"]) == 0
    assert "macs per cycle" in capfd.readouterr().out


def test_gemm_on_the_simulator(capfd: pytest.CaptureFixture[str]) -> None:
    value = run_json(
        capfd, "gemm", *TINY, "--m", "9", "--n", "7", "--k", "11", "--target", "simulator"
    )
    assert value["equal_to_reference"] is True
    assert value["macs"] == 9 * 7 * 11
    assert value["cycles"] is None


def test_gemm_on_rtl(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    saved = tmp_path / "c.npy"
    value = run_json(
        capfd, "gemm", *TINY, "--m", "16", "--n", "8", "--k", "12", "--seed", "7",
        "--target", "rtl", "--save", str(saved),
    )
    assert value["equal_to_reference"] is True
    assert set(value["counters"]) == {name for name, _ in COUNTERS}
    assert value["counters"]["CYCLES"] == value["cycles"]
    states = [count for name, count in value["counters"].items() if name.startswith("ARRAY_")]
    assert sum(states) == value["cycles"]
    assert value["utilization"] == pytest.approx(16 * 8 * 12 / 16 / value["cycles"])
    assert 0 < value["roofline_share"] <= 1
    assert np.load(saved).shape == (16, 8)
    # For people: the same figures, the array's cycles summing to 100 %.
    assert main(["gemm", *TINY, "--m", "16", "--n", "8", "--k", "12", "--seed", "7"]) == 0
    out = capfd.readouterr().out
    assert f"{value['cycles']:,}" in out
    assert "100.0%" in out
    assert "waiting for weights" in out


def test_gemm_with_files(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    a = generator.integers(-128, 128, (6, 5), dtype=np.int8)
    b = generator.integers(-128, 128, (5, 4), dtype=np.int8)
    np.save(tmp_path / "a.npy", a)
    np.save(tmp_path / "b.npy", b)
    arguments = ["gemm", "--target", "simulator", "--a", str(tmp_path / "a.npy")]
    saved = tmp_path / "c.npy"
    run_json(capfd, *arguments, "--b", str(tmp_path / "b.npy"), "--save", str(saved))
    assert np.array_equal(np.load(saved), a.astype(np.int32) @ b.astype(np.int32))
    value = run_json(capfd, *arguments, "--n", "3")
    assert (value["m"], value["n"], value["k"]) == (6, 3, 5)
    value = run_json(capfd, *arguments, "--m", "7", status=1)
    assert value["error"]["message"] == "--m is 7, but the file's matrix has shape (6, 5)"
    np.save(tmp_path / "b.npy", b.astype(np.uint8))
    value = run_json(capfd, *arguments, "--b", str(tmp_path / "b.npy"), status=1)
    assert value["error"]["message"].startswith("b must be int8, not uint8")


def test_trace_needs_rtl(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    value = run_json(
        capfd, "gemm", "--target", "simulator", "--trace", str(tmp_path), status=1
    )
    assert value["error"]["message"] == "--trace needs --target rtl, not simulator"


def test_gemm_refuses_before_it_starts(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    save = str(tmp_path / "missing" / "c.npy")
    for arguments, message in (
        (["--save", save], "--save: there is no directory"),
        (["--seed", "-1"], "Invalid value for '--seed'"),
    ):
        value = run_json(capfd, "gemm", "--target", "simulator", *arguments, status=1)
        assert value["error"]["message"].startswith(message)


def test_asm_of_a_file_that_is_no_text(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source = tmp_path / "p.s"
    source.write_bytes(b"\x93NUMPY\xff")
    value = run_json(capfd, "asm", str(source), "-o", str(tmp_path / "p.weft"), status=1)
    assert value["error"]["message"].startswith(f"{source} is not assembler text")


def test_asm_disasm_check(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source, program, bare = tmp_path / "p.s", tmp_path / "p.weft", tmp_path / "p.bin"
    source.write_text(PROGRAM)
    value = run_json(capfd, "asm", str(source), "-o", str(program), *TINY)
    assert value == {"file": str(program), "instructions": 2, "bytes": program.stat().st_size}
    run_json(capfd, "asm", str(source), "-o", str(bare), "--bare")
    assert bare.stat().st_size == 64
    for path in (program, bare, source):
        value = run_json(capfd, "disasm", str(path))
        assert value["text"] == PROGRAM
        assert main(["disasm", str(path)]) == 0
        assert capfd.readouterr().out == PROGRAM
        value = run_json(capfd, "check", str(path), *TINY)
        assert value["ok"] is True and value["findings"] == []


def test_check_finds(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source = tmp_path / "deadlock.s"
    source.write_text(DEADLOCK)
    value = run_json(capfd, "check", str(source), status=1)
    assert value["ok"] is False
    assert value["findings"][0]["kind"] == "deadlock"
    assert main(["check", str(source)]) == 1
    assert "deadlock instruction 0" in capfd.readouterr().out


def test_check_gemm(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    saved = tmp_path / "gemm.weft"
    value = run_json(
        capfd, "check", "--gemm", "10", "20", "30", *TINY, "--save", str(saved)
    )
    assert value["ok"] is True
    again = run_json(capfd, "check", str(saved))
    assert again["config"] == value["config"] == Config.preset("tiny").to_dict()


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (["generate", "--rows", "999", "-o", "x"], "ConfigurationError",
         "rows must be an integer from 1 to 256, not 999"),
        (["generate", "--preset", "huge", "-o", "x"], "ConfigurationError",
         "preset must be one of tiny, small, default, large, not 'huge'"),
        (["generate"], "UsageError", "Missing option '-o' / '--output'."),
        (["check"], "UsageError", "give either FILE or --gemm M N K"),
        (["info", "--preset", "tiny", "--config", __file__], "UsageError",
         "--preset and --config exclude each other"),
        (["disasm", __file__], "AssemblyError", None),
        (["frob"], "UsageError", "No such command 'frob'."),
    ],
)
def test_errors(
    capfd: pytest.CaptureFixture[str], arguments: list[str], kind: str, message: str | None
) -> None:
    value = run_json(capfd, *arguments, status=1)
    assert list(value) == ["error"]
    assert value["error"]["type"] == kind
    if message is not None:
        assert value["error"]["message"] == message
    # For people: on standard error, no traceback, and a status that is not zero.
    assert main(arguments) != 0
    streams = capfd.readouterr()
    assert streams.out == ""
    assert "Error" in streams.err
    assert "Traceback" not in streams.err


def test_output_of_child_processes_does_not_disturb(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def noisy(*arguments: Any, **options: Any) -> None:
        print("from Python")
        subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
        raise ValueError("after the noise")

    monkeypatch.setattr("weft.sim.reference.matmul", noisy)
    value = run_json(capfd, "gemm", "--target", "reference", status=1)
    assert value["error"] == {"type": "ValueError", "message": "after the noise"}


def test_defects_show_a_traceback(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr("weft.sim.reference.matmul", broken)
    assert main(["gemm", "--target", "reference", "--json"]) == 1
    streams = capfd.readouterr()
    assert json.loads(streams.out)["error"]["type"] == "ZeroDivisionError"
    assert "Traceback" in streams.err


def test_help_of_every_command_has_examples(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    listed = capfd.readouterr().out.split("Commands:")[1]
    names = {line.split()[0] for line in listed.splitlines() if line.startswith("  ")}
    assert {"asm", "check", "disasm", "gemm", "generate", "info", "regress"} <= names
    for name in ("asm", "check", "disasm", "gemm", "generate", "info", "regress"):
        assert main([name, "--help"]) == 0
        text = capfd.readouterr().out
        assert "Examples:" in text and f"weft {name}" in text
        assert "--json" in text


def test_the_installed_command() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from weft.cli import main; sys.exit(main())",
         "info", "--rows", "0", "--json"],
        capture_output=True, text=True,
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["message"].startswith("rows must be an integer from 1")
