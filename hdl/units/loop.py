# SPDX-License-Identifier: Apache-2.0
"""Nested loops in hardware: counters, and the addresses that go with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..tech.technology import TECHNOLOGIES

__all__ = ["AddressGenerator", "LoopCounter"]


class LoopCounter(wiring.Component):
    """Counts the iterations of a nest of loops, one a cycle.

    The counts are kept, so ``counts`` matters only together with ``load``. A ``load`` may come in
    the cycle of the last ``step``: the next nest then follows without a gap. All outputs are
    registers: each level knows a step ahead whether it will be in its last iteration, so which
    level is to move is known when the step comes, however many levels there are.

    Parameters
    ----------
    levels : mapping of str to int
        Name and counter width of each loop, outermost first.

    Members
    -------
    load : In(1)
        Start a nest with the iterations ``counts``.
    counts : In(StructLayout of unsigned, by level)
        Iterations minus one.
    step : In(1)
        Go to the next iteration.
    done : Out(StructLayout of unsigned, by level)
        Iterations before the present one.
    at_last : Out(StructLayout of 1, by level)
        The level is in its last iteration.
    advance : Out(StructLayout of 1, by level)
        The level that the next step advances (those inside it restart); none if ``last``.
    moves : Out(StructLayout of 1, by level)
        The next step advances the level or one outside it.
    last : Out(1)
        All levels are in their last iteration.
    """

    def __init__(self, levels: Mapping[str, int]) -> None:
        self.levels = tuple(levels.items())
        counts = data.StructLayout({name: unsigned(width) for name, width in self.levels})
        flags = data.StructLayout({name: unsigned(1) for name, _ in self.levels})
        super().__init__(
            {
                "load": In(1),
                "counts": In(counts),
                "step": In(1),
                "done": Out(counts),
                "at_last": Out(flags),
                "advance": Out(flags),
                "moves": Out(flags),
                "last": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return "_".join(["weft_loop_counter", *(str(width) for _, width in self.levels)])

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        # Whether a level or one outside it advances is kept for each: derived from one another,
        # the enables of all that moves with a level would be a chain through all levels.
        outside: Any = Const(0, 1)
        ends, advances, moving = [], [], []
        for name, width in self.levels:
            count = Signal(width, name=f"{name}_count")
            single = Signal(name=f"{name}_single")
            double = Signal(name=f"{name}_double")
            done = Signal(width, name=f"{name}_done")
            # The iterations done after an advance, and whether the level is then in its last one.
            following = Signal(width, name=f"{name}_following", init=1)
            ending = Signal(name=f"{name}_ending")
            at_last = Signal(name=f"{name}_at_last")
            advance = Signal(name=f"{name}_advance")
            moves = Signal(name=f"{name}_moves")
            end = Signal(name=f"{name}_end")  # What `at_last` becomes with a load or a step.
            more = Signal(width, name=f"{name}_more")
            new_count = self.counts[name]
            small = Signal(name=f"{name}_small")  # At most two iterations.
            m.d.comb += [
                small.eq(~new_count[1:].any()),
                more.eq(following + 1),
                end.eq(Mux(advance, ending, Mux(outside, single, at_last))),
                self.done[name].eq(done),
                self.at_last[name].eq(at_last),
                self.advance[name].eq(advance),
                self.moves[name].eq(moves),
            ]
            # Counting up to the count rather than down from it takes no multiplexer: flip-flops
            # have a reset.
            with m.If(self.load):
                m.d.comb += end.eq(small & ~new_count[0])
                m.d.sync += [
                    count.eq(new_count),
                    single.eq(small & ~new_count[0]),
                    double.eq(small & new_count[0]),
                    ending.eq(small & new_count[0]),
                ]
            with m.Elif(self.step & advance):
                m.d.sync += ending.eq(more == count)
            with m.Elif(self.step & outside):
                m.d.sync += ending.eq(double)
            with m.If(self.step & advance):
                m.d.sync += [done.eq(following), following.eq(more)]
            with m.If(self.load | (self.step & outside)):
                m.d.sync += [done.eq(0), following.eq(1)]
            with m.If(self.load | self.step):
                m.d.sync += at_last.eq(end)
            ends.append(end)
            advances.append(advance)
            moving.append(moves)
            outside = moves
        last = Signal()
        with m.If(self.load | self.step):
            m.d.sync += last.eq(Cat(ends).all())
            for number, (advance, moves) in enumerate(zip(advances, moving, strict=True)):
                inside = Cat(ends[number + 1 :]).all()
                m.d.sync += [
                    advance.eq(inside & ~ends[number]),
                    moves.eq(inside & ~Cat(ends[: number + 1]).all()),
                ]
        m.d.comb += self.last.eq(last)
        return m


class AddressGenerator(wiring.Component):
    """The address of each iteration of a nest of loops, by additions only.

    Each level keeps the address at which its present iteration began. Advancing a level adds its
    stride to that and restarts the levels inside it there. Only one level advances in a step, so
    all share one adder, behind an AND-OR of what they keep.

    Parameters
    ----------
    levels : mapping of str to ShapeLike
        Name and stride shape of each loop, outermost first. A level of shape ``unsigned(0)`` goes
        back to its start.
    varying : collection of str
        Levels whose stride is not kept but taken from ``strides`` in every step.
    width : int
        Bits of the address. Arithmetic is modulo ``2**width``.
    family : str
        A key of :data:`weft.hdl.tech.technology.TECHNOLOGIES`, whose adder is used.

    Members
    -------
    load : In(1)
        Start at ``base`` with the strides ``strides``, which are kept unless varying. Only while no
        level is to advance: first of all, or with the last step of a nest.
    base : In(width)
    strides : In(StructLayout by level)
    step : In(1)
        Go to the next iteration.
    advance : In(StructLayout of 1, by level)
        The level to advance, as :class:`LoopCounter` says.
    moves : In(StructLayout of 1, by level)
        The level or one outside it is to advance, likewise.
    address : Out(width)
        Address of the present iteration.
    """

    def __init__(
        self,
        levels: Mapping[str, Any],
        *,
        width: int,
        varying: Collection[str] = (),
        family: str = "generic",
    ) -> None:
        self.levels = tuple((name, Shape.cast(shape)) for name, shape in levels.items())
        self.width = width
        self.varying = tuple(varying)
        self.technology = TECHNOLOGIES[family]
        flags = data.StructLayout({name: unsigned(1) for name, _ in self.levels})
        super().__init__(
            {
                "load": In(1),
                "base": In(width),
                "strides": In(data.StructLayout(dict(self.levels))),
                "step": In(1),
                "advance": In(flags),
                "moves": In(flags),
                "address": Out(width),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        strides = (
            f"{'s' if shape.signed else ''}{shape.width}{'v' if name in self.varying else ''}"
            for name, shape in self.levels
        )
        return "_".join([f"weft_address_generator_{self.width}", *strides])

    def elaborate(self, platform: Any) -> Module:
        """Describe the hardware."""
        m = Module()
        width = self.width
        start: Any = Const(0, width)
        stride: Any = Const(0, width)
        new = Signal(width)
        for name, shape in self.levels:
            advance = self.advance[name]
            kept = Signal(width, name=f"{name}_start")
            start = start | (kept & advance.replicate(width))
            if shape.width:
                added: Any = self.strides[name]
                if name not in self.varying:
                    added = Signal(shape, name=f"{name}_stride")
                    with m.If(self.load):
                        m.d.sync += added.eq(self.strides[name])
                extended = Signal(Shape(width, shape.signed), name=f"{name}_extended")
                m.d.comb += extended.eq(added)
                stride = stride | (extended.as_unsigned() & advance.replicate(width))
            with m.If(self.load | (self.step & self.moves[name])):
                m.d.sync += kept.eq(new)
        total = self.technology.add_or_load(
            m, "new", start, stride, self.load, self.base, width
        )
        m.d.comb += [new.eq(total), self.address.eq(kept)]
        return m
