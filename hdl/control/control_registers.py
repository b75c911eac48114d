# SPDX-License-Identifier: Apache-2.0
"""The control and status registers on their AXI4-Lite port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..bus import AXI4LiteSignature
from ..config import SEGMENT_COUNT, Config
from ..isa import INDEX_WIDTH
from ..once import Once
from ..registers import ADDRESS_WIDTH, COUNTERS, Register, register
from ..units.segment_table import SEGMENT_WRITE_LAYOUT
from .register_map import Kind, RegisterMap, stored_bits
from .register_port import RegisterPort
from .supervisor import FAULT_LAYOUT, STATUS_LAYOUT

__all__ = ["ControlRegisters"]


class ControlRegisters(wiring.Component):
    """Executes one register access at a time; every register comes from ``REGISTERS``.

    Writable registers live twice: in the machine, be it in flip-flops or in the segment tables, and
    in a small memory from which they are read back. That and the tables are filled with their
    reset values in the first 32 cycles after reset (accesses wait until then). An access takes
    eight cycles, a counter's read some more::

        accept -> look up -> read -> merge -> check -> commit -> respond

    SLVERR: no register at the address (its lowest two bits are ignored); write to a read-only
    register; write to a locked register while a program runs; START when not startable, or
    together with SOFT_RESET. A refused write changes nothing.

    Parameters
    ----------
    config : Config
        The configuration, which the identity registers show.

    Members
    -------
    bus : In(AXI4LiteSignature)
        AW and W may come in either order.
    start, soft_reset : Out(1)
        Commands, one cycle each.
    startable : In(1)
        START is allowed.
    status : In(STATUS_LAYOUT)
        For STATUS; while ``running``, locked registers refuse writes.
    fault : In(FAULT_LAYOUT)
        For the error registers.
    done_event, error_event : In(1)
        Set bits of IRQ_STATUS.
    clear_events : In(1)
        Clears IRQ_STATUS.
    counter_request, counter_number : Out
        To `Counters`, as are the next two.
    counter_valid, counter_value : In
    program_address : Out(64)
    program_length : Out(24)
    watchdog_limit : Out(32)
        The registers' values.
    segment_write : Out(SEGMENT_WRITE_LAYOUT)
        What is written into the segment table, once for every register after reset.
    irq : Out(1)
        An enabled event is set.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        super().__init__(
            {
                "bus": In(AXI4LiteSignature(address_width=ADDRESS_WIDTH)),
                "start": Out(1),
                "soft_reset": Out(1),
                "startable": In(1),
                "status": In(STATUS_LAYOUT),
                "fault": In(FAULT_LAYOUT),
                "done_event": In(1),
                "error_event": In(1),
                "clear_events": In(1),
                "counter_request": Out(1),
                "counter_number": Out(range(len(COUNTERS))),
                "counter_valid": In(1),
                "counter_value": In(32),
                "program_address": Out(64),
                "program_length": Out(INDEX_WIDTH),
                "watchdog_limit": Out(32),
                "segment_write": Out(SEGMENT_WRITE_LAYOUT),
                "irq": Out(1),
            }
        )
        self._irq_enable = Signal(len(register("IRQ_ENABLE").fields))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.port = port = Once(RegisterPort(address_width=ADDRESS_WIDTH))
        m.submodules.map = entry = Once(RegisterMap(self.config))
        wiring.connect(m, wiring.flipped(self.bus), port.bus)
        access = port.access.payload
        written, refused = Signal(32), Signal()
        commit = Signal()
        events = Signal(2)
        old, filled = self._storage(m, entry, written, commit)
        value = self._value(m, entry, old, events)
        m.d.comb += [entry.address.eq(access.address), self.counter_number.eq(entry.number)]

        is_stored = entry.kind == Kind.STORED
        strobes = Cat(bit.replicate(8) for bit in access.strobe)
        with m.FSM():
            with m.State("REST"):
                with m.If(port.access.valid & filled):
                    m.next = "READ"
            with m.State("READ"):
                m.d.sync += port.response.payload.data.eq(value)
                m.next = "MERGE"
                with m.If((entry.kind == Kind.COUNTER) & ~access.write):
                    m.d.comb += self.counter_request.eq(1)
                    with m.If(self.counter_valid):
                        m.d.sync += port.response.payload.data.eq(self.counter_value)
                    with m.Else():
                        m.next = "READ"
            with m.State("MERGE"):
                kept = Mux(is_stored, port.response.payload.data & ~strobes, 0)
                writable = Mux(is_stored, entry.bits, 0xFFFF_FFFF)
                m.d.sync += written.eq(kept | (access.data & strobes & writable))
                m.next = "CHECK"
            with m.State("CHECK"):
                m.d.sync += refused.eq(self._refused(entry, access.write, written))
                m.next = "COMMIT"
            with m.State("COMMIT"):
                m.d.comb += [
                    commit.eq(access.write & ~refused),
                    port.access.ready.eq(1),
                    port.response.valid.eq(1),
                ]
                m.next = "REST"
        m.d.comb += port.response.payload.refused.eq(refused)
        self._act(m, entry, written, commit, events)
        return m

    def _storage(
        self, m: Module, entry: RegisterMap, written: Signal, commit: Signal
    ) -> tuple[Value, Value]:
        """The registers that hold what the host wrote; returns the one addressed, and ready."""
        items = RegisterMap.of_kind(Kind.STORED)
        m.submodules.storage = storage = memory.Memory(shape=32, depth=len(items), init=[])
        read_port, write_port = storage.read_port(domain="comb"), storage.write_port()
        filling = Signal(range(len(items) + 1))
        filled = Signal()
        store = commit & (entry.kind == Kind.STORED)
        m.d.comb += read_port.addr.eq(entry.number)
        with m.If(filled):
            m.d.comb += [
                write_port.addr.eq(entry.number),
                write_port.data.eq(written),
                write_port.en.eq(store),
            ]
        with m.Else():
            m.d.sync += [filling.eq(filling + 1), filled.eq(filling == len(items) - 1)]
            m.d.comb += [write_port.addr.eq(filling), write_port.en.eq(1)]
            with m.Switch(filling):
                for number, item in enumerate(items):
                    with m.Case(number):
                        m.d.comb += write_port.data.eq(item.reset)

        self._write_segments(m, items, write_port)
        for number, item in enumerate(items):
            target = self._output(item.name)
            if target is None:
                continue
            copy = Signal(
                stored_bits(item, self.config).bit_length(), init=item.reset, name=item.name.lower()
            )
            m.d.comb += target.eq(copy)
            with m.If(store & (entry.number == number)):
                m.d.sync += copy.eq(written)
        return read_port.data, filled

    def _write_segments(self, m: Module, items: Sequence[Register], write_port: Any) -> None:
        """Every write of a segment's register also goes to the tables, a cycle later."""
        names = {item.name: number for number, item in enumerate(items)}
        m.d.sync += [
            *(self.segment_write[part].eq(0) for part in ("base_low", "base_high", "limit")),
            self.segment_write.data.eq(write_port.data),
        ]
        with m.Switch(write_port.addr):
            for segment in range(SEGMENT_COUNT):
                for part in ("base_low", "base_high", "limit"):
                    with m.Case(names[f"SEGMENT{segment}_{part.upper()}"]):
                        m.d.sync += [
                            self.segment_write[part].eq(write_port.en),
                            self.segment_write.number.eq(segment),
                        ]

    def _output(self, name: str) -> Value | None:
        """The part of the outputs that a stored register drives."""
        outputs = {
            "PROGRAM_ADDRESS_LOW": self.program_address[:32],
            "PROGRAM_ADDRESS_HIGH": self.program_address[32:],
            "PROGRAM_LENGTH": self.program_length,
            "WATCHDOG": self.watchdog_limit,
            "IRQ_ENABLE": self._irq_enable,
        }
        return outputs.get(name)

    def _value(self, m: Module, entry: RegisterMap, old: Value, events: Signal) -> Signal:
        """What the addressed register reads as, counters aside."""
        fault = self.fault
        sources = {
            "STATUS": self.status.as_value(),
            "ERROR_CODE": Cat(fault.code, fault.source),
            "ERROR_INSTRUCTION": fault.index,
            "ERROR_ADDRESS_LOW": fault.address[:32],
            "ERROR_ADDRESS_HIGH": fault.address[32:],
        }
        value = Signal(32)
        with m.Switch(entry.kind):
            with m.Case(Kind.CONSTANT):
                m.d.comb += value.eq(entry.bits)
            with m.Case(Kind.STORED):
                m.d.comb += value.eq(old)
            with m.Case(Kind.EVENTS):
                m.d.comb += value.eq(events)
            with m.Case(Kind.STATUS):
                with m.Switch(entry.number):
                    for number, item in enumerate(RegisterMap.of_kind(Kind.STATUS)):
                        with m.Case(number):
                            m.d.comb += value.eq(sources[item.name])
        return value

    def _refused(self, entry: RegisterMap, write: Value, written: Signal) -> Value:
        """Whether the access gets SLVERR."""
        start, soft_reset = (written[_bit("CONTROL", name)] for name in ("START", "SOFT_RESET"))
        writable = (
            (entry.kind == Kind.STORED) & ~(entry.locked & self.status.running)
            | (entry.kind == Kind.CONTROL) & ~(start & (soft_reset | ~self.startable))
            | (entry.kind == Kind.EVENTS)
        )
        return (entry.kind == Kind.NONE) | (write & ~writable)

    def _act(
        self, m: Module, entry: RegisterMap, written: Signal, commit: Signal, events: Signal
    ) -> None:
        """Commands, events and the interrupt."""
        command = commit & (entry.kind == Kind.CONTROL)
        cleared = Mux(commit & (entry.kind == Kind.EVENTS), written, 0)
        happened = Signal(2)
        m.d.comb += [
            happened[_bit("IRQ_STATUS", "DONE")].eq(self.done_event),
            happened[_bit("IRQ_STATUS", "ERROR")].eq(self.error_event),
        ]
        m.d.sync += [
            self.start.eq(command & written[_bit("CONTROL", "START")]),
            self.soft_reset.eq(command & written[_bit("CONTROL", "SOFT_RESET")]),
            events.eq(Mux(self.clear_events, 0, (events & ~cleared) | happened)),
            self.irq.eq((events & self._irq_enable).any()),
        ]


def _bit(register_name: str, field_name: str) -> int:
    """The position of a one-bit field."""
    return next(field.low for field in register(register_name).fields if field.name == field_name)
