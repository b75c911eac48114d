# SPDX-License-Identifier: Apache-2.0
"""Clean-up of Amaranth's RTLIL so that the Verilog made from it reads well.

Works on the text, module by module: removes wires that are only second names of others, deletes
initial contents of writable memories that are all zero, gives every wire a plain identifier, orders
the ports and drops attributes that mean something to Amaranth only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

__all__ = ["KEYWORDS", "clean"]

KEYWORDS = frozenset(
    """
    accept_on alias always always_comb always_ff always_latch and assert assign assume automatic
    before begin bind bins binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle
    checker class clocking cmos config const constraint context continue cover covergroup coverpoint
    cross deassign default defparam design disable dist do edge else end endcase endchecker endclass
    endclocking endconfig endfunction endgenerate endgroup endinterface endmodule endpackage
    endprimitive endprogram endproperty endspecify endsequence endtable endtask enum event
    eventually expect export extends extern final first_match for force foreach forever fork
    forkjoin function generate genvar global highz0 highz1 if iff ifnone ignore_bins illegal_bins
    implements implies import incdir include initial inout input inside instance int integer
    interconnect interface intersect join join_any join_none large let liblist library local
    localparam logic longint macromodule matches medium modport module nand negedge nettype new
    nexttime nmos nor noshowcancelled not notif0 notif1 null or output package packed parameter pmos
    posedge primitive priority program property protected pull0 pull1 pulldown pullup
    pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase randsequence rcmos real realtime
    ref reg reject_on release repeat restrict return rnmos rpmos rtran rtranif0 rtranif1 s_always
    s_eventually s_nexttime s_until s_until_with scalared sequence shortint shortreal showcancelled
    signed small soft solve specify specparam static string strong strong0 strong1 struct super
    supply0 supply1 sync_accept_on sync_reject_on table tagged task this throughout time
    timeprecision timeunit tran tranif0 tranif1 tri tri0 tri1 triand trior trireg type typedef union
    unique unique0 unsigned until until_with untyped use uwire var vectored virtual void wait
    wait_order wand weak weak0 weak1 while wildcard wire with within wor xnor xor
    """.split()
)
"""Reserved words of Verilog and SystemVerilog."""

_DROPPED_ATTRIBUTES = re.compile(
    r"\s*attribute \\(?:generator|top|src|amaranth\.\w+|enum_base_type|enum_value_\w+) "
)
_ANONYMOUS_PORT = re.compile(r"\\port\$(\d+)\$(\d+)")
"""Port of an inner module that carries part of a signal there, so that it has no name."""

_NAME = re.compile(r"(?:\\|(?<!\S)\$)\S+")
_NUMBERED_PORT = re.compile(
    r"^  wire width \d+ (?:input|output|inout) \d+ +(?:signed )?(\\[^\s$]+\$\d+)$", re.M
)
_WIRE = re.compile(r"  wire width (\d+) (?:(input|output|inout) \d+ )? ?(signed )?(\S+)$")
_ALIAS = re.compile(r"connect (\\\S+) ")


def _modules(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each module's name and the lines between its head and its end."""
    for match in re.finditer(r"^module \\(\S+)\n(.*?)^end$", text, re.M | re.S):
        yield match[1], match[2].split("\n")


def _memory(line: str) -> str:
    """Return the memory that a MEMID parameter names."""
    return line.split('"')[1][1:]


def clean(text: str, ports: dict[str, tuple[str, ...]]) -> str:
    """Make RTLIL ready for readable Verilog.

    Parameters
    ----------
    text : str
        RTLIL as Amaranth writes it.
    ports : dict
        For modules whose port order matters: the names in order. ``clk`` and ``rst`` come first in
        every module, and are removed from a module listed here unless they are in the list.

    Returns
    -------
    str
        RTLIL with the same behaviour.

    Raises
    ------
    ValueError
        If a port has the name of a Verilog keyword, or two modules get the same name.
    """
    names: dict[str, str] = {}
    taken: dict[str, str] = {}
    text = _ANONYMOUS_PORT.sub(r"\\port_\1_\2", text)
    # Amaranth numbers the ports of inner modules whose signals have the same name.
    for port in sorted(set(_NUMBERED_PORT.findall(text)), key=len, reverse=True):
        text = text.replace(port, port.replace("$", "_"))
    bodies = list(_modules(text))
    for name, _ in bodies:
        plain = re.sub(r"\W", "_", name.replace(".", "__"))
        if taken.setdefault(plain, name) != name or name in names:
            raise ValueError(f"two modules are called {plain!r}; rename one of {name!r}")
        names[name] = plain
    parts = [
        f"module \\{names[name]}\n"
        + "\n".join(_Module(lines, names, ports.get(name)).lines())
        + "\nend\n"
        for name, lines in bodies
    ]
    return "\n".join(parts)


