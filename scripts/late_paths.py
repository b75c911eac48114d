# SPDX-License-Identifier: Apache-2.0
"""The latest paths of an ECP5 netlist before it is placed, by an estimate of its wires.

    weft synth --top accelerator --family ecp5 ... -o build/x
    python scripts/late_paths.py build/x/netlist.json --limit 10 --groups 40 --path

Ends of paths are grouped by the registers at both ends. Delays of cells are those of speed grade 6,
rounded; a wire takes 1 ns and 0.13 ns more for each doubling of its fan-out, which is what routed
designs of ours showed in the median. Good to compare netlists within seconds, not for frequencies.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from weft.boards.flow.harness import HARNESS, INSTANCE

SOURCES = {"TRELLIS_FF": 0.52, "DP16KD": 5.7, "MULT18X18D": 0.9, "EHXPLLL": 0.0}
"""Clock to output of what starts a path, in nanoseconds."""

MEMORY_REGISTER = 0.6
"""That of a DP16KD with its output register in use."""

GATES = {"LUT4": 0.24, "PFUMX": 0.2, "L6MUX21": 0.2, "TRELLIS_DPR16X4": 0.24, "CCU2C": 0.45}
"""Input to output of what is between; a carry from cell to cell takes less."""

CARRY = 0.07
NOT_TIMED = {"CLK", "CLKA", "CLKB", "CLK0", "WCK", "RAD"}


class End(NamedTuple):
    """A late end of a path: arrival, the bit that arrives, port, cell."""

    arrival: float
    bit: int
    port: str
    cell: str


class Netlist:
    """Arrival times of all bits of a flat netlist from Yosys; ends are in what has ``prefix``."""

    def __init__(self, module: dict[str, Any], prefix: str) -> None:
        self.prefix = prefix
        self.cells: dict[str, Any] = module["cells"]
        self.names: dict[int, str] = {}
        for name, net in module["netnames"].items():
            for bit in net["bits"]:
                if isinstance(bit, int):
                    self.names[bit] = min(self.names.get(bit, name), name, key=len)
        self.fan_out: Counter[int] = Counter()
        self.driver: dict[int, tuple[str, str]] = {}
        for cell, port, bits in self._ports():
            for bit in bits:
                if self.cells[cell]["port_directions"][port] == "input":
                    self.fan_out[bit] += 1
                else:
                    self.driver[bit] = cell, port
        self.before: dict[int, int | None] = {}
        self._arrivals: dict[int, float] = {}

    def _ports(self) -> Any:
        for name, cell in self.cells.items():
            for port, bits in cell["connections"].items():
                yield name, port, [bit for bit in bits if isinstance(bit, int)]

    def _inputs(self, cell: str) -> Any:
        item = self.cells[cell]
        for port, bits in item["connections"].items():
            if item["port_directions"][port] == "input":
                for bit in bits:
                    if isinstance(bit, int):
                        yield port, bit

    def wire(self, bit: int) -> float:
        """Nanoseconds of a net."""
        return 1.0 + 0.13 * math.log2(max(1, self.fan_out[bit]))

    def arrival(self, bit: int) -> float:
        """Latest arrival at a driver's output. Depth first, without recursion."""
        waiting = [bit]
        while waiting:
            top = waiting[-1]
            if top not in self._arrivals:
                needed = [other for _, other in self._before(top) if other not in self._arrivals]
                if needed:
                    waiting += needed
                    continue
                self._settle(top)
            waiting.pop()
        return self._arrivals[bit]

    def _before(self, bit: int) -> list[tuple[str, int]]:
        """Inputs, port and bit, on which a bit depends in the same cycle."""
        if bit not in self.driver or self.cells[self.driver[bit][0]]["type"] in SOURCES:
            return []
        cell, _ = self.driver[bit]
        memory = self.cells[cell]["type"] == "TRELLIS_DPR16X4"
        return [(port, other) for port, other in self._inputs(cell) if not memory or port == "RAD"]

    def _settle(self, bit: int) -> None:
        best, source = 0.0, None
        if bit in self.driver:
            cell, output = self.driver[bit]
            kind = self.cells[cell]["type"]
            best = SOURCES.get(kind, 0.0)
            if kind == "DP16KD":
                # Outputs are DOA0 to DOB17.
                registered = self.cells[cell]["parameters"][f"REGMODE_{output[2]}"] == "OUTREG"
                best = MEMORY_REGISTER if registered else best
            for port, other in self._before(bit):
                delay = GATES.get(kind, 0.3)
                if port == "CIN":
                    delay = CARRY if output == "COUT" else delay
                elif kind not in ("PFUMX", "L6MUX21") or port == "C0" or port == "SD":
                    delay += self.wire(other)
                if self._arrivals[other] + delay > best:
                    best, source = self._arrivals[other] + delay, other
        self._arrivals[bit], self.before[bit] = best, source

    def ends(self, limit: float) -> list[End]:
        """The latest input of each register of the design, if it is later than ``limit``."""
        found = []
        for name, cell in self.cells.items():
            stores = cell["type"] in SOURCES or cell["type"] == "TRELLIS_DPR16X4"
            if not stores or not name.startswith(self.prefix):
                continue
            arrivals = [
                End(self.arrival(bit) + self._to_register(port, bit), bit, port, name)
                for port, bit in self._inputs(name) if port not in NOT_TIMED
            ]
            if arrivals and max(arrivals).arrival > limit:
                found.append(max(arrivals))
        return found

    def _to_register(self, port: str, bit: int) -> float:
        """The wire to a register; a gate with that one reader is placed beside it."""
        beside = port == "DI" and self.fan_out[bit] == 1 and bit in self.driver
        if beside and self.cells[self.driver[bit][0]]["type"] in GATES:
            return 0.1
        return self.wire(bit)

    def path(self, bit: int) -> list[int]:
        """The bits of the latest path to a bit, backwards."""
        result: list[int] = []
        step: int | None = bit
        while step is not None:
            result.append(step)
            step = self.before[step]
        return result


