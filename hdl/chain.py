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
    """Stages in a line, equal or of a few kinds::

        link_i --> stage 0 --> stage 1 --> ... --> stage count-1 --> link_o
                     |           |                   |
                  slice [0]   slice [1]         slice [count-1]

    Every port of the stage has one of three roles. A *linked* input takes the matching output of
    the stage before; the first takes the chain's port, the last output is the chain's port. A
    *shared* input is the same for all stages. Every other port is *sliced*: the chain has a
    ``data.ArrayLayout(shape, count)`` of it. Adds no latency of its own.

    A stage with an attribute ``span`` above 1 takes the place of that many stages: its sliced ports
    are ``data.ArrayLayout(shape, span)``, and the chain's are as long as the spans together.

    Wrap it in :class:`weft.hdl.once.Once` (or make it the top, or the stage of another chain) to
    have it emitted fast; as a bare sub-module it works too, but is elaborated bit by bit.

    Parameters
    ----------
    stage : callable or sequence of callables
        Takes no argument and returns a new stage: a component with a ``module_name`` and plain
        ports only (no arrays of members, no nested signatures). A sequence has one for each stage;
        each distinct callable is a kind of stage, and all have ports of the same names.
    count : int, optional
        Number of stages, at least 1; only with a single callable.
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
        If there is no stage, a name is no port of the stage with the direction that its role
        needs, the two ends of a link differ in width, or the kinds of stages differ in their ports.
    """

    def __init__(
        self,
        stage: Callable[[], Any] | Sequence[Callable[[], Any]],
        count: int | None = None,
        *,
        module_name: str,
        links: Mapping[str, str] | None = None,
        shared: Sequence[str] = (),
        prefix: str = "stage",
    ) -> None:
        if callable(stage):
            if not isinstance(count, int) or count < 1:
                raise ValueError(f"count must be an integer of at least 1, not {count!r}")
            makers = [stage] * count
        else:
            makers = list(stage)
            if not makers or count is not None:
                raise ValueError("a sequence of stages must hold at least one, and takes no count")
        self.module_name = module_name
        self.prefix = prefix
        self.links = dict(links or {})
        self.shared = tuple(shared)
        self._makers = makers
        self._kinds = {make: make() for make in dict.fromkeys(makers)}
        for kind in self._kinds.values():
            kind._MustUse__used = True
        self._firsts = [self._kinds[make] for make in makers]
        self.count = sum(map(_span, self._firsts))
        # Plain values, so that a library notices equal names for different chains.
        self._identity = (
            tuple(first.module_name for first in self._firsts), tuple(self.links.items())
        )
        for kind in self._kinds.values():
            self._check(dict(kind.signature.members))
        self._whole = {*self.links, *self.links.values(), *self.shared}
        shapes = [self._shapes(kind) for kind in self._kinds.values()]
        if any(other != shapes[0] for other in shapes[1:]):
            raise ValueError(f"stages of {module_name} must have the same ports, not {shapes!r}")
        super().__init__(
            {
                name: flow(shape if name in self._whole else data.ArrayLayout(shape, self.count))
                for name, (flow, shape) in shapes[0].items()
            }
        )

    def _shapes(self, stage: Any) -> dict[str, tuple[Any, Any]]:
        """Direction and shape of each port, that of one place in the line for a sliced one."""
        return {
            name: (
                member.flow,
                member.shape
                if name in self._whole or _span(stage) == 1
                else member.shape.elem_shape,
            )
            for name, member in stage.signature.members.items()
        }

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
        low = 0
        for index, make in enumerate(self._makers):
            component = make()
            stage = Once(component)
            span = _span(component)
            m.submodules[f"{self.prefix}_{index}"] = stage
            for name, member in component.signature.members.items():
                inner = Value.cast(getattr(stage, name))
                outer = Value.cast(getattr(self, name))
                if name in self.links and previous is not None:
                    outer = Value.cast(getattr(previous, self.links[name]))
                elif name not in self._whole:
                    start = low * len(inner) // span
                    outer = outer[start : start + len(inner)]
                if member.flow == In:
                    m.d.comb += inner.eq(outer)
                elif name not in self._whole or index == len(self._makers) - 1:
                    m.d.comb += outer.eq(inner)
            previous = stage
            low += span
        return m

    def define(self, library: ModuleLibrary, name: str, platform: Any) -> Definition:
        """Write the definition for a library; called by :meth:`ModuleLibrary.define`."""
        definitions = {
            id(kind): library.define(kind, kind.module_name, platform)
            for kind in self._kinds.values()
        }
        self._MustUse__used = True
        clock = tuple(
            port
            for port in ("clk", "rst")
            if any(port in definition.clock for definition in definitions.values())
        )
        lines = [f"module \\{name}"]
        members = self.signature.members
        for number, port in enumerate((*clock, *members), 1):
            width = 1 if port in clock else _width(members[port])
            kind = "output" if port in members and members[port].flow == Out else "input"
            lines.append(f"  wire width {width} {kind} {number} \\{port}")
        body: list[str] = []
        low = 0
        for index, first in enumerate(self._firsts):
            stage = definitions[id(first)]
            span = _span(first)
            body += [f"  cell \\{stage.name} \\{self.prefix}_{index}"]
            body += [f"    connect \\{port} \\{port}" for port in stage.clock]
            for port, member in first.signature.members.items():
                wire, width = self._wire(index, port), _width(member)
                if port not in self._whole:
                    start = low * width // span
                    wire += f" [{start + width - 1}:{start}]"
                elif wire != f"\\{port}" and member.flow == Out:
                    lines.append(f"  wire width {width} {wire}")
                body.append(f"    connect \\{port} {wire}")
            body.append("  end")
            low += span
        text = "\n".join([*lines, *body, "end\n"])
        return Definition(name, text, clock, tuple(members), self)

    def _wire(self, index: int, port: str) -> str:
        if port in self.links and index > 0:
            return f"\\{self.prefix}_{index - 1}__{self.links[port]}"
        if port in self.links.values() and index < len(self._makers) - 1:
            return f"\\{self.prefix}_{index}__{port}"
        return f"\\{port}"


def _width(member: Any) -> int:
    return Shape.cast(member.shape).width


def _span(stage: Any) -> int:
    return getattr(stage, "span", 1)
