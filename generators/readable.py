# SPDX-License-Identifier: Apache-2.0
"""Rewrite the Verilog of Yosys the way an engineer writes it.

Yosys gives every operator a wire of its own, computes the next value of each register in one block
and stores it in another, and declares everything in the order of the alphabet. The pass reads that
regular subset of the language back and writes the same hardware with nested expressions, one
clocked block for all registers that share their conditions, and ports in the module's head.
A module that holds anything else is left as it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from .expression_text import WIDTH, closed, show
from .expressions import Node, Parser, UnsupportedError, tokens
from .inline import Inliner
from .module import ModuleText, is_anonymous
from .restructure import count_reads, restructure, targets_of, values
from .statements import Assign, Statement, rewrite, walk, write

__all__ = ["readable"]

_MODULE = re.compile(r"^module (\w+)\(.*?^endmodule$", re.M | re.S)


def readable(text: str, descriptions: Mapping[str, str] | None = None) -> str:
    """Rewrite all modules of a text.

    Parameters
    ----------
    text : str
        What ``write_verilog`` of Yosys gives, without escaped names.
    descriptions : mapping of str to str
        Comment lines to put above modules, by name.

    Returns
    -------
    str
        Verilog 2005 of the same modules with the same ports.
    """
    found = list(_MODULE.finditer(text))
    modules: dict[str, ModuleText | None] = {}
    for match in found:
        try:
            modules[match[1]] = ModuleText(Parser([*tokens(match[0]), ""]))
        except UnsupportedError:
            modules[match[1]] = None
    orders = {name: module.ports for name, module in modules.items() if module}
    parts = []
    for match in found:
        module = modules[match[1]]
        body = match[0] if module is None else _Rewriter(module, orders).text()
        comment = (descriptions or {}).get(match[1])
        parts.append((f"// {comment}\n" if comment else "") + body)
    return "\n\n".join(parts) + "\n"


class _Rewriter:
    """One module on its way from one form to the other."""

    def __init__(self, module: ModuleText, orders: Mapping[str, list[str]]) -> None:
        self._module = module
        module.forget("_time_zero_")
        self._orders = orders
        restructure(module)
        self._expand()

    def _expand(self) -> None:
        """Inline helper wires; drop those that nothing reads any more."""
        module = self._module
        reads = count_reads(module)
        drivers = Counter(target.text for target, _ in module.assigns)
        definitions = {
            target.text: value
            for target, value in module.assigns
            if target.kind == "name" and is_anonymous(target.text) and drivers[target.text] == 1
        }
        inliner = Inliner(definitions, module.widths, reads.__getitem__)
        blocks: list[tuple[str, list[Statement]]] = []
        for clock, body in module.blocks:
            forbidden = frozenset() if clock else frozenset(targets_of(body))

            def assignment(old: Assign, forbidden: frozenset[str] = forbidden) -> Assign:
                room = WIDTH - 20 - len(show(old.target))
                value = inliner.assigned(old.value, old.target.width, room, forbidden)
                return Assign(old.target, value, old.nonblocking)

            def condition(node: Node, forbidden: frozenset[str] = forbidden) -> Node:
                return inliner.alone(node, WIDTH - 30, forbidden)

            blocks.append((clock, rewrite(body, assignment, condition)))
        module.blocks = blocks
        for instance in module.instances:
            instance.ports = [
                (port, value and inliner.alone(value, WIDTH - 50)) for port, value in instance.ports
            ]
        self._keep_reachable(inliner)

    def _keep_reachable(self, inliner: Inliner) -> None:
        module = self._module
        wanted = {
            name for _, body in module.blocks for node in values(body) for name in node.names()
        }
        for instance in module.instances:
            wanted.update(name for _, value in instance.ports if value for name in value.names())
        by_name: dict[str, list[int]] = {}
        for number, (target, _) in enumerate(module.assigns):
            for name in [target.text] if target.kind != "concat" else target.names():
                by_name.setdefault(name, []).append(number)
        todo = [
            number
            for name, numbers in by_name.items()
            if name in wanted or not is_anonymous(name)
            for number in numbers
        ]
        kept: dict[int, tuple[Node, Node]] = {}
        while todo:
            number = todo.pop()
            if number in kept:
                continue
            target, value = module.assigns[number]
            room = WIDTH - 12 - len(show(target))
            value = inliner.assigned(value, target.width, room)
            kept[number] = (target, value)
            for name in value.names():
                todo += by_name.get(name, ()) if is_anonymous(name) else ()
        module.assigns = [kept[number] for number in sorted(kept)]

    def text(self) -> str:
        """Return the module's new text."""
        module = self._module
        used = set(count_reads(module))
        used.update(name for _, body in module.blocks for name in targets_of(body))
        for target, _ in module.assigns:
            used.update(target.names())
        lines = module.head(used)
        for left, right in module.assigns:
            lines += closed(f"  assign {show(left)} = ", right, ";")
        awake = False
        for clock, body in module.blocks:
            if not clock:
                if not awake:
                    lines += [
                        "  // A change at time zero: event-driven simulators run every block once.",
                        "  reg _time_zero_;",
                        "  initial _time_zero_ <= 1'b0;",
                    ]
                awake = True
                lines += ["  always @* begin", "    if (_time_zero_) begin end"]
                lines += [*write(body, "    "), "  end"]
        for instance in module.instances:
            lines += instance.lines(self._orders.get(instance.type))
        for clock, body in module.blocks:
            if clock:
                inner = write(body, "    ")
                if len(inner) == 1:
                    line = f"  always @({clock}) {inner[0].lstrip()}"
                    lines += [line] if len(line) <= WIDTH else [f"  always @({clock})", inner[0]]
                else:
                    lines += [f"  always @({clock}) begin", *inner, "  end"]
        return self._named("\n".join([*lines, "endmodule"]))

    def _named(self, text: str) -> str:
        """Name helper wires that stay after the one register or port that takes them."""
        module = self._module
        taken = set(module.widths) | set(module.memories) | {each.name for each in module.instances}
        takers: dict[str, set[str]] = {}
        for _, body in module.blocks:
            for each in walk(body):
                if isinstance(each, Assign) and each.nonblocking and each.target.kind == "name":
                    if each.value.kind == "name" and is_anonymous(each.value.text):
                        takers.setdefault(each.value.text, set()).add(each.target.text)
        choices = {
            name: f"{min(targets)}_next" for name, targets in takers.items() if len(targets) == 1
        }
        for instance in module.instances:
            for port, value in instance.ports:
                if value and value.kind == "name" and is_anonymous(value.text):
                    choices.setdefault(value.text, f"{instance.name}__{port}")
        table: dict[str, str] = {}
        for name, choice in choices.items():
            if choice not in taken and name not in module.directions:
                taken.add(choice)
                table[name] = choice
        if not table:
            return text
        return re.sub(r"\b_\d+_\b", lambda match: table.get(match[0], match[0]), text)
