# SPDX-License-Identifier: Apache-2.0
"""A line of equal stages, emitted without a cost per wire.

Amaranth's netlist holds an object for every bit. In a 128x128 array the links between the rows
alone are a million bits: 20 s of elaboration for what is one repeated line of Verilog.
:class:`Chain` describes such a line by its rule, so its text is written directly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from amaranth import Module, Shape, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .once import Definition, ModuleLibrary, Once

__all__ = ["Chain"]


class Chain(wiring.Component):
    """``count`` equal stages in a line::

        link_i --> stage 0 --> stage 1 --> ... --> stage count-1 --> link_o
                     |           |                   |
                  slice [0]   slice [1]         slice [count-1]

    Every port of the stage has one of three roles. A *linked* input takes the matching output of
    the stage before; the first takes the chain's port, the last output is the chain's port. A
    *shared* input is the same for all stages. Every other port is *sliced*: the chain has a
    ``data.ArrayLayout(shape, count)`` of it. Adds no latency of its own.

    Wrap it in :class:`weft.hdl.once.Once` (or make it the top, or the stage of another chain) to
    have it emitted fast; as a bare sub-module it works too, but is elaborated bit by bit.

    Parameters
    ----------
    stage : callable
        Takes no argument and returns a new stage: a component with a ``module_name`` and plain
        ports only (no arrays of members, no nested signatures).
    count : int
        Number of stages, at least 1.
    module_name : str
        Name of the chain's module.
    links : mapping of str to str
        Linked inputs and the outputs that feed them.
    shared : sequence of str
        Shared inputs.
    prefix : str
        Stages are called ``<prefix>_0``, ``<prefix>_1``, ...

    Members
    -------
    Those of the stage, by role: linked and shared ones with the stage's shape, sliced ones as
    ``data.ArrayLayout`` of it.

    Raises
    ------
    ValueError
        If ``count`` is below 1, a name is no port of the stage with the direction that its role
        needs, or the two ends of a link differ in width.
    """

    def __init__(
        self,
        stage: Callable[[], Any],
        count: int,
        *,
        module_name: str,
        links: Mapping[str, str] | None = None,
        shared: Sequence[str] = (),
        prefix: str = "stage",
    ) -> None:
        if not isinstance(count, int) or count < 1:
            raise ValueError(f"count must be an integer of at least 1, not {count!r}")
        self.module_name = module_name
        self.count = count
        self.prefix = prefix
        self.links = dict(links or {})
        self.shared = tuple(shared)
        self._make = stage
        self._first = stage()
        self._first._MustUse__used = True
        # Plain values, so that a library notices equal names for different chains.
        self._identity = (self._first.module_name, tuple(self.links.items()))
        members = dict(self._first.signature.members)
        self._check(members)
        self._whole = {*self.links, *self.links.values(), *self.shared}
        ports = {
            name: member if name in self._whole else _sliced(member, count)
            for name, member in members.items()
        }
        super().__init__(ports)

    def _check(self, members: Mapping[str, Any]) -> None:
        for name, member in members.items():
            if not member.is_port or member.dimensions:
                raise ValueError(f"member {name!r} of a stage must be a plain port; use a layout")
        wanted = [(name, In) for name in (*self.links, *self.shared)]
        wanted += [(name, Out) for name in self.links.values()]
        for name, flow in wanted:
            if name not in members or members[name].flow != flow:
                raise ValueError(
                    f"{name!r} must be an {'input' if flow == In else 'output'} of the stage, "
                    f"whose members are {', '.join(members)}"
                )
        for into, out in self.links.items():
            if _width(members[into]) != _width(members[out]):
                raise ValueError(
                    f"link {out!r} -> {into!r} joins {_width(members[out])} bits "
                    f"to {_width(members[into])}; give both ends the same shape"
                )

    def elaborate(self, platform: Any) -> Module:
        """Return the chain as an ordinary module."""
        m = Module()
        previous = None
        for index in range(self.count):
            component = self._make()
            stage = Once(component)
            m.submodules[f"{self.prefix}_{index}"] = stage
            for name, member in component.signature.members.items():
                inner = Value.cast(getattr(stage, name))
                outer = Value.cast(getattr(self, name))
                if name in self.links and previous is not None:
                    outer = Value.cast(getattr(previous, self.links[name]))
                elif name not in self._whole:
                    outer = outer.word_select(index, len(inner))
                if member.flow == In:
                    m.d.comb += inner.eq(outer)
                elif name not in self._whole or index == self.count - 1:
                    m.d.comb += outer.eq(inner)
            previous = stage
        return m

    def define(self, library: ModuleLibrary, name: str, platform: Any) -> Definition:
        """Write the definition for a library; called by :meth:`ModuleLibrary.define`."""
        stage = library.define(self._first, self._first.module_name, platform)
        self._MustUse__used = True
        clock = stage.clock
        lines = [f"module \\{name}"]
        members = self.signature.members
        for number, port in enumerate((*clock, *members), 1):
            width = 1 if port in clock else _width(members[port])
            kind = "output" if port in members and members[port].flow == Out else "input"
            lines.append(f"  wire width {width} {kind} {number} \\{port}")
        body: list[str] = []
        for index in range(self.count):
            body += [f"  cell \\{stage.name} \\{self.prefix}_{index}"]
            body += [f"    connect \\{port} \\{port}" for port in clock]
            for port, member in self._first.signature.members.items():
                wire, width = self._wire(index, port), _width(member)
                if port not in self._whole:
                    wire += f" [{(index + 1) * width - 1}:{index * width}]"
                elif wire != f"\\{port}" and member.flow == Out:
                    lines.append(f"  wire width {width} {wire}")
                body.append(f"    connect \\{port} {wire}")
            body.append("  end")
        text = "\n".join([*lines, *body, "end\n"])
        return Definition(name, text, clock, tuple(members), self)

    def _wire(self, index: int, port: str) -> str:
        if port in self.links and index > 0:
            return f"\\{self.prefix}_{index - 1}__{self.links[port]}"
        if port in self.links.values() and index < self.count - 1:
            return f"\\{self.prefix}_{index}__{port}"
        return f"\\{port}"


def _width(member: Any) -> int:
    return Shape.cast(member.shape).width


def _sliced(member: Any, count: int) -> Any:
    layout = data.ArrayLayout(member.shape, count)
    return In(layout) if member.flow == In else Out(layout)
