# SPDX-License-Identifier: Apache-2.0
"""The control and status registers on their AXI4-Lite port."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..bus import AXI4LiteSignature
from ..config import Config
from ..isa import INDEX_WIDTH
from ..once import Once
from ..registers import (
    ADDRESS_WIDTH,
    COUNTER_BASE,
    COUNTERS,
    REGISTERS,
    SEGMENT_BASE,
    configuration_value,
    register,
)
from ..units.segment_table import SEGMENT_WRITE_LAYOUT
from .register_map import Kind, RegisterMap, stored_bits
from .register_port import RegisterPort
from .supervisor import FAULT_LAYOUT, STATUS_LAYOUT

__all__ = ["ControlRegisters"]

STORED_WORDS = COUNTER_BASE // 4
"""Words of the memory behind the registers: all below the counters."""


class ControlRegisters(wiring.Component):
    """Executes one register access at a time; every register comes from ``REGISTERS``.

    Writable registers live twice: in the machine, be it in flip-flops or in the segment tables, and
    in a memory from which they are read back, with a word for every address below the counters'.
    That memory also holds the configuration; it and the tables are filled in the first 128 cycles
    after reset (accesses wait until then). An access takes nine cycles, eight with serial
    execution, a counter's read some more::

        accept -> look up -> read -> merge -> check -> commit -> respond

    SLVERR: no register at the address (its lowest two bits are ignored); write to a read-only
    register; write to a locked register while a program runs; START when not startable, or
    together with SOFT_RESET. A refused write changes nothing.

    With serial execution the memory is shared with the engine: it reads there what the host has
    written, between the host's accesses, and writes the error registers. Program and segments are
    then nowhere else.

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
    done_event, error_event : In(1)
        Set bits of IRQ_STATUS.
    clear_events : In(1)
        Clears IRQ_STATUS.
    counter_request, counter_number : Out
        To `Counters`, as are the next two.
    counter_valid, counter_value : In
    watchdog_limit : Out(32)
        The register's value.
    irq : Out(1)
        An enabled event is set.
    program_address : Out(64)
    program_length : Out(24)
        The registers' values.
    segment_write : Out(SEGMENT_WRITE_LAYOUT)
        What is written into the segment table, once for every register after reset.
    fault : In(FAULT_LAYOUT)
        For the error registers. This one and the three before not with serial execution, which has
        the following.
    engine_address : In(8)
        Word address of a register.
    engine_granted : Out(1)
        The engine may read it in this cycle and write it in the next.
    engine_uses : In(1)
        That is the next one.
    engine_value : Out(32)
        The register a cycle after.
    engine_poke : In(2)
        Write a half of it: with ``engine_uses``.
    engine_data : In(16)
        What to write.
    engine_booted : In(1)
        The host's accesses wait for this.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        more: dict[str, Any] = {
            "program_address": Out(64),
            "program_length": Out(INDEX_WIDTH),
            "segment_write": Out(SEGMENT_WRITE_LAYOUT),
            "fault": In(FAULT_LAYOUT),
        }
        if config.is_serial:
            more = {
                "engine_address": In(STORED_WORDS.bit_length() - 1),
                "engine_granted": Out(1),
                "engine_uses": In(1),
                "engine_value": Out(32),
                "engine_poke": In(2),
                "engine_data": In(16),
                "engine_booted": In(1),
            }
        super().__init__(
            {
                "bus": In(AXI4LiteSignature(address_width=ADDRESS_WIDTH)),
                "start": Out(1),
                "soft_reset": Out(1),
                "startable": In(1),
                "status": In(STATUS_LAYOUT),
                "done_event": In(1),
                "error_event": In(1),
                "clear_events": In(1),
                "counter_request": Out(1),
                "counter_number": Out(range(len(COUNTERS))),
                "counter_valid": In(1),
                "counter_value": In(32),
                "watchdog_limit": Out(32),
                "irq": Out(1),
                **more,
            }
        )
        self._irq_enable = Signal(len(register("IRQ_ENABLE").fields))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.port = port = Once(RegisterPort(address_width=ADDRESS_WIDTH))
        m.submodules.map = entry = Once(RegisterMap(self.config))
        wiring.connect(m, wiring.flipped(self.bus), port.bus)
        access = port.access.payload
        word = Signal(32)
        refused, commit = Signal(), Signal()
        events = Signal(2)
        old, filled = self._storage(m, port.access, entry, word, commit)
        value = self._value(m, access.address, entry, old, events)
        m.d.comb += [
            entry.address.eq(access.address),
            self.counter_number.eq(access.address),
            port.response.payload.data.eq(word),
            port.response.payload.refused.eq(refused),
        ]

        ready = filled
        if self.config.is_serial:
            ready = filled & self.engine_booted & ~self.engine_uses
        is_stored = entry.kind == Kind.STORED
        strobes = Cat(bit.replicate(8) for bit in access.strobe)
        with m.FSM():
            with m.State("REST"):
                with m.If(port.access.valid & ready):
                    m.next = "READ" if self.config.is_serial else "WAIT"
                if self.config.is_serial:
                    # Before it is booted it only writes, and the host waits for it.
                    free = ~port.access.valid | ~self.engine_booted
                    m.d.comb += self.engine_granted.eq(filled & free)
            with m.State("WAIT"):
                m.next = "READ"
            with m.State("READ"):
                m.d.sync += word.eq(value)
                m.next = "MERGE"
                with m.If((entry.kind == Kind.COUNTER) & ~access.write):
                    m.d.comb += self.counter_request.eq(1)
                    with m.If(~self.counter_valid):
                        m.next = "READ"
            with m.State("MERGE"):
                with m.If(access.write):
                    kept = Mux(is_stored, word & ~strobes, 0)
                    writable = Mux(is_stored, entry.bits, 0xFFFF_FFFF)
                    m.d.sync += word.eq(kept | (access.data & strobes & writable))
                m.next = "CHECK"
            with m.State("CHECK"):
                m.d.sync += refused.eq(self._refused(entry, access.write, word))
                m.next = "COMMIT"
            with m.State("COMMIT"):
                m.d.comb += [
                    commit.eq(access.write & ~refused),
                    port.access.ready.eq(1),
                    port.response.valid.eq(1),
                ]
                m.next = "REST"
        self._act(m, entry, word, commit, events)
        return m

    def _storage(
        self, m: Module, access: Any, entry: RegisterMap, word: Signal, commit: Signal
    ) -> tuple[Value, Value]:
        """The configuration and what the host wrote; returns the word addressed a cycle before, or
        two without serial execution, and whether the memory is filled."""
        m.submodules.storage = storage = memory.Memory(
            shape=32,
            depth=STORED_WORDS,
            init=[],
            attrs={"no_rw_check": 1},  # An access does not read what it writes.
        )
        is_serial = self.config.is_serial
        read_port = storage.read_port()
        write_port = storage.write_port(granularity=16 if is_serial else None)
        address = access.payload.address
        filling = Signal(range(STORED_WORDS + 1))
        filled = Signal()
        store = commit & (entry.kind == Kind.STORED)
        m.d.comb += [
            filled.eq(filling[-1]),
            read_port.en.eq(1),
            read_port.addr.eq(address),
            write_port.en.eq((store | ~filled).replicate(len(write_port.en))),
            write_port.addr.eq(address),
            write_port.data.eq(word),
        ]
        if is_serial:
            m.d.comb += self.engine_value.eq(read_port.data)
            with m.If(~access.valid):
                m.d.comb += read_port.addr.eq(self.engine_address)
            with m.If(self.engine_uses):
                m.d.comb += [
                    write_port.en.eq(self.engine_poke),
                    write_port.addr.eq(self.engine_address),
                    write_port.data.eq(self.engine_data.replicate(2)),
                ]
        with m.If(~filled):
            m.d.sync += filling.eq(filling + 1)
            m.d.comb += [write_port.addr.eq(filling), write_port.data.eq(0)]
            with m.Switch(filling):
                for item in REGISTERS:
                    first = item.reset
                    if item.constant:
                        first = configuration_value(item, self.config)
                    if first:
                        with m.Case(item.offset // 4):
                            m.d.comb += write_port.data.eq(first)

        if not is_serial:
            self._write_segments(m, write_port, word, filled)
        # A cycle later, as the address stays until the host has its answer.
        copying = Signal()
        m.d.sync += copying.eq(store)
        for item in RegisterMap.of_kind(Kind.STORED):
            target = self._output(item.name)
            if target is None:
                continue
            copy = Signal(
                stored_bits(item, self.config).bit_length(), init=item.reset, name=item.name.lower()
            )
            m.d.comb += target.eq(copy)
            with m.If(copying & (address == item.offset // 4)):
                m.d.sync += copy.eq(word)
        old = Signal(32, reset_less=True)
        if is_serial:
            m.d.comb += old.eq(read_port.data)
        else:
            m.d.sync += old.eq(read_port.data)
        return old, filled

    def _write_segments(
        self, m: Module, write_port: Any, word: Signal, filled: Signal
    ) -> None:
        """Every write of a segment's register also goes to the tables, a cycle later; of a limit
        that is larger than the address space, the size of that. While the memory is filled, zero,
        which is what they hold after a reset."""
        base = SEGMENT_BASE // 4
        data: Value = Mux(filled, word, 0)
        width = self.config.axi_address_width
        if width < 32:
            # A base has no bits up there.
            beyond = data[width:].any()
            data = Cat(Mux(beyond, 0, data[:width]), beyond)
        m.d.sync += [
            self.segment_write.data.eq(data),
            self.segment_write.number.eq(write_port.addr[2:5]),
        ]
        for place, part in enumerate(("base_low", "base_high", "limit")):
            chosen = (write_port.addr >= base) & (write_port.addr[:2] == place)
            m.d.sync += self.segment_write[part].eq(write_port.en & chosen)

    def _output(self, name: str) -> Value | None:
        """The part of the outputs that a stored register drives."""
        outputs: dict[str, Value] = {
            "WATCHDOG": self.watchdog_limit,
            "IRQ_ENABLE": self._irq_enable,
        }
        if not self.config.is_serial:
            outputs |= {
                "PROGRAM_ADDRESS_LOW": self.program_address[:32],
                "PROGRAM_ADDRESS_HIGH": self.program_address[32:],
                "PROGRAM_LENGTH": self.program_length,
            }
        return outputs.get(name)

    def _value(
        self, m: Module, address: Value, entry: RegisterMap, old: Value, events: Signal
    ) -> Value:
        """What the addressed register reads as."""
        sources = {"STATUS": self.status.as_value()}
        if self.config.is_serial:
            # The engine has written the others.
            sources |= {
                item.name: old for item in RegisterMap.of_kind(Kind.STATUS)
                if item.name not in sources
            }
        else:
            fault = self.fault
            sources |= {
                "ERROR_CODE": Cat(fault.code, fault.source),
                "ERROR_INSTRUCTION": fault.index,
                "ERROR_ADDRESS_LOW": fault.address[:32],
                "ERROR_ADDRESS_HIGH": fault.address[32:],
            }
        remembered = (entry.kind == Kind.CONSTANT) | (entry.kind == Kind.STORED)
        choices = [
            (remembered, old),
            (entry.kind == Kind.EVENTS, events),
            (entry.kind == Kind.COUNTER, self.counter_value),
        ]
        for item in RegisterMap.of_kind(Kind.STATUS):
            matches = address[:4] == item.offset // 4 % 16
            choices.append(((entry.kind == Kind.STATUS) & matches, sources[item.name]))
        value: Value = Const(0, 32)
        for number, (condition, choice) in enumerate(choices):
            chosen = Signal(name=f"chosen_{number}")
            m.d.comb += chosen.eq(condition)
            value = value | Mux(chosen, choice, 0)
        return value

    def _refused(self, entry: RegisterMap, write: Value, word: Signal) -> Value:
        """Whether the access gets SLVERR."""
        start, soft_reset = (word[_bit("CONTROL", name)] for name in ("START", "SOFT_RESET"))
        writable = (
            (entry.kind == Kind.STORED) & ~(entry.locked & self.status.running)
            | (entry.kind == Kind.CONTROL) & ~(start & (soft_reset | ~self.startable))
            | (entry.kind == Kind.EVENTS)
        )
        return (entry.kind == Kind.NONE) | (write & ~writable)

    def _act(
        self, m: Module, entry: RegisterMap, word: Signal, commit: Signal, events: Signal
    ) -> None:
        """Commands, events and the interrupt."""
        command = commit & (entry.kind == Kind.CONTROL)
        cleared = Mux(commit & (entry.kind == Kind.EVENTS), word, 0)
        happened = Signal(2)
        m.d.comb += [
            happened[_bit("IRQ_STATUS", "DONE")].eq(self.done_event),
            happened[_bit("IRQ_STATUS", "ERROR")].eq(self.error_event),
        ]
        m.d.sync += [
            self.start.eq(command & word[_bit("CONTROL", "START")]),
            self.soft_reset.eq(command & word[_bit("CONTROL", "SOFT_RESET")]),
            events.eq(Mux(self.clear_events, 0, (events & ~cleared) | happened)),
            self.irq.eq((events & self._irq_enable).any()),
        ]


def _bit(register_name: str, field_name: str) -> int:
    """The position of a one-bit field."""
    return next(field.low for field in register(register_name).fields if field.name == field_name)
