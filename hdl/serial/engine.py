# SPDX-License-Identifier: Apache-2.0
"""The engine of serial execution: runs the microprogram."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, enum, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import Config
from ..select import choose
from .microcode import (
    ADDRESS_BITS,
    INDEXED_VARIABLES,
    Condition,
    Operation,
    Output,
    Port,
    Source,
    Wait,
)
from .microprogram import microprogram

__all__ = ["Engine"]

WIDTH = 16
HOST_SEGMENTS = 0b010
"""Upper three bits of the word addresses of the segments' registers."""


class _State(enum.Enum, shape=3):
    """What the engine does in a cycle."""

    RESET = 0
    DECODE = 1
    EXECUTE = 2
    REST = 3
    STUCK = 4


class Engine(wiring.Component):
    """An accumulator, a carry, an index, a return address; two cycles a microinstruction.

    ::

        DECODE   the microinstruction is there; its variable, or register of the host, is read
        EXECUTE  the operand is there; the next microinstruction is read

    A microinstruction that takes bits of the instruction stays in EXECUTE for 17 cycles and as long
    as they need to come; one that waits, for as long as there is something to wait for. One that
    names a register of the host waits in DECODE for a pause between the host's own accesses.

    When ``halt`` comes and the microprogram is not at rest, it is interrupted wherever it is and
    goes on at its label ``trap``, once until the next reset.

    Parameters
    ----------
    config : Config
        What the microprogram is for.

    Members
    -------
    launch : In(1)
        Run a program; only at rest.
    halt, resetting : In(1)
        From the supervisor.
    rest : Out(1)
        Nothing is being done.
    booted : Out(1)
        At rest for the first time since the reset: what the host reads is in order.
    failed : Out(1)
        The program ends with an error, one cycle. The error's registers have been written.
    stuck : Out(1)
        The present instruction waits for a semaphore in vain.
    progress : Out(1)
        A microinstruction is executed in this cycle.
    address : Out(8)
        Word address of the host's register to read or write.
    granted : In(1)
        It can be, in this cycle and the next.
    uses : Out(1)
        The second of these two cycles.
    value : In(32)
        The register's, in the second cycle.
    poke : Out(2)
        Write a half of it, in the second cycle.
    data : Out(16)
        The accumulator: what to write.
    outputs : Out(len(Output))
        One bit for each of `Output`, for the cycle after its microinstruction, with ``data``.
    ports : In(ArrayLayout(16, 4))
        Those of `Port` before the index.
    wants : Out(1)
        A bit of the instruction is asked for.
    bits : In(stream of 1)
        Bits of the instruction; zeros if it cannot be read.
    moving, draining : In(1)
        What `Wait` waits for.
    fault : In(1)
        For `Condition.FAILED`.
    """

    def __init__(self, config: Config) -> None:
        self._words, self._entries = microprogram(config)
        super().__init__(
            {
                "launch": In(1),
                "halt": In(1),
                "resetting": In(1),
                "rest": Out(1),
                "booted": Out(1),
                "failed": Out(1),
                "stuck": Out(1),
                "progress": Out(1),
                "address": Out(8),
                "granted": In(1),
                "uses": Out(1),
                "value": In(32),
                "poke": Out(2),
                "data": Out(WIDTH),
                "outputs": Out(len(Output)),
                "ports": In(data.ArrayLayout(unsigned(WIDTH), Port.INDEX.value)),
                "wants": Out(1),
                "bits": In(stream.Signature(1)),
                "moving": In(1),
                "draining": In(1),
                "fault": In(1),
            }
        )
        self._accumulator = Signal(WIDTH)
        self._carry = Signal()
        self._index = Signal(4)
        self._place = Signal(ADDRESS_BITS)
        self._operation = Signal(Operation)
        self._upper = Signal(4)
        self._lower = Signal(8)
        self._operand = Signal(WIDTH)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        following = Signal(ADDRESS_BITS)
        fetch, decode, execute, done = Signal(), Signal(), Signal(), Signal()
        m.submodules.program = program = memory.Memory(shape=16, depth=len(self._words),
                                                       init=self._words)
        read = program.read_port()
        m.d.comb += [
            read.addr.eq(following),
            read.en.eq(fetch),
            Cat(self._lower, self._upper, Value.cast(self._operation)).eq(read.data),
        ]
        variables = self._variables(m, decode)
        self._choose_operand(m)
        names_host = self._names_host()
        shifts, shifted_in, finished = self._take(m, execute, variables)
        self._calculate(m, execute, shifts, shifted_in)

        # A cycle later the accumulator is still the same, and it is not too late for what follows.
        outputs = execute & self._is(Operation.OUTPUT)
        m.d.sync += [
            self.outputs[output].eq(outputs & (self._lower == output)) for output in Output
        ]

        trapped = Signal()
        trap = Signal()
        rests = outputs & ((self._lower == Output.REST) | (self._lower == Output.FAIL))
        waits = self._is(Operation.WAIT) & (
            self.moving | (self.draining & (self._lower == Wait.DRAINED))
        )
        m.d.comb += [
            following.eq(self._following(m, execute)),
            trap.eq(self.halt & ~self.rest & ~trapped),
            done.eq(execute & finished & ~waits),
            self.progress.eq(done | shifts),
            self.address.eq(
                Mux(self._lower[5:] == HOST_SEGMENTS, self._lower | self._index[:3] << 2,
                    self._lower)
            ),
            self.uses.eq(execute & names_host),
            self.data.eq(self._accumulator),
            self.failed.eq(self.outputs[Output.FAIL]),
        ]
        with m.If(execute & self._is(Operation.POKE)):
            m.d.comb += self.poke.eq(Mux(self._upper[0], 0b10, 0b01))
        state = Signal(_State)
        m.d.comb += [
            decode.eq(state == _State.DECODE),
            execute.eq(state == _State.EXECUTE),
            self.rest.eq(state == _State.REST),
            self.stuck.eq(state == _State.STUCK),
        ]
        with m.Switch(state):
            with m.Case(_State.RESET):
                m.d.comb += [fetch.eq(1), following.eq(self._entries["boot"])]
            with m.Case(_State.DECODE):
                with m.If(~names_host | self.granted):
                    m.d.sync += state.eq(_State.EXECUTE)
            with m.Case(_State.EXECUTE):
                with m.If(rests):
                    m.d.sync += [state.eq(_State.REST), self.booted.eq(1)]
                with m.Elif(outputs & (self._lower == Output.STUCK)):
                    m.d.sync += state.eq(_State.STUCK)
                with m.Elif(done):
                    m.d.comb += fetch.eq(1)
            with m.Case(_State.REST):
                m.d.comb += [fetch.eq(self.launch), following.eq(self._entries["run"])]
        with m.If(trap):
            m.d.comb += [fetch.eq(1), following.eq(self._entries["trap"])]
            m.d.sync += trapped.eq(1)
        with m.If(fetch):
            m.d.sync += [self._place.eq(following), state.eq(_State.DECODE)]
        return m

    def _is(self, operation: Operation) -> Value:
        return Value.cast(self._operation) == operation.value

    @property
    def _source(self) -> Value:
        return self._upper[1:]

    def _names_host(self) -> Value:
        """Whether the microinstruction reads or writes a register of the host."""
        operands = Value.cast(self._operation)[2:] == 0
        return self._is(Operation.POKE) | (operands & self._upper[3])

    def _variables(self, m: Module, decode: Signal) -> Any:
        """The microprogram's memory; returns its write port, for `_take`."""
        m.submodules.variables = variables = memory.Memory(
            shape=WIDTH, depth=256, init=[],
            attrs={"no_rw_check": 1},  # Read in one cycle, written in the next.
        )
        write, read = variables.write_port(), variables.read_port()
        address = Signal(8)
        indexed = self._lower[4:] == INDEXED_VARIABLES >> 4
        m.d.comb += [
            address.eq(Cat(Mux(indexed, self._index, self._lower[:4]), self._lower[4:])),
            read.addr.eq(address),
            read.en.eq(decode),
            write.addr.eq(address),
            write.data.eq(self._accumulator),
        ]
        self._read = read.data
        return write

    def _choose_operand(self, m: Module) -> None:
        ports = [self.ports[number] for number in range(len(self.ports))] + [self._index]
        port = Signal(WIDTH)
        m.d.comb += port.eq(choose(ports, self._lower[: (len(ports) - 1).bit_length()]))
        with m.Switch(self._source):
            with m.Case(Source.LOW):
                m.d.comb += self._operand.eq(self._lower)
            with m.Case(Source.HIGH):
                m.d.comb += self._operand.eq(self._lower << 8)
            with m.Case(Source.PORT):
                m.d.comb += self._operand.eq(port)
            with m.Case(Source.HOST_LOW):
                m.d.comb += self._operand.eq(self.value[:WIDTH])
            with m.Case(Source.HOST_HIGH):
                m.d.comb += self._operand.eq(self.value[WIDTH:])
            with m.Default():
                m.d.comb += self._operand.eq(self._read)

    def _take(self, m: Module, execute: Signal, write: Any) -> tuple[Value, Value, Value]:
        """TAKE and STORE. Returns whether the accumulator is shifted, what is shifted in, and
        whether the microinstruction ends in this cycle."""
        count = Signal(5)
        takes = Signal()
        shifts = Signal()
        m.d.comb += [
            takes.eq(execute & self._is(Operation.TAKE)),
            # Sixteen cycles: the bits, then zeros.
            self.wants.eq(takes & (count <= self._upper)),
            self.bits.ready.eq(self.wants),
            shifts.eq(takes & ~count[4] & (~self.wants | self.bits.valid)),
            write.en.eq((execute & self._is(Operation.STORE)) | (takes & count[4])),
        ]
        with m.If(shifts):
            m.d.sync += count.eq(count + 1)
        with m.Elif(~takes | count[4]):
            m.d.sync += count.eq(0)
        rotates = shifts | (execute & self._is(Operation.RIGHT))
        return rotates, self.wants & self.bits.payload, ~takes | count[4]

    def _calculate(
        self, m: Module, execute: Signal, shifts: Value, shifted_in: Value
    ) -> None:
        """Accumulator, carry and index."""
        accumulator, operand = self._accumulator, self._operand
        is_load, is_sub = self._is(Operation.LOAD), self._is(Operation.SUB)
        first, second = Signal(WIDTH), Signal(WIDTH)
        total = Signal(WIDTH + 1)
        m.d.comb += [
            first.eq(Mux(is_load, 0, accumulator)),
            second.eq(operand ^ is_sub.replicate(WIDTH)),
            total.eq(first + second + (Mux(self._upper[0], self._carry, is_sub) & ~is_load)),
        ]
        with m.If(shifts):
            m.d.sync += accumulator.eq(Cat(accumulator[1:], shifted_in))
            m.d.sync += self._carry.eq(accumulator[0])
        with m.Elif(execute & (is_load | is_sub | self._is(Operation.ADD))):
            m.d.sync += accumulator.eq(total[:WIDTH])
            with m.If(~is_load):
                m.d.sync += self._carry.eq(total[WIDTH])
        with m.Elif(execute & self._is(Operation.AND)):
            m.d.sync += accumulator.eq(accumulator & operand)
        with m.If(execute & self._is(Operation.INDEX)):
            m.d.sync += self._index.eq(Mux(self._upper[0], self._index + 1, accumulator))

    def _following(self, m: Module, execute: Signal) -> Value:
        """Where the microprogram goes on."""
        zero = ~self._accumulator.any()
        conditions = {
            Condition.ALWAYS: Const(1),
            Condition.ZERO: zero,
            Condition.NOT_ZERO: ~zero,
            Condition.CARRY: self._carry,
            Condition.NO_CARRY: ~self._carry,
            Condition.INDEX: self._index.any(),
            Condition.FAILED: self.fault,
            Condition.RESETTING: self.resetting,
        }
        holds = Signal()
        is_second = self._is(Operation.JUMP_TOO)
        m.d.comb += holds.eq(
            choose(
                [conditions[condition] for condition in Condition],
                Cat(self._upper[2:], is_second),
            )
        )
        behind = Signal(ADDRESS_BITS)
        target = Cat(self._lower, self._upper[:2])
        returns = Signal(ADDRESS_BITS)
        calls = self._is(Operation.CALL)
        m.d.comb += behind.eq(self._place + 1)
        with m.If(execute & calls):
            m.d.sync += returns.eq(behind)
        goes = calls | ((self._is(Operation.JUMP) | is_second) & holds)
        return Mux(goes, target, Mux(self._is(Operation.RETURN), returns, behind))
