# SPDX-License-Identifier: Apache-2.0
"""What placement and routing report, in Weft's own terms."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .families import Family
from .harness import HARNESS_FILE, INSTANCE

__all__ = ["Cell", "CriticalPath", "Run", "Stage", "read_run", "stage_of", "unit_of"]

HARNESS_UNIT = "harness"
"""Unit of what belongs to the wrapper."""

_CELL_SUFFIX = re.compile(
    r"(?:_(?:TRELLIS_FF|TRELLIS_COMB|LUT4|CCU2C|PFUMX|L6MUX21|MULT18X18D|DP16KD|SB_\w+?|DFF\w*?"
    r"|LUT[1-6]|ALU|MUX2_LUT\d|FD1P3\w+|WIDEFN9|CCU2|MULT9X9\w*)(?:_[A-Z]\w*?)?(?:_\d+)?)+(?:\$.*)?$"
)
"""What Yosys' ``autoname`` adds to the name of the signal that a cell drives."""


@dataclass(frozen=True)
class Cell:
    """A placed cell.

    Attributes
    ----------
    name : str
        With the instances it is in, outermost first, joined by dots.
    unit : str
        The unit it counts for; see :func:`unit_of`.
    resource : str
        What it counts as.
    x, y : int
        Its tile.
    """

    name: str
    unit: str
    resource: str
    x: int
    y: int


@dataclass(frozen=True)
class Stage:
    """A register, or the port of a block, in Weft's own terms.

    Attributes
    ----------
    unit : str
        Instances from the top of the design, joined by dots; ``harness`` outside it.
    name : str
        The signal.
    """

    unit: str
    name: str

    def __str__(self) -> str:
        return f"{self.unit}: {self.name}"


@dataclass(frozen=True)
class CriticalPath:
    """The slowest path from clock to clock.

    Attributes
    ----------
    source, target : Stage
        Where it starts and ends.
    through : tuple of str
        Signals between, in order.
    logic_ns, routing_ns : float
        What its cells and its wires take, setup and clock-to-output with the cells.
    """

    source: Stage
    target: Stage
    through: tuple[str, ...]
    logic_ns: float
    routing_ns: float

    def __str__(self) -> str:
        total = self.logic_ns + self.routing_ns
        return (
            f"{self.source} -> {self.target}, {len(self.through)} signals between, {total:.2f} ns "
            f"({self.logic_ns:.2f} logic, {self.routing_ns:.2f} routing)"
        )


@dataclass(frozen=True)
class Run:
    """One placement and routing.

    Attributes
    ----------
    fmax_mhz : float
        The lowest of the clocks' highest frequencies.
    clocks : dict of str to float
        Highest frequency of each clock.
    critical_path : CriticalPath or None
        Of the slowest clock.
    cells : list of Cell
        Everything counted.
    available : dict of str to int
        What the device has, by the tool's own names.
    """

    fmax_mhz: float
    clocks: dict[str, float]
    critical_path: CriticalPath | None
    cells: list[Cell] = field(repr=False)
    available: dict[str, int] = field(repr=False)


def _split(name: str) -> tuple[list[str], str]:
    """Instances and signal of a cell's or net's name."""
    parts = re.sub(r"\[\d+\]$", "", name).split(".")
    leaf = _CELL_SUFFIX.sub("", parts[-1])
    return parts[:-1], leaf


def stage_of(name: str, *, harnessed: bool = True) -> Stage:
    """The stage that a cell or net belongs to."""
    path, leaf = _split(name)
    if harnessed:
        if path[:1] != [INSTANCE]:
            return Stage(HARNESS_UNIT, leaf)
        path = path[1:]
    return Stage(".".join(path) or "top", leaf)


def unit_of(name: str, *, harnessed: bool = True) -> str:
    """The unit that a cell counts for.

    That is the outermost instance in the design, but for the systolic array, whose parts (mesh,
    skews) count for themselves.
    """
    path, _ = _split(name)
    if harnessed:
        if path[:1] != [INSTANCE]:
            return HARNESS_UNIT
        path = path[1:]
    if "array" in path:
        return ".".join(path[path.index("array") :][:2])
    return path[0] if path else "top"


