# SPDX-License-Identifier: Apache-2.0
"""`weft regress` on a checkout with a few tests of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from weft.cli import main, regress

CONFTEST = """
def pytest_addoption(parser):
    parser.addoption("--simulator", default="both")
    parser.addoption("--full", action="store_true")
"""
TESTS = """
import pytest

@pytest.mark.parametrize("size", ["2x3", "16x16"])
def test_bench(size, request):
    print(f"bench fifo: bench_fifo on icarus, WEFT_SEED={len(size)}")
    assert request.config.getoption("--simulator") == "icarus"

def test_programs(record_property):
    record_property("covered: random programs", 300)

@pytest.mark.skip
def test_long():
    pass
"""
FAILING = "def test_bad():\n    assert 1 + 1 == 3, 'arithmetic'\n"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tests" / "hdl").mkdir(parents=True)
    (tmp_path / "tests" / "conftest.py").write_text(CONFTEST)
    (tmp_path / "tests" / "hdl" / "test_fifo.py").write_text(TESTS)
    monkeypatch.setattr(regress, "find_checkout", lambda: tmp_path)
    return tmp_path


@pytest.mark.parametrize("workers", ["0", "2"])
def test_summary(
    checkout: Path, capfd: pytest.CaptureFixture[str], workers: str
) -> None:
    assert main(["regress", "--simulator", "icarus", "-n", workers, "--json"]) == 0
    value = json.loads(capfd.readouterr().out)
    assert (value["passed"], value["failed"], value["skipped"]) == (3, 0, 1)
    area = value["areas"]["hdl"]
    assert area["benches"] == 1
    assert area["simulators"] == {"icarus": 2}
    assert area["configurations"] == ["2x3", "16x16"]
    assert area["seeds"] == 2
    assert area["covered"] == {"random programs": 300}
    page = Path(value["report"])
    assert page == checkout / "build" / "regress" / "report.html"
    assert "test_fifo.py::test_bench[2x3]" in page.read_text()


def test_failure(checkout: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (checkout / "tests" / "hdl" / "test_bad.py").write_text(FAILING)
    assert main(["regress", "--simulator", "icarus", "-n", "0"]) == 1
    streams = capfd.readouterr()
    assert "FAILED" in streams.err and "arithmetic" in streams.err
    assert "1 failed" in streams.out
    assert "arithmetic" in (checkout / "build" / "regress" / "report.html").read_text()


def test_arguments_pass_through(checkout: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([
        "regress", "--simulator", "icarus", "-n", "0", "--json", "tests/hdl", "-k", "programs"
    ]) == 0
    assert json.loads(capfd.readouterr().out)["passed"] == 1
    # Nothing selected is no success.
    assert main(["regress", "-n", "0", "--json", "-k", "nothing"]) == 1


def test_without_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(regress, "__file__", str(tmp_path / "site" / "weft" / "cli" / "regress.py"))
    monkeypatch.chdir(tmp_path)
    assert main(["regress", "--json"]) == 1
    message = json.loads(capfd.readouterr().out)["error"]["message"]
    assert message.startswith("no tests found: neither ")
    assert "clone the repository" in message
