# SPDX-License-Identifier: Apache-2.0
"""The engine of the host link: checks requests, executes them, answers."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import enum, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..once import Once
from .access import AccessSignature
from .checked_word import CheckedWord
from .frame_transmitter import FRAME_BYTE_LAYOUT
from .protocol import PAGE_WORDS, REQUEST_LAYOUT, RESPONSE_LAYOUT, Command, Status

__all__ = ["LinkEngine"]


class _Phase(enum.Enum, shape=3):
    """Which word of a frame comes next."""

    HEADER = 0
    ADDRESS = 1
    DATA = 2
    CHECK = 3
    COMPLETE = 4
    EXCESS = 5


class LinkEngine(wiring.Component):
    """Executes one request at a time.

    ::

        rx -> CheckedWord -+-> header, address        A frame is collected, its data in a block RAM,
                  |        +-> buffer -> access       and nothing is done before its check is right.
                  |               ^--------'          Then word by word goes to the bus, or comes
        tx <------+<- header, buffer, check           from it into the buffer; then the response
                                                      leaves through the same word register.

    A write with the sequence number of the request before it is that request once more: it is
    answered as before and not executed. A frame that is damaged gets no answer; one that is whole
    but makes no sense gets BAD_REQUEST. An access that takes longer than ``timeout`` cycles ends
    the request with TIMEOUT; as AXI has no way to give up a transaction, nothing is received until
    it ends.

    Parameters
    ----------
    identity : int
        The word that IDENTIFY reads.
    timeout : int
        Cycles a bus access may take, a power of two.

    Members
    -------
    rx, flag, spoiled, listen
        From and to `FrameReceiver`; bytes and flags are at least ten cycles apart.
    tx : Out(stream of FRAME_BYTE_LAYOUT)
        To `FrameTransmitter`.
    access : Out(AccessSignature)
        To `BusMaster`.
    irq : In(1)
        Shown in every response.
    accepted : Out(1)
        An undamaged request has arrived, one cycle.
    """

    def __init__(self, *, identity: int, timeout: int = 1 << 16) -> None:
        if timeout < 2 or timeout & (timeout - 1):
            raise ValueError(f"timeout must be a power of two of at least 2, not {timeout!r}")
        self.identity = identity
        self.timeout = timeout
        super().__init__(
            {
                "rx": In(stream.Signature(8, always_ready=True)),
                "flag": In(1),
                "spoiled": In(1),
                "listen": Out(1),
                "tx": Out(stream.Signature(FRAME_BYTE_LAYOUT)),
                "access": Out(AccessSignature()),
                "irq": In(1),
                "accepted": Out(1),
            }
        )
        # The request in hand.
        self._header = Signal(REQUEST_LAYOUT, reset_less=True)
        self._page = Signal(22, reset_less=True)
        self._first = Signal(8, reset_less=True)
        self._offset = Signal(8, reset_less=True)
        self._bad = Signal(reset_less=True)
        # How it ended; kept for a repetition.
        self._status = Signal(Status, reset_less=True)
        self._word = Signal(8, reset_less=True)
        self._previous = Signal(8, reset_less=True)
        self._has_previous = Signal()
        # Bytes of the present word that were received or sent.
        self._index = Signal(2)
        # The memory of data, at the place of each word in its page.
        self._stored = Signal(32)
        self._store = Signal()
        self._pending = Signal()
        self._sending_data = Signal(reset_less=True)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.checked = word = Once(CheckedWord())
        self._buffer(m, word.word)
        self._connect(m, word)
        with m.FSM():
            with m.State("LISTEN"):
                m.d.comb += self.listen.eq(1)
                self._receive(m, word)
            self._execute(m, word)
            self._respond(m, word)
        return m

    @property
    def _is_write(self) -> Value:
        return self._command[0]

    @property
    def _on_registers(self) -> Value:
        return self._command[1]

    @property
    def _on_bus(self) -> Value:
        return self._command[1] | self._command[2]

    @property
    def _command(self) -> Value:
        return Value.cast(self._header.command)

    def _buffer(self, m: Module, word: Value) -> None:
        m.submodules.buffer = buffer = memory.Memory(shape=32, depth=PAGE_WORDS, init=[])
        write, read = buffer.write_port(), buffer.read_port(domain="sync")
        m.d.comb += [
            write.en.eq(self._store),
            write.addr.eq(self._offset),
            # Never both at once, which a block RAM need not define.
            read.en.eq(~self._store),
            read.addr.eq(self._offset),
            self._stored.eq(read.data),
        ]
        with m.If(self.listen):
            m.d.comb += write.data.eq(word)
        with m.Elif(self._on_bus):
            m.d.comb += write.data.eq(self.access.data)
        with m.Else():
            m.d.comb += write.data.eq(self.identity)

    def _connect(self, m: Module, word: CheckedWord) -> None:
        """The payloads of what leaves."""
        header, payload = self._header, self.access.payload
        at_first, at_last = self._offset == self._first, self._offset == header.last
        m.d.comb += [
            word.received.valid.eq(self.rx.valid & self.listen),
            word.received.payload.eq(self.rx.payload),
            self.tx.payload.byte.eq(word.word[24:]),
            self.access.valid.eq(self._pending),
            payload.write.eq(self._is_write),
            payload.registers.eq(self._on_registers),
            payload.address.eq(Cat(self._offset, self._page)),
            payload.data.eq(self._stored),
        ]
        # The offset is there a cycle before the access.
        m.d.sync += payload.strobe.eq(
            Mux(at_first, header.first_strobe, 0b1111) & Mux(at_last, header.last_strobe, 0b1111)
        )
        with m.If(self.access.done):
            m.d.sync += self._pending.eq(0)

    def _receive(self, m: Module, word: CheckedWord) -> None:
        header, value = self._header, word.word
        phase = Signal(_Phase)
        with m.If(word.ended):
            m.d.sync += self._index.eq(self._index + 1)
        with m.If(word.ended & (self._index == 3)):
            with m.Switch(phase):
                with m.Case(_Phase.HEADER):
                    m.d.sync += [header.eq(value), phase.eq(_Phase.ADDRESS)]
                with m.Case(_Phase.ADDRESS):
                    m.d.sync += [
                        Cat(self._first, self._page).eq(value[2:]),
                        self._offset.eq(value[2:10]),
                        self._bad.eq(self._makes_no_sense(value)),
                        phase.eq(Mux(self._is_write, _Phase.DATA, _Phase.CHECK)),
                    ]
                with m.Case(_Phase.DATA):
                    m.d.comb += self._store.eq(1)
                    m.d.sync += self._offset.eq(self._offset + 1)
                    with m.If(self._offset == header.last):
                        m.d.sync += phase.eq(_Phase.CHECK)
                with m.Case(_Phase.CHECK):
                    m.d.sync += phase.eq(_Phase.COMPLETE)
                with m.Case(_Phase.COMPLETE):
                    m.d.sync += phase.eq(_Phase.EXCESS)
        with m.If(self.flag):
            m.d.comb += word.restart.eq(1)
            m.d.sync += [phase.eq(_Phase.HEADER), self._index.eq(0), self._offset.eq(self._first)]
            has_header = (phase != _Phase.HEADER) & (phase != _Phase.ADDRESS)
            with m.If(~self.spoiled & word.intact & has_header):
                m.d.comb += self.accepted.eq(1)
                with m.If((phase != _Phase.COMPLETE) | (self._index != 0)):
                    m.d.sync += self._bad.eq(1)
                m.next = "BEGIN"

    def _makes_no_sense(self, address: Value) -> Value:
        """Whether the header, or the address word that follows it, is wrong."""
        header = self._header
        known = Const(0, 1)
        for command in Command:
            known = known | (self._command == command.value)
        return (
            ~known
            | (header.reserved != 0)
            | header.answer
            | (address[:2] != 0)
            | (address[2:10] > header.last)
            | (self._on_registers & (address[12:] != 0))
        )

    def _execute(self, m: Module, word: CheckedWord) -> None:
        header, access = self._header, self.access
        done, failed = Signal(), Signal()
        timer = Signal(range(self.timeout + 1), reset_less=True)
        m.d.comb += [
            done.eq(access.done | ~self._on_bus),
            failed.eq(access.response[1] & self._on_bus),
        ]
        with m.State("BEGIN"):
            m.d.sync += [self._sending_data.eq(0), word.send_check.eq(0)]
            m.d.sync += [self._previous.eq(header.sequence), self._has_previous.eq(1)]
            repeated = self._has_previous & (header.sequence == self._previous)
            m.next = "FETCH"
            with m.If(self._is_write & repeated):
                m.next = "FLAG"
            with m.Elif(self._bad):
                m.d.sync += [self._status.eq(Status.BAD_REQUEST), self._word.eq(self._offset)]
                m.next = "FLAG"
        with m.State("FETCH"):
            # The buffer is being read.
            m.d.sync += [self._pending.eq(self._on_bus), timer.eq(0)]
            m.next = "ACCESS"
        with m.State("ACCESS"):
            m.d.comb += self._store.eq(done & ~self._is_write)
            m.d.sync += [timer.eq(timer + 1), self._word.eq(self._offset)]
            with m.If(done):
                m.d.sync += [
                    self._status.eq(Mux(failed, access.response, Status.OKAY)),
                    self._offset.eq(self._offset + 1),
                ]
                m.next = "FETCH"
                with m.If(failed | (self._offset == header.last)):
                    m.next = "FLAG"
            with m.Elif(timer[-1]):
                m.d.sync += self._status.eq(Status.TIMEOUT)
                m.next = "FLAG"
        with m.State("STUCK"):
            with m.If(~self._pending):
                m.next = "LISTEN"

    def _respond(self, m: Module, word: CheckedWord) -> None:
        header = self._header
        head = Signal(RESPONSE_LAYOUT)
        sending_data = self._sending_data
        m.d.comb += [
            head.command.eq(header.command),
            head.answer.eq(1),
            head.sequence.eq(header.sequence),
            head.word.eq(self._word),
            head.status.eq(self._status),
            head.irq.eq(self.irq),
            word.load_data.eq(Mux(sending_data, self._stored, head)),
        ]
        with m.State("FLAG"):
            m.d.comb += [
                self.tx.valid.eq(1),
                self.tx.payload.flag.eq(1),
                word.restart.eq(1),
                word.load.eq(1),
            ]
            m.d.sync += self._offset.eq(self._first)
            with m.If(self.tx.ready):
                m.next = "SHIFT"
        with m.State("SHIFT"):
            m.d.comb += word.send.eq(1)
            m.next = "SHIFTING"
        with m.State("SHIFTING"):
            with m.If(word.ended):
                m.next = "SEND"
        with m.State("SEND"):
            m.d.comb += self.tx.valid.eq(1)
            with m.If(self.tx.ready):
                m.d.sync += self._index.eq(self._index + 1)
                m.next = "SHIFT"
                with m.If(self._index == 3):
                    m.next = "NEXT"
        with m.State("NEXT"):
            # The buffer shows the word at the offset, which begins with the first.
            has_data = ~self._is_write & (self._status == Status.OKAY)
            m.next = "SHIFT"
            with m.If(word.send_check):
                m.next = "END"
            with m.Elif(has_data & ~(sending_data & (self._offset == self._first))):
                m.d.sync += sending_data.eq(1)
                m.next = "LOAD"
            with m.Else():
                m.d.sync += word.send_check.eq(1)
        with m.State("LOAD"):
            m.d.comb += word.load.eq(1)
            following = Mux(self._offset == self._word, self._first, self._offset + 1)
            m.d.sync += self._offset.eq(following)
            m.next = "SHIFT"
        with m.State("END"):
            m.d.comb += [self.tx.valid.eq(1), self.tx.payload.flag.eq(1)]
            with m.If(self.tx.ready):
                m.d.comb += word.restart.eq(1)
                m.next = "STUCK"