def group(name: str) -> str:
    """A register's name without what tells its bits apart."""
    name = name.removeprefix(f"{INSTANCE}.")
    name = re.sub(r"_(TRELLIS|LUT4|PFUMX|L6MUX21|CCU2C|DP16KD|MULT18X18D).*", "", name)
    return re.sub(r"\d+(\.\d+|_\d+)*$", "#", name)


def main() -> None:
    """Print the groups, the latest first."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("netlist", type=Path, help="netlist.json of `weft synth`, or any flat one")
    parser.add_argument("--limit", type=float, default=10.0, help="nanoseconds (default: 10)")
    parser.add_argument("--groups", type=int, default=40, help="how many to show (default: 40)")
    parser.add_argument("--path", action="store_true", help="with the signals of the latest path")
    options = parser.parse_args()
    modules = json.loads(options.netlist.read_text(encoding="utf-8"))["modules"]
    top = next(name for name, module in modules.items() if "top" in module["attributes"])
    netlist = Netlist(modules[top], INSTANCE if top == HARNESS else "")
    ends = netlist.ends(options.limit)
    groups: dict[tuple[str, str], list[End]] = {}
    for end in ends:
        source = netlist.names[netlist.path(end.bit)[-1]]
        groups.setdefault((group(source), group(end.cell)), []).append(end)
    latest = max((end.arrival for end in ends), default=0.0)
    print(f"{len(ends):,} ends later than {options.limit:g} ns, the latest {latest:.1f} ns")
    ranked = sorted(groups.items(), key=lambda item: -max(item[1]).arrival)
    for (source, target), members in ranked[: options.groups]:
        worst = max(members)
        print(f"{worst.arrival:6.2f} x{len(members):<4} {source} -> {target} ({worst.port})")
        if options.path:
            for bit in netlist.path(worst.bit):
                print(f"       {netlist.arrival(bit):6.2f} {netlist.names[bit]} "
                      f"({netlist.fan_out[bit]} readers)")


if __name__ == "__main__":
    main()
