# SPDX-License-Identifier: Apache-2.0
"""A Verilog module as Yosys writes it, read into parts."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .expression_text import WIDTH, items, packed, show
from .expressions import Node, Parser, UnsupportedError
from .statements import If, Statement, parse

__all__ = ["Instance", "ModuleText", "is_anonymous"]

_ANONYMOUS = re.compile(r"_\d+_")


def is_anonymous(name: str) -> bool:
    """Tell whether Yosys made the name up."""
    return _ANONYMOUS.fullmatch(name) is not None


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


@dataclass
class Instance:
    """An instance of another module."""

    type: str
    parameters: str
    name: str
    ports: list[tuple[str, Node | None]]

    def lines(self, order: list[str] | None) -> list[str]:
        """Return its text, connections in the order in which the module declares its ports."""
        rank = {port: number for number, port in enumerate(order or ())}
        ports = sorted(self.ports, key=lambda each: rank.get(each[0], len(rank)))
        words = [f".{port}({_connected(value)})" for port, value in ports]
        lines = packed(words, "    ")
        head = f"  {self.type} {self.parameters}{self.name} ("
        return [head, *lines, "  );"]


def _connected(value: Node | None) -> str:
    if value is None:
        return ""
    text = show(value)
    if len(text) <= WIDTH - 30 or value.kind != "concat":
        return text
    lines = packed(list(items(value)), "      ")
    return "\n".join(["{", *lines, "    }"])


class ModuleText:
    """Reads one module.

    Attributes
    ----------
    name : str
        Module name.
    ports : list of str
        Port names in order.
    directions, widths, ranges, initial : dict
        By name: ``input`` and the like, bits, the declared range, the value at power-up.
    registers : set of str
        What is declared ``reg``.
    memories : dict of str to str
        Declarations of memories.
    tables : list of list of str
        Lines of ``initial`` blocks that fill memories.
    assigns, blocks, instances : list
        ``(target, value)``; ``(clock, statements)`` with an empty clock for ``always @*``; and
        :class:`Instance`.

    Raises
    ------
    UnsupportedError
        If the module holds anything that Yosys does not write for a design of Amaranth.
    """

    def __init__(self, parser: Parser) -> None:
        self._parser = parser
        self.ports: list[str] = []
        self.directions: dict[str, str] = {}
        self.widths = parser.widths
        self.ranges: dict[str, str] = {}
        self.initial: dict[str, str] = {}
        self.registers: set[str] = set()
        self.memories: dict[str, str] = {}
        self.tables: list[list[str]] = []
        self.assigns: list[tuple[Node, Node]] = []
        self.blocks: list[tuple[str, list[Statement]]] = []
        self.instances: list[Instance] = []
        parser.take("module")
        self.name = parser.take()
        parser.take("(")
        while not parser.accept(")"):
            self.ports.append(parser.take())
            parser.accept(",")
        parser.take(";")
        self._declare_all()
        while not parser.accept("endmodule"):
            self._item()
        if set(self.ports) != set(self.directions):
            raise UnsupportedError("a port without a direction")

    def forget(self, name: str) -> None:
        """Remove a declaration."""
        self.widths.pop(name, None)
        self.registers.discard(name)

    def _declare_all(self) -> None:
        """Read declarations ahead of everything else: Yosys puts some after their uses."""
        parser = self._parser
        start = parser.at
        rest: list[str] = []
        while parser.peek() != "endmodule":
            word = parser.peek()
            if word in ("input", "output", "wire", "reg"):
                self._declaration()
            elif word.startswith("(*") and parser.words[parser.at + 1] == "reg":
                self._declaration(parser.take())
            else:
                rest.append(parser.take())
        parser.words[start : parser.at] = rest
        parser.at = start

    def _declaration(self, attribute: str = "") -> None:
        parser = self._parser
        kind = parser.take()
        signed = parser.accept("signed")
        bounds = ""
        width = 1
        if parser.accept("["):
            high = parser.take()
            parser.take(":")
            parser.take("0")
            parser.take("]")
            bounds, width = f"[{high}:0] ", int(high) + 1
        name = parser.take()
        bounds = ("signed " if signed else "") + bounds
        if parser.accept("["):
            first = parser.take()
            parser.take(":")
            last = parser.take()
            parser.take("]")
            head = f"  {attribute}\n" if attribute else ""
            self.memories[name] = f"{head}  reg {bounds}{name} [{first}:{last}];"
            parser.memories[name] = width
        elif attribute:
            raise UnsupportedError(attribute)
        else:
            self.widths[name] = width
            self.ranges[name] = bounds
            if signed:
                parser.signs.add(name)
            if kind == "reg":
                self.registers.add(name)
            elif kind != "wire":
                self.directions[name] = kind
            if parser.accept("="):
                self.initial[name] = show(parser.expression())
        parser.take(";")

    def _item(self) -> None:
        parser = self._parser
        word = parser.take()
        if word == "assign":
            target = parser.primary()
            parser.take("=")
            self.assigns.append((target, parser.expression()))
            parser.take(";")
        elif word == "always":
            self._always()
        elif word == "initial":
            self._initial()
        elif re.fullmatch(r"[A-Za-z_]\w*", word):
            self._instance(word)
        else:
            raise UnsupportedError(word)

    def _always(self) -> None:
        parser = self._parser
        parser.take("@")
        clock = ""
        if not parser.accept("*"):
            parser.take("(")
            clock = f"{parser.take('posedge', 'negedge')} {parser.take()}"
            parser.take(")")
        body = [
            each
            for each in parse(parser)
            if not (isinstance(each, If) and _is_time_zero(each.branches[0][0]))
        ]
        self.blocks.append((clock, body))

    def _initial(self) -> None:
        parser = self._parser
        if parser.accept("_time_zero_"):
            for word in ("<=", "1'b0", ";"):
                parser.take(word)
            return
        parser.take("begin")
        lines = ["  initial begin"]
        while not parser.accept("end"):
            words = []
            while not parser.accept(";"):
                words.append(parser.take())
            lines.append("    " + "".join(words).replace("=", " = ") + ";")
        self.tables.append([*lines, "  end"])

    def _instance(self, kind: str) -> None:
        parser = self._parser
        parameters = ""
        if parser.accept("#"):
            parameters = "#" + self._parenthesized() + " "
        name = parser.take()
        parser.take("(")
        ports: list[tuple[str, Node | None]] = []
        while not parser.accept(")"):
            parser.take(".")
            port = parser.take()
            parser.take("(")
            ports.append((port, None if parser.peek() == ")" else parser.expression()))
            parser.take(")")
            parser.accept(",")
        parser.take(";")
        self.instances.append(Instance(kind, parameters, name, ports))

    def _parenthesized(self) -> str:
        parser = self._parser
        words = [parser.take("(")]
        depth = 1
        while depth:
            word = parser.take()
            depth += (word == "(") - (word == ")")
            words.append(word)
        return re.sub(r",(?=\S)", ", ", "".join(words))

    def head(self, used: set[str]) -> list[str]:
        """Return the lines down to the last declaration, without wires that are not ``used``."""
        ports = [
            f"  {self.directions[name]} {self._kind(name)} {self.ranges[name]}{name}"
            f"{self._value(name)}"
            for name in self.ports
        ]
        lines = (
            [f"module {self.name} (", ",\n".join(ports), ");"]
            if ports
            else [f"module {self.name};"]
        )
        names = sorted(
            (name for name in self.widths if name in used and name not in self.directions),
            key=_natural,
        )
        previous = ""
        for name in names:
            start = f"  {self._kind(name)} {self.ranges[name]}"
            if name in self.initial:
                lines.append(f"{start}{name}{self._value(name)};")
                previous = ""
            elif start == previous and len(lines[-1]) + len(name) + 2 <= WIDTH:
                lines[-1] = f"{lines[-1][:-1]}, {name};"
            else:
                lines.append(f"{start}{name};")
                previous = start
        lines += self.memories.values()
        for table in self.tables:
            lines += table
        return lines

    def _kind(self, name: str) -> str:
        return "reg" if name in self.registers else "wire"

    def _value(self, name: str) -> str:
        return f" = {self.initial[name]}" if name in self.initial else ""


def _is_time_zero(node: Node | None) -> bool:
    return node is not None and node.text == "_time_zero_"