class _Module:
    """One module's body during clean-up."""

    def __init__(self, lines: list[str], modules: dict[str, str], order: tuple[str, ...] | None):
        self._modules = modules
        self._order = order
        self._lines = [line for line in lines if line and not _DROPPED_ATTRIBUTES.match(line)]
        self._wires: dict[str, str | None] = {}
        self._uses: Counter[str] = Counter()
        self._renamed: dict[str, str] = {}
        self._scan()

    def _scan(self) -> None:
        self._ends: dict[str, list[tuple[str, str]]] = {}
        self._aliases: dict[str, str] = {}
        self._memories: list[str] = []
        self._written: set[str] = set()
        self._cells: list[str] = []
        cell = kind = ""
        for line in self._lines:
            if match := _WIRE.match(line):
                self._wires[match[4]] = match[2]
            elif line.startswith("  cell "):
                _, kind, cell = line.split()
                if cell.startswith("\\"):
                    self._cells.append(cell)
            elif line.startswith("  memory "):
                self._memories.append(line.split()[-1])
            elif line.startswith("    parameter \\MEMID"):
                if kind.startswith("$memwr"):
                    self._written.add(_memory(line))
            elif line.startswith("    connect "):
                _, port, value = line.split(None, 2)
                self._uses.update(_NAME.findall(value))
                if kind.startswith("\\") and " " not in value:
                    self._ends.setdefault(value, []).append((cell[1:], port[1:]))
            elif match := _ALIAS.match(line):
                source = line[match.end() :]
                self._uses.update(_NAME.findall(source))
                self._aliases.setdefault(source, match[1])
            elif not line.lstrip().startswith(("attribute ", "parameter ", "process ")):
                self._uses.update(_NAME.findall(line))

    def _choose_names(self, dead: set[str]) -> None:
        for token, kind in self._wires.items():
            if kind and (token[1:] in KEYWORDS or not re.fullmatch(r"\w+", token[1:])):
                raise ValueError(
                    f"port {token[1:]!r} is a Verilog keyword or no plain identifier; "
                    f"rename the member"
                )
        ports = {token for token, kind in self._wires.items() if kind}
        used = {token[1:] for token in ports}
        for token in [*self._cells, *self._memories, *self._wires]:
            if token in ports or (token[0] == "$" and token not in self._ends):
                continue
            base = token[1:].partition("$")[0]
            ends = self._ends.get(token, [])
            cell, port = next(
                (end for end in ends if end[1] == base), ends[0] if ends else ("", "")
            )
            if cell and ("$" in token or base == port):
                base = f"{cell}__{port}"
                alias = self._aliases.get(token, "")
                plain = alias[1:].partition("$")[0]
                if alias in dead and plain and plain != port:
                    base = plain
            base = re.sub(r"\W+", "_", base).strip("_") or "unnamed"
            if base in KEYWORDS:
                base += "_"
            choice, number = base, 2
            while choice in used:
                choice, number = f"{base}_{number}", number + 1
            used.add(choice)
            self._renamed[token] = "\\" + choice

    def _dead(self, token: str) -> bool:
        return self._wires[token] is None and token[0] == "\\" and self._uses[token] == 0

    def _drop_unused(self) -> set[str]:
        dead = {token for token in self._wires if self._dead(token)}
        clock = {"\\clk", "\\rst"}
        if self._order is not None:
            dead |= (clock - {"\\" + port for port in self._order}) & set(self._wires)
        return dead

    def _rename(self, text: str) -> str:
        table = self._renamed
        return _NAME.sub(lambda match: table.get(match[0], match[0]), text)

    def _port_numbers(self, dead: set[str]) -> dict[str, int]:
        ports = [name for name, kind in self._wires.items() if kind and name not in dead]
        wanted = dict.fromkeys(["clk", "rst", *(self._order or ())])
        rank = {"\\" + name: number for number, name in enumerate(wanted)}
        ports.sort(key=lambda name: rank.get(name, len(rank)))
        return {name: number for number, name in enumerate(ports, 1)}

    def lines(self) -> list[str]:
        """Return the cleaned body."""
        dead = self._drop_unused()
        for name in dead:
            del self._wires[name]
        self._choose_names(dead)
        numbers = self._port_numbers(dead)
        result: list[str] = []
        attributes: list[str] = []
        lines = iter(self._lines)
        for line in lines:
            if line.lstrip().startswith("attribute "):
                attributes.append(line)
                continue
            if match := _WIRE.match(line):
                width, kind, signed, name = match.groups()
                if name in dead:
                    attributes.clear()
                    continue
                port = f" {kind} {numbers[name]}" if kind else ""
                line = f"  wire width {width}{port} {signed or ''}{self._rename(name)}"
            elif line.startswith("  cell $meminit"):
                cell = [line, *iter(lines.__next__, "  end"), "  end"]
                result += [] if self._is_blank(cell) else [self._cell_line(part) for part in cell]
                continue
            elif (match := _ALIAS.match(line)) and match[1] in dead:
                continue
            else:
                line = self._cell_line(line)
            result += attributes + [line]
            attributes.clear()
        return result

    def _cell_line(self, line: str) -> str:
        if line.startswith("    connect "):
            _, port, value = line.split(None, 2)
            return f"    connect {port} {self._rename(value)}"
        if line.startswith("  cell "):
            _, kind, cell = line.split()
            kind = "\\" + self._modules.get(kind[1:], kind[1:]) if kind[0] == "\\" else kind
            return f"  cell {kind} {self._rename(cell)}"
        if line.startswith("    parameter \\MEMID"):
            name = self._rename(_memory(line))
            return f'    parameter \\MEMID "\\{name}"'
        if line.lstrip().startswith(("parameter ", "attribute ")):
            return line
        return self._rename(line)

    def _is_blank(self, cell: list[str]) -> bool:
        """Tell whether a cell initializes a writable memory with nothing but zeros."""
        memory = next(_memory(part) for part in cell if "\\MEMID" in part)
        data = next(part.split()[-1] for part in cell if "\\DATA" in part)
        return memory in self._written and "1" not in data.partition("'")[2]
