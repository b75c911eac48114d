# SPDX-License-Identifier: Apache-2.0
"""Moves flip-flops of ECP5 into the blocks that they stand beside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

__all__ = ["use_block_registers"]

_PLAIN = {"CEMUX": "1 ", "CLKMUX": "CLK", "GSR": "DISABLED", "REGSET": "RESET"}
"""Parameters of a flip-flop that takes its input in every cycle."""

_WITH_RESET = {"LSRMUX": "LSR", "SRMODE": "LSR_OVER_CE"}.items()
"""Parameters of one with a synchronous reset."""

_AND_NOT = f"{0x2222:016b}"
"""The look-up table of A and not B."""

Cell = dict[str, Any]


def use_block_registers(netlist: dict[str, Any]) -> int:
    """Use the registers of MULT18X18D and DP16KD; returns how many.

    Yosys' ``synth_ecp5`` leaves them unused. The way through a multiplier, 3.9 ns on speed grade 6,
    and the wires on both sides of it are then one path, and so are the 5.7 ns of a block RAM and
    the wire behind it. Moved are, if all of their flip-flops take their inputs in every cycle,

    - the register of a product or of what a block RAM reads, if nothing else reads what comes out
      of the block, and the flip-flops have no reset. Of block RAMs only those whose clock is always
      enabled;
    - the registers of both factors, if each is one, or none. A reset becomes a look-up table in
      front of the block. Flip-flops that are read elsewhere stay there for those.

    With all three in a multiplier, what is between them is inside the block, where nextpnr times
    nothing; it is less than the way through the block. Blocks with a register in use are left
    alone.

    Parameters
    ----------
    netlist : dict
        The netlist as ``write_json`` has it; changed in place.
    """
    return sum(_Module(module).move() for module in netlist["modules"].values())


class _Module:
    """The cells of a module, who reads a net (``""`` is a port of the module), and the flip-flop
    that drives it."""

    def __init__(self, module: dict[str, Any]) -> None:
        self.cells: dict[str, Cell] = module["cells"]
        self.readers: dict[Any, list[tuple[str, str]]] = defaultdict(list)
        self.registers: dict[Any, str] = {}
        self.highest = 1
        for port, item in module["ports"].items():
            for bit in item["bits"]:
                self.readers[bit].append(("", port))
        for name, cell in self.cells.items():
            for port, bits in cell["connections"].items():
                self.highest = max(self.highest, *(bit for bit in bits if isinstance(bit, int)), 1)
                if cell["port_directions"][port] != "output":
                    for bit in bits:
                        self.readers[bit].append((name, port))
                elif cell["type"] == "TRELLIS_FF":
                    self.registers[bits[0]] = name

    def move(self) -> int:
        """Move all that can be moved."""
        blocks = {
            name: cell for name, cell in self.cells.items()
            if cell["type"] in ("MULT18X18D", "DP16KD")
        }
        multipliers = {
            name: cell for name, cell in blocks.items()
            if cell["type"] == "MULT18X18D"
            and not any(parameter.startswith("REG_") for parameter in cell["parameters"])
            and {*cell["connections"]["SIGNEDA"], *cell["connections"]["SIGNEDB"]} <= {"0", "1"}
        }
        moved = sum([self._move_product(cell) for cell in multipliers.values()])
        for cell in blocks.values():
            if cell["type"] == "DP16KD":
                # The upper half of 36 bits comes out of the other port, by the clock of this one.
                wide = int(cell["parameters"]["DATA_WIDTH_B"], 2) == 36
                moved += self._move_read(cell, "B", "AB" if wide else "B")
                moved += not wide and self._move_read(cell, "A", "A")
        moved += sum([self._move_factors(name, cell) for name, cell in multipliers.items()])
        return moved

    def _behind(self, block: Cell, ports: list[str]) -> dict[str, str]:
        """The flip-flops behind ports; none if something else is there."""
        behind: dict[str, str] = {}
        for port in ports:
            for bit in block["connections"].get(port, []):
                readers = self.readers[bit]
                if len(readers) > 1 or not all(self._is_register(*reader) for reader in readers):
                    return {}
                behind.update((port, reader[0]) for reader in readers)
        resets = {self.cells[name]["connections"]["LSR"][0] for name in behind.values()}
        return behind if resets == {"0"} else {}

    def _is_register(self, name: str, port: str) -> bool:
        return port == "DI" and name != "" and self.cells[name]["type"] == "TRELLIS_FF"

    def _clock(self, block: Cell, names: Iterable[str], port: str = "CLK0") -> Any:
        """The clock that flip-flops and block have in common, if the block can have registers in
        their place, else an empty string."""
        flip_flops = [self.cells[name] for name in names]
        clocks = {cell["connections"]["CLK"][0] for cell in flip_flops}
        clocks |= {*block["connections"].get(port, ["0"])} - {"0"}
        plain = all(
            _PLAIN.items() <= cell["parameters"].items()
            and (cell["connections"]["LSR"] == ["0"] or _WITH_RESET <= cell["parameters"].items())
            for cell in flip_flops
        )
        return clocks.pop() if flip_flops and plain and len(clocks) == 1 else ""

    def _replace(self, block: Cell, behind: dict[str, str]) -> None:
        for port, name in behind.items():
            block["connections"][port] = self.cells.pop(name)["connections"]["Q"]
            del self.registers[block["connections"][port][0]]

    def _move_product(self, multiplier: Cell) -> bool:
        behind = self._behind(multiplier, [f"P{bit}" for bit in range(36)])
        clock = self._clock(multiplier, behind.values())
        if not clock:
            return False
        self._replace(multiplier, behind)
        self._use(multiplier, "OUTPUT", clock)
        return True

    def _move_read(self, memory: Cell, port: str, halves: str) -> bool:
        """The register of a read port whose data come out of one or two ``halves``."""
        fixed = memory["connections"]
        if any(memory["parameters"].get(f"REGMODE_{half}") != "NOREG" for half in halves):
            return False
        behind = self._behind(memory, [f"DO{half}{bit}" for half in halves for bit in range(18)])
        clock = self._clock(memory, behind.values(), f"CLK{port}")
        resets = {*fixed["RSTA"], *fixed["RSTB"]}
        rising = memory["parameters"].get(f"CLK{port}MUX") == f"CLK{port}"
        if not clock or not rising or fixed[f"CE{port}"] != ["1"] or resets != {"0"}:
            return False
        self._replace(memory, behind)
        for half in halves:
            memory["parameters"][f"REGMODE_{half}"] = "OUTREG"
            fixed[f"OCE{half}"] = ["1"]
        return True

    def _factor(self, multiplier: Cell, factor: str) -> dict[str, str]:
        """The flip-flops of a factor; none if something else is there."""
        before: dict[str, str] = {}
        for port in (f"{factor}{bit}" for bit in range(18)):
            driver = multiplier["connections"][port][0]
            if driver in self.registers:
                before[port] = self.registers[driver]
            elif driver != "0":
                return {}
        return before

    def _move_factors(self, name: str, multiplier: Cell) -> int:
        """Both or none: with the register of one alone 3.5 ns of the block stay in the path."""
        factors = [self._factor(multiplier, factor) for factor in "AB"]
        before = factors[0] | factors[1]
        clock = self._clock(multiplier, before.values())
        if not all(factors) or not clock:
            return 0
        for factor in "AB":
            self._use(multiplier, f"INPUT{factor}", clock)
        values: dict[str, Any] = {}
        for port, register in before.items():
            flip_flop = self.cells[register]["connections"]
            if register not in values:
                values[register] = self._value(register)
            self.readers[flip_flop["Q"][0]].remove((name, port))
            self.readers[values[register]].append((name, port))
            multiplier["connections"][port] = [values[register]]
        for register in values:
            output = self.cells[register]["connections"]["Q"][0]
            if not self.readers[output]:
                connections = self.cells.pop(register)["connections"]
                self.readers[connections["DI"][0]].remove((register, "DI"))
                del self.registers[output]
        return 2

    def _value(self, register: str) -> Any:
        """What a flip-flop takes in each cycle: its input, and zero in a reset."""
        given = self.cells[register]["connections"]
        if given["LSR"] == ["0"]:
            return given["DI"][0]
        self.highest += 1
        name = f"{register}_RESET_LUT4_Z_{self.highest}"
        inputs = {"A": given["DI"], "B": given["LSR"], "C": ["0"], "D": ["0"]}
        self.cells[name] = {
            "hide_name": 0, "type": "LUT4", "parameters": {"INIT": _AND_NOT}, "attributes": {},
            "port_directions": {**dict.fromkeys(inputs, "input"), "Z": "output"},
            "connections": {**inputs, "Z": [self.highest]},
        }
        for port, bits in inputs.items():
            self.readers[bits[0]].append((name, port))
        return self.highest

    def _use(self, multiplier: Cell, register: str, clock: Any) -> None:
        """Put a register of a multiplier into use."""
        multiplier["parameters"] |= {
            f"REG_{register}_CLK": "CLK0", f"REG_{register}_CE": "CE0", "GSR": "DISABLED",
            "RESETMODE": "SYNC",
        }
        inputs = {"CLK0": [clock], "CE0": ["1"], "RST0": ["0"]}
        multiplier["connections"] |= inputs
        multiplier["port_directions"] |= dict.fromkeys(inputs, "input")
