# SPDX-License-Identifier: Apache-2.0
"""What a regression covered, from the events of its plugin."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Area", "Regression"]

_BENCH = re.compile(r"^bench (\S+): (\S+) on (\w+), WEFT_SEED=(\d+)", re.M)
_SIZE = re.compile(r"(?<![\dx.])(\d+x\d+)(?![\dx])")


@dataclass
class Area:
    """What was covered in one folder of tests."""

    name: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    benches: set[tuple[str, str]] = field(default_factory=set)
    simulators: dict[str, int] = field(default_factory=dict)
    configurations: set[str] = field(default_factory=set)
    seeds: set[int] = field(default_factory=set)
    covered: dict[str, int] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """The area as JSON values."""
        return {
            "passed": self.passed,
            "failed": self.failed,
            "skipped": self.skipped,
            "seconds": round(self.seconds, 1),
            "benches": len(self.benches),
            "simulators": dict(sorted(self.simulators.items())),
            "configurations": sorted(self.configurations, key=_by_size),
            "seeds": len(self.seeds),
            "covered": dict(sorted(self.covered.items())),
        }


def _by_size(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("x"))


class Regression:
    """Collects events.

    A test that covers more than its name tells says so: each ``record_property("covered: random
    programs", 300)`` is summed under its name.

    Attributes
    ----------
    areas : dict[str, Area]
        By folder of tests.
    tests : list[dict]
        Every finished test with outcome and, if it failed, its message.
    total : int
        Tests collected; 0 before that is known.
    """

    def __init__(self) -> None:
        self.areas: dict[str, Area] = {}
        self.tests: list[dict[str, Any]] = []
        self.total = 0

    @property
    def passed(self) -> int:
        """Tests that passed."""
        return sum(area.passed for area in self.areas.values())

    @property
    def failed(self) -> int:
        """Tests that failed."""
        return sum(area.failed for area in self.areas.values())

    @property
    def skipped(self) -> int:
        """Tests that were skipped."""
        return sum(area.skipped for area in self.areas.values())

    def take(self, events: Iterable[dict[str, Any]]) -> None:
        """Take events in order."""
        for event in events:
            if event["kind"] == "collected":
                self.total = max(self.total, event["count"])
                continue
            area = self._area(event["id"])
            if event["kind"] == "test":
                self._count(area, event)
            for name, module, simulator, seed in _BENCH.findall(event["output"]):
                area.benches.add((name, module))
                area.seeds.add(int(seed))
                if event["kind"] == "finished" or event["outcome"] == "failed":
                    area.simulators[simulator] = area.simulators.get(simulator, 0) + 1
            if event["when"] == "teardown":
                for name, value in event["properties"]:
                    if name.startswith("covered: ") and isinstance(value, int):
                        what = name.removeprefix("covered: ")
                        area.covered[what] = area.covered.get(what, 0) + value

    def _area(self, identity: str) -> Area:
        parts = identity.split("::")[0].split("/")
        name = parts[1] if len(parts) > 2 else "other"
        return self.areas.setdefault(name, Area(name))

    def _count(self, area: Area, event: dict[str, Any]) -> None:
        outcome = event["outcome"]
        setattr(area, outcome, getattr(area, outcome) + 1)
        area.seconds += event["seconds"]
        if outcome != "skipped":
            area.configurations.update(_SIZE.findall(event["id"].partition("[")[2]))
        self.tests.append({
            "id": event["id"], "outcome": outcome, "seconds": event["seconds"],
            "message": event["message"],
        })

    def summary(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "passed": self.passed,
            "failed": self.failed,
            "skipped": self.skipped,
            "areas": {name: area.summary() for name, area in sorted(self.areas.items())},
            "failures": [test["id"] for test in self.tests if test["outcome"] == "failed"],
        }
