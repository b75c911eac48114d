# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin of `weft regress`: appends what happens to a file, a JSON object a line."""

from __future__ import annotations

import json
import os
from typing import Any

__all__ = ["EVENTS_VARIABLE"]

EVENTS_VARIABLE = "WEFT_REGRESS_EVENTS"
"""Environment variable with the file's name."""


def _is_worker() -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ


def _emit(**event: Any) -> None:
    path = os.environ.get(EVENTS_VARIABLE)
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")


class _Distributed:
    """Hooks that exist only with pytest-xdist."""

    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """A worker has collected; all collect the same."""
        _emit(kind="collected", count=len(ids))


def pytest_configure(config: Any) -> None:
    """Add the hooks of pytest-xdist if it is there."""
    if config.pluginmanager.hasplugin("xdist") and not _is_worker():
        config.pluginmanager.register(_Distributed())


def pytest_collection_finish(session: Any) -> None:
    """Tell how many tests there are."""
    if not _is_worker() and session.items:
        _emit(kind="collected", count=len(session.items))


def pytest_runtest_logreport(report: Any) -> None:
    """Tell how a test, or its set-up or end, went."""
    if _is_worker():
        return
    decides = report.when == "call" or report.outcome != "passed"
    if not decides and report.when != "teardown":
        return
    _emit(
        kind="test" if decides else "finished",
        id=report.nodeid,
        when=report.when,
        outcome=report.outcome,
        seconds=round(report.duration, 3),
        output=report.capstdout,
        message="" if report.outcome != "failed" else str(report.longrepr)[-4000:],
        properties=[
            [name, value] for name, value in report.user_properties
            if isinstance(value, (int, float, str))
        ],
    )
