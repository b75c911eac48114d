# SPDX-License-Identifier: Apache-2.0
"""Options and fixtures that all tests share."""

import pytest


def pytest_addoption(parser):
    parser.addoption(
        "--simulator",
        choices=["icarus", "verilator", "both"],
        default="both",
        help="simulator for cocotb benches (default: both)",
    )
    parser.addoption("--full", action="store_true", help="run the long tests as well")


def pytest_configure(config):
    config.addinivalue_line("markers", "full: long test, runs with --full only")
    config.addinivalue_line("markers", "slow_on(simulator, ...): long on these, full there")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--full"):
        skip = pytest.mark.skip(reason="long; runs with --full")
        for item in items:
            if item.get_closest_marker("full"):
                item.add_marker(skip)


def pytest_generate_tests(metafunc):
    if "simulator" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--simulator")
        names = ["icarus", "verilator"] if chosen == "both" else [chosen]
        slow = metafunc.definition.get_closest_marker("slow_on")
        metafunc.parametrize("simulator", [
            pytest.param(name, marks=pytest.mark.full) if slow and name in slow.args else name
            for name in names
        ])