def _cells(cells: Mapping[str, Any], family: Family, harnessed: bool) -> Iterator[Cell]:
    owners = _owners(cells)
    for name, cell in cells.items():
        mode = cell["parameters"].get("MODE", "")
        kind, attributes = cell["type"], cell["attributes"]
        resource = family.resources.get(f"{kind}/{mode}", family.resources.get(kind))
        place = re.match(r"X(\d+)/?Y(\d+)", attributes.get("NEXTPNR_BEL", ""))
        if resource is None or place is None:
            continue
        # A register is called after the input of the design that it drives.
        own = HARNESS_FILE in attributes.get("src", "")
        unit = HARNESS_UNIT if own else unit_of(owners.get(name, name), harnessed=harnessed)
        x, y = int(place[1]), int(place[2])
        yield Cell(name, unit, resource, x, y)
        if cell["parameters"].get("DFF_ENABLE", "0").endswith("1"):  # iCE40: in the same cell
            yield Cell(name, unit, "ff", x, y)


def _owners(cells: Mapping[str, Any]) -> dict[str, str]:
    """For each cell that nextpnr added at the ends of carry chains, a cell of the chain."""
    added = {name for name in cells if name.startswith("$nextpnr_CCU2C")}
    carries: dict[int, list[str]] = {}
    for name, cell in cells.items():
        for port in ("FCI", "FCO"):
            for bit in cell["connections"].get(port, []):
                carries.setdefault(bit, []).append(name)
    owners: dict[str, str] = {}
    for _ in range(2):  # The two halves of an added cell: one is next to the chain.
        for joined in carries.values():
            known = [owners.get(name, name) for name in joined]
            known = [name for name in known if name not in added]
            for name in joined:
                if name in added and known:
                    owners.setdefault(name, known[0])
    return owners


def _critical_path(report: Mapping[str, Any], harnessed: bool) -> CriticalPath | None:
    inside = [
        path
        for path in report.get("critical_paths", [])
        if path["from"] == path["to"] and path["from"] != "<async>"
    ]
    if not inside:
        return None
    slowest = max(inside, key=lambda path: sum(step["delay"] for step in path["path"]))["path"]
    nets = [step["net"] for step in slowest if step["type"] == "routing"]
    routing = sum(step["delay"] for step in slowest if step["type"] == "routing")
    total = sum(step["delay"] for step in slowest)
    source = nets[0] if nets else slowest[0]["from"]["cell"]
    return CriticalPath(
        source=stage_of(source, harnessed=harnessed),
        target=stage_of(slowest[-1]["to"]["cell"], harnessed=harnessed),
        through=tuple(str(stage_of(net, harnessed=harnessed)) for net in nets[1:]),
        logic_ns=round(total - routing, 3),
        routing_ns=round(routing, 3),
    )


def read_run(report: Path, netlist: Path, family: Family, *, harnessed: bool) -> Run:
    """Read nextpnr's report and its placed and routed netlist.

    Parameters
    ----------
    report, netlist : Path
        What nextpnr wrote for ``--report`` and ``--write``.
    family : Family
        Says what cells count as.
    harnessed : bool
        Whether the design is inside the wrapper of :mod:`weft.boards.flow.harness`.
    """
    figures = json.loads(report.read_text())
    top = next(iter(json.loads(netlist.read_text())["modules"].values()))
    clocks = {name: round(entry["achieved"], 2) for name, entry in figures["fmax"].items()}
    return Run(
        fmax_mhz=min(clocks.values(), default=0.0),
        clocks=clocks,
        critical_path=_critical_path(figures, harnessed),
        cells=list(_cells(top["cells"], family, harnessed)),
        available={name: entry["available"] for name, entry in figures["utilization"].items()},
    )
