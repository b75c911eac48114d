# SPDX-License-Identifier: Apache-2.0
"""In-order dispatch: checks each instruction as its words pass to its unit's queue."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..bus import ERROR_LAYOUT
from ..isa import FORMATS, INSTRUCTION_WIDTH, ErrorCode, Opcode, Unit
from .instruction_word import word_layout, words_of_instruction
from .legality import InstructionRules

__all__ = ["DISPATCH_LATENCY", "Dispatch", "write_layout"]

DISPATCH_LATENCY = 5
"""Cycles from the last word of an instruction to its ``commit``."""


def write_layout(data_width: int, units: int) -> data.StructLayout:
    """A word on its way into a queue: the queue's number, and whether it is an instruction's
    last."""
    return data.StructLayout(
        {"word": word_layout(data_width), "unit": range(units), "last": unsigned(1)}
    )


class Dispatch(wiring.Component):
    """Sends every legal instruction to its unit's queue, in program order, a word a cycle.

    Words go into the queue's memory before the instruction's legality is known; only ``commit``
    makes an instruction of them. Where SYNC names its unit in the second word, the first waits for
    it. The words of an instruction may come with any gaps.

    Parameters
    ----------
    rules : InstructionRules
        What is legal.
    data_width : int
        Bits of a word.

    Members
    -------
    i : In(stream of word_layout(data_width), always ready)
        The program.
    o : Out(stream of write_layout(data_width, units), always ready)
        To the queues, which are numbered in the order of ``rules.units()``.
    commit : Out(units)
        One bit for a cycle, ``DISPATCH_LATENCY`` cycles after the last word of an instruction on
        ``i``: it is legal and all of it is in that queue.
    error : Out(ERROR_LAYOUT)
        ILLEGAL_INSTRUCTION or NOT_CONFIGURED, when the instruction would have been committed.
        Neither it nor anything behind it is committed until a reset.
    halt : In(1)
        Commit nothing.
    """

    def __init__(self, *, rules: InstructionRules, data_width: int) -> None:
        self.rules = rules
        self.data_width = data_width
        units = len(rules.units())
        super().__init__(
            {
                "i": In(stream.Signature(word_layout(data_width), always_ready=True)),
                "o": Out(stream.Signature(write_layout(data_width, units), always_ready=True)),
                "commit": Out(units),
                "error": Out(ERROR_LAYOUT),
                "halt": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width, words = self.data_width, words_of_instruction(self.data_width)
        word = Signal(word_layout(width))
        pending, last = Signal(), Signal()
        m.d.comb += last.eq(word.position == words - 1)
        with m.If(self.i.valid):
            m.d.sync += word.eq(self.i.payload)

        # SYNC names its unit behind its header: in the first word, or in the one that comes.
        sync = FORMATS[Opcode.SYNC].layout
        start = sync["unit"].offset
        ahead = start >= width
        passing = Signal()
        if ahead:
            named = self.i.payload.data[start - width :][: sync["unit"].width]
            m.d.comb += passing.eq(pending & (self.i.valid | last))
            m.d.sync += pending.eq(self.i.valid | (pending & ~passing))
        else:
            named = word.data[start:][: sync["unit"].width]
            m.d.comb += passing.eq(pending)
            m.d.sync += pending.eq(self.i.valid)

        matches, kept = self._matches(m, word, passing)
        chosen, held = (Signal(len(self.rules.units()), name=n) for n in ("chosen", "held"))
        first = word.position == 0
        m.d.comb += chosen.eq(
            Mux(first, Cat(self._goes_to(matches, named, u) for u in self.rules.units()), held)
        )
        number = Signal(range(len(chosen)))
        for index in range(len(chosen)):
            with m.If(chosen[index]):
                m.d.comb += number.eq(index)
        with m.If(passing):
            m.d.sync += held.eq(chosen)
        m.d.sync += [
            self.o.valid.eq(passing),
            self.o.payload.word.eq(word),
            self.o.payload.unit.eq(number),
            self.o.payload.last.eq(last),
        ]
        # Rules look at a word in the cycle after it has passed, when what it is part of is known.
        passed, judged, complete = Signal(), Signal.like(word), Signal()
        m.d.sync += passed.eq(passing)
        with m.If(passing):
            m.d.sync += [judged.eq(word), complete.eq(last)]
        self._conclude(m, judged, passed, complete, kept, held)
        return m

    @staticmethod
    def _goes_to(matches: dict[Opcode, Value], named: Value, unit: Unit) -> Value:
        """Whether an instruction belongs into the queue of ``unit``, if it is legal."""
        return matches[Opcode[unit.name]] | (matches[Opcode.SYNC] & (named == unit.value))

    @staticmethod
    def _matches(
        m: Module, word: data.View, passing: Signal
    ) -> tuple[dict[Opcode, Value], dict[Opcode, Value]]:
        """Whether the instruction that passes is of each opcode, and from the next cycle on."""
        result: dict[Opcode, Value] = {}
        later: dict[Opcode, Value] = {}
        for opcode in FORMATS:
            kept = Signal(name=f"is_{opcode.name.lower()}")
            now = Mux(word.position == 0, word.data[:8] == opcode.value, kept)
            with m.If(passing):
                m.d.sync += kept.eq(now)
            result[opcode] = now
            later[opcode] = kept
        return result, later

    def _conclude(
        self,
        m: Module,
        word: data.View,
        passing: Signal,
        last: Signal,
        matches: dict[Opcode, Value],
        chosen: Signal,
    ) -> None:
        """Whether the instruction was legal, in the fourth cycle after its last word."""
        width = self.data_width
        # Bits that are set though they have to be zero: which these are, a cycle before.
        wrong, wrong_before = Signal(), Signal()
        zero, compared = Signal(width), Signal(width)
        begins, counts = Signal(), Signal()
        m.d.sync += [zero.eq(0), compared.eq(word.data), begins.eq(word.position == 0)]
        for position in range(words_of_instruction(width)):
            with m.If(word.position == position):
                for form in FORMATS.values():
                    mask = InstructionRules.zero_mask(form) >> position * width
                    with m.If(matches[form.opcode]):
                        m.d.sync += zero.eq(mask & ((1 << width) - 1))
        m.d.comb += wrong.eq((compared & zero).any() | (wrong_before & ~begins))
        m.d.sync += counts.eq(passing)
        with m.If(counts):
            m.d.sync += wrong_before.eq(wrong)

        # Of the words before the last, the bits that rules look at.
        bits: list[Value] = []
        for bit in range(INSTRUCTION_WIDTH):
            value: Value = Const(0, 1)
            if self.rules.examined_mask >> bit & 1:
                value = word.data[bit % width]
                if bit < INSTRUCTION_WIDTH - width:
                    kept = Signal(name=f"bit_{bit}")
                    with m.If(passing & (word.position == bit // width)):
                        m.d.sync += kept.eq(value)
                    value = kept
            bits.append(value)
        broken = self.rules.broken(Cat(bits), matches)
        refused, failed = Signal(), Signal()
        code, index = Signal(ErrorCode), Signal.like(word.index)
        passed = Signal.like(chosen)
        # What ended, beside `wrong` and a cycle later; and of what kind it is.
        end = Signal(data.StructLayout({"valid": 1, "index": len(index), "queue": len(chosen)}))
        ended = Signal.like(end)
        broken_rule, illegal, missing, not_configured = (Signal() for _ in range(4))
        m.d.comb += [
            self.commit.eq(Mux(self.halt, 0, passed)),
            self.error.valid.eq(failed),
            self.error.code.eq(code),
            self.error.index.eq(index),
        ]
        m.d.sync += [
            end.valid.eq(passing & last),
            end.index.eq(word.index),
            end.queue.eq(chosen),
            broken_rule.eq(broken[ErrorCode.ILLEGAL_INSTRUCTION]),
            missing.eq(broken[ErrorCode.NOT_CONFIGURED]),
            ended.eq(end),
            illegal.eq(wrong | broken_rule),
            not_configured.eq(missing),
            passed.eq(0),
            failed.eq(0),
        ]
        with m.If(ended.valid & ~refused):
            m.d.sync += index.eq(ended.index)
            with m.If(illegal | not_configured):
                m.d.sync += [
                    refused.eq(1),
                    failed.eq(1),
                    code.eq(
                        Mux(illegal, ErrorCode.ILLEGAL_INSTRUCTION, ErrorCode.NOT_CONFIGURED)
                    ),
                ]
            with m.Else():
                m.d.sync += passed.eq(ended.queue)
