# SPDX-License-Identifier: Apache-2.0
"""Nested loops in hardware: counters, and the addresses that go with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["AddressGenerator", "LoopCounter"]


class LoopCounter(wiring.Component):
    """Counts the iterations of a nest of loops, one a cycle.

    The counts are kept, so ``counts`` matters only together with ``load``. A ``load`` may come in
    the cycle of the last ``step``: the next nest then follows without a gap.

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
        # Every level looks at those inside it by itself, not through its neighbour, and so do the
        # address generators at those outside: long nests are no longer paths than short ones.
        inside: list[Signal] = []
        for name, width in reversed(self.levels):
            count = Signal(width, name=f"{name}_count")
            single = Signal(name=f"{name}_single")
            done = Signal(width, name=f"{name}_done")
            following = Signal(width, name=f"{name}_following")
            at_last = Signal(name=f"{name}_at_last")
            advance = Signal(name=f"{name}_advance")
            restart = Signal(name=f"{name}_restart")
            m.d.comb += [
                advance.eq(Cat(inside).all() & ~at_last),
                restart.eq(Cat(inside, at_last).all()),
                following.eq(done + 1),
                self.done[name].eq(done),
                self.at_last[name].eq(at_last),
                self.advance[name].eq(advance),
            ]
            new_count = self.counts[name]
            # Counting up to the count rather than down from it takes no multiplexer: flip-flops
            # have a reset.
            with m.If(self.load):
                m.d.sync += [count.eq(new_count), single.eq(~new_count.any())]
                m.d.sync += at_last.eq(~new_count.any())
            with m.Elif(self.step & advance):
                m.d.sync += at_last.eq(following == count)
            with m.Elif(self.step & restart):
                m.d.sync += at_last.eq(single)
            with m.If(self.step & advance):
                m.d.sync += done.eq(following)
            with m.If(self.load | (self.step & restart)):
                m.d.sync += done.eq(0)
            inside.append(at_last)
        m.d.comb += self.last.eq(Cat(inside).all())
        return m


class AddressGenerator(wiring.Component):
    """The address of each iteration of a nest of loops, by additions only.

    Each level keeps the address at which its present iteration began. Advancing a level adds its
    stride to that and restarts the levels inside it there: one adder and one multiplexer from
    register to register.

    Parameters
    ----------
    levels : mapping of str to ShapeLike
        Name and stride shape of each loop, outermost first. A level of shape ``unsigned(0)`` goes
        back to its start.
    varying : collection of str
        Levels whose stride is not kept but taken from ``strides`` in every step.
    width : int
        Bits of the address. Arithmetic is modulo ``2**width``.

    Members
    -------
    load : In(1)
        Start at ``base`` with the strides ``strides``, which are kept unless varying.
    base : In(width)
    strides : In(StructLayout by level)
    step : In(1)
        Go to the next iteration.
    advance : In(StructLayout of 1, by level)
        The level to advance, as :class:`LoopCounter` says.
    address : Out(width)
        Address of the present iteration.
    """

    def __init__(
        self, levels: Mapping[str, Any], *, width: int, varying: Collection[str] = ()
    ) -> None:
        self.levels = tuple((name, Shape.cast(shape)) for name, shape in levels.items())
        self.width = width
        self.varying = tuple(varying)
        flags = data.StructLayout({name: unsigned(1) for name, _ in self.levels})
        super().__init__(
            {
                "load": In(1),
                "base": In(width),
                "strides": In(data.StructLayout(dict(self.levels))),
                "step": In(1),
                "advance": In(flags),
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
        starts, following = [], []
        for name, shape in self.levels:
            start = Signal(self.width, name=f"{name}_start")
            after = Signal(self.width, name=f"{name}_after")
            if shape.width == 0:
                m.d.comb += after.eq(start)
            elif name in self.varying:
                m.d.comb += after.eq(start + self.strides[name])
            else:
                stride = Signal(shape, name=f"{name}_stride")
                m.d.comb += after.eq(start + stride)
                with m.If(self.load):
                    m.d.sync += stride.eq(self.strides[name])
            starts.append(start)
            following.append(after)
        # All levels that change take the same address, so one multiplexer serves them all.
        chosen: Any = 0
        for (name, _), after in zip(self.levels, following, strict=True):
            chosen = chosen | (after & self.advance[name].replicate(self.width))
        new = Signal(self.width)
        m.d.comb += new.eq(Mux(self.load, self.base, chosen))
        outside = []
        for (name, _), start in zip(self.levels, starts, strict=True):
            outside.append(self.advance[name])
            with m.If(self.load | (self.step & Cat(outside).any())):
                m.d.sync += start.eq(new)
        m.d.comb += self.address.eq(starts[-1])
        return m
