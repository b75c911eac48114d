# SPDX-License-Identifier: Apache-2.0
"""The microprogram of serial execution: fetch, check, semaphores, and every instruction."""

from __future__ import annotations

from amaranth.utils import exact_log2

from ..config import SEMAPHORE_COUNT, SEMAPHORE_MAXIMUM, Config
from ..isa import (
    ACCUMULATE_FLAG,
    FORMATS,
    INSTRUCTION_BYTES,
    INSTRUCTION_WIDTH,
    ErrorCode,
    ErrorSource,
    Memory,
    Opcode,
    Unit,
)
from .microcode import (
    INDEXED_VARIABLES,
    Assembler,
    Condition,
    Host,
    Output,
    Port,
    Variable,
    Wait,
)

__all__ = ["microprogram"]

SEMAPHORE = Variable(INDEXED_VARIABLES)
"""The count of the semaphore in the index register."""

BASE_LOW, BASE_HIGH = Host("SEGMENT_BASE_LOW"), Host("SEGMENT_BASE_LOW", high=True)
LIMIT_LOW, LIMIT_HIGH = Host("SEGMENT_LIMIT"), Host("SEGMENT_LIMIT", high=True)

ZERO, NOT_ZERO = Condition.ZERO, Condition.NOT_ZERO
CARRY, NO_CARRY = Condition.CARRY, Condition.NO_CARRY


def microprogram(config: Config) -> tuple[list[int], dict[str, int]]:
    """The microinstructions for a configuration, and where to begin: ``boot`` after a reset, then
    ``run`` for each program; ``trap`` when it is halted."""
    a = _Microprogram(config)
    a.begin()
    a.fetch()
    a.check()
    a.transfer()
    a.matmul()
    a.end_of_instruction()
    a.errors()
    return a.words(), {name: a.place(name) for name in ("boot", "run", "trap")}


class _Microprogram(Assembler):
    """Names of variables: an ``_h`` has the upper half; counts are those still to come, less one.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.address_bits_above = config.axi_address_width - 16
        self.depths = {
            Memory.ACTIVATION: config.activation_depth,
            Memory.WEIGHT: config.weight_depth,
            Memory.ACCUMULATOR: config.accumulator_depth,
        }
        self._jumps = 0

    # Shorthands.

    def get(self, name: str) -> None:
        """A variable into the accumulator."""
        self.load(self.variable(name))

    def plus(self, name: str, *, carry: bool = False) -> None:
        """Add a variable."""
        self.add(self.variable(name), carry=carry)

    def minus(self, name: str, *, carry: bool = False) -> None:
        """Subtract a variable."""
        self.subtract(self.variable(name), carry=carry)

    def copy(self, source: str, *targets: str) -> None:
        """A variable into others."""
        self.get(source)
        self.store(*targets)

    def put(self, value: int, *targets: str) -> None:
        """A constant into variables."""
        self.constant(value)
        self.store(*targets)

    def increase(self, name: str, by: str) -> None:
        """Add a variable to one."""
        self.get(name)
        self.plus(by)
        self.store(name)

    def count_down(self, name: str, over: str) -> None:
        """Subtract one; if there is nothing left, go to ``over`` instead."""
        self.get(name)
        self.jump(over, ZERO)
        self.subtract(1)
        self.store(name)

    def jump_if_beyond(self, depth: object, label: str) -> None:
        """Jump if the accumulator is above ``depth``."""
        self._jumps += 1
        inside = f"inside_{self._jumps}"
        self.subtract(depth)
        self.jump(inside, NO_CARRY)
        self.jump(label, NOT_ZERO)
        self.label(inside)

    def address(self, low: str, high: str) -> None:
        """Where bytes are moved next, without a base."""
        self.get(low)
        self.output(Output.ADDRESS_LOW)
        if self.address_bits_above:
            self.get(high)
            self.output(Output.ADDRESS_HIGH)

    def sign(self, high: str, target: str) -> None:
        """What continues the sign of a variable."""
        self.put(0, target)
        self.get(high)
        self.plus(high)
        self._jumps += 1
        self.jump(f"positive_{self._jumps}", NO_CARRY)
        self.load(0)
        self.subtract(1)
        self.store(target)
        self.label(f"positive_{self._jumps}")

    # Parts, in the order in which they are laid out.

    def begin(self) -> None:
        """After a reset, and at the start of a program."""
        self.label("boot")
        self.load(0)
        for name, halves in (("ERROR_CODE", 1), ("ERROR_INSTRUCTION", 2), ("ERROR_ADDRESS_LOW", 2)):
            for half in range(halves):
                self.poke(name, high=bool(half))
        self.label("finish")
        self.output(Output.REST)

        self.label("run")
        self.put(0, "at", "at_h", "error", "error_h")
        self.index()
        self.label("clear")
        self.store_indexed()
        self.index_next()
        self.jump("clear", Condition.INDEX)

        # Where the program ends, less one.
        self.load(Host("PROGRAM_ADDRESS_LOW"))
        self.store("next")
        self.mask(INSTRUCTION_BYTES - 1)
        self.jump("misplaced", NOT_ZERO)
        self.load(Host("PROGRAM_ADDRESS_LOW", high=True))
        self.store("next_h")
        self.load(Host("PROGRAM_LENGTH"))
        self.store("length", "end")
        self.load(Host("PROGRAM_LENGTH", high=True))
        self.store("length_h", "end_h")
        self.jump("long", NOT_ZERO)
        self.get("length")
        self.jump("finish", ZERO)
        self.label("long")
        self.load(SEMAPHORE_COUNT - exact_log2(INSTRUCTION_BYTES))
        self.index()
        self.label("times_bytes")
        self.increase("end", "end")
        self.get("end_h")
        self.plus("end_h", carry=True)
        self.store("end_h")
        self.index_next()
        self.jump("times_bytes", Condition.INDEX)
        self.get("end")
        self.subtract(1)
        self.store("end")
        self.get("end_h")
        self.subtract(0, carry=True)
        self.store("end_h")
        self.get("end")
        self.plus("next")
        self.get("end_h")
        self.plus("next_h", carry=True)
        self.jump("misplaced", CARRY)
        if self.address_bits_above < 16:
            self.right(self.address_bits_above)
            self.jump("misplaced", NOT_ZERO)

    def fetch(self) -> None:
        """The next instruction; its bits are taken one field after the other."""
        self.label("next_instruction")
        self.get("at")
        self.minus("length")
        self.jump("more", NOT_ZERO)
        self.get("at_h")
        self.minus("length_h")
        self.jump("finish", ZERO)
        self.label("more")
        self.address("next", "next_h")
        self.output(Output.STREAM)
        self.get("next")
        self.add(INSTRUCTION_BYTES)
        self.store("next")
        self.get("next_h")
        self.add(0, carry=True)
        self.store("next_h")
        self.put(0, "missing")
        for name, bits in (("opcode", 8), ("flags", 8), ("wait", 16), ("signal", 16)):
            self.take(bits, name)

    def zero(self, bits: int) -> None:
        """Take bits that have to be zero."""
        while bits:
            part = min(bits, 16)
            self.take(part, "scratch")
            self.jump("illegal", NOT_ZERO)
            bits -= part

    def fields(self, opcode: Opcode, first: str, last: str = "") -> None:
        """Take the fields of a format from ``first`` to ``last``; longer ones in two halves."""
        names = [field.name for field in FORMATS[opcode].fields]
        stop = names.index(last or first) + 1
        for field in FORMATS[opcode].fields[names.index(first) : stop]:
            self.take(min(field.width, 16), field.name)
            if field.width > 16:
                self.take(field.width - 16, f"{field.name}_h")

    def flags(self, opcode: Opcode) -> None:
        """Refuse undefined flags."""
        self.get("flags")
        if FORMATS[opcode].flag_mask:
            self.mask(0xFF & ~FORMATS[opcode].flag_mask)
        self.jump("illegal", NOT_ZERO)

    def check(self) -> None:
        """Whether the instruction is legal, and its fields."""
        self.get("opcode")
        for opcode in (Opcode.LOAD, Opcode.MATMUL, Opcode.VECTOR, Opcode.STORE, Opcode.SYNC):
            self.subtract(1)
            self.jump(f"is_{opcode.name}", ZERO)
        self.jump("illegal")

        self.label("is_LOAD")
        self.put(0, "store", "no_bytes")
        self.flags(Opcode.LOAD)
        self.call("transfer_fields")
        self.fields(Opcode.LOAD, "pad_before", "fill")
        self.zero(INSTRUCTION_WIDTH - FORMATS[Opcode.LOAD].used_width)
        # Stored as they are, where STORE has one less.
        self.get("bytes")
        self.jump("has_bytes", NOT_ZERO)
        self.put(1, "no_bytes", "bytes")
        self.label("has_bytes")
        self.get("bytes")
        self.subtract(1)
        self.store("bytes")
        self.get("memory")
        self.jump("legal_memory")

        self.label("is_STORE")
        self.put(0, "no_bytes", "pad_before", "pad_after")
        self.put(ErrorSource.STORE.value << 8, "store")
        self.flags(Opcode.STORE)
        self.call("transfer_fields")
        self.zero(INSTRUCTION_WIDTH - FORMATS[Opcode.STORE].used_width)
        self.get("memory")
        self.subtract(Memory.WEIGHT.value)
        self.jump("illegal", ZERO)
        self.add(Memory.WEIGHT.value)
        self.label("legal_memory")
        self.subtract(Memory.PARAMETER.value)
        self.jump("legal", NO_CARRY)
        self.subtract(Memory.TABLE.value - Memory.PARAMETER.value)
        self.jump("not_configured", NO_CARRY)
        self.jump("not_configured", ZERO)
        self.jump("illegal")

        self.label("transfer_fields")
        self.fields(Opcode.STORE, "memory", "stride_y")
        self.back()

        self.label("is_VECTOR")
        self.flags(Opcode.VECTOR)
        rest = sum(field.width for field in FORMATS[Opcode.VECTOR].fields)
        while rest:
            part = min(rest, 16)
            self.take(part, "scratch")
            rest -= part
        self.zero(INSTRUCTION_WIDTH - FORMATS[Opcode.VECTOR].used_width)
        self.jump("not_configured")

        self.label("is_SYNC")
        self.flags(Opcode.SYNC)
        self.fields(Opcode.SYNC, "unit")
        self.zero(INSTRUCTION_WIDTH - FORMATS[Opcode.SYNC].used_width)
        self.get("unit")
        self.subtract(Unit.VECTOR.value)
        self.jump("not_configured", ZERO)
        self.jump("legal")

        self.label("is_MATMUL")
        self.flags(Opcode.MATMUL)
        names = [field.name for field in FORMATS[Opcode.MATMUL].fields]
        self.fields(Opcode.MATMUL, names[0], names[-1])
        if self.config.rows < 256:
            self.get("last_rows")
            self.subtract(self.config.rows)
            self.jump("illegal", CARRY)

        # A beat that could not be read came as zeros.
        self.label("legal")
        self.jump("unreadable", Condition.FAILED)
        units = {Opcode.LOAD: 1, Opcode.MATMUL: 2, Opcode.STORE: 8, Opcode.SYNC: 0}
        if self.config.performance_counters:
            self.output(Output.LEGAL)
        self.copy("wait", "scratch")
        self.index_zero()
        self.label("wait_for")
        self.next_semaphore("waited")
        self.load(SEMAPHORE)
        self.jump("stuck", ZERO)
        self.subtract(1)
        self.store_indexed()
        self.label("waited")
        self.index_next()
        self.jump("wait_for", Condition.INDEX)

        self.get("opcode")
        for opcode, unit in units.items():
            if opcode is Opcode.SYNC:
                self.jump("finished")
                continue
            self._jumps += 1
            other = f"other_{self._jumps}"
            self.subtract(opcode.value)
            self.jump(other, NOT_ZERO)
            if self.config.performance_counters:
                self.load(unit)
                self.output(Output.UNIT)
            self.jump("multiply" if opcode is Opcode.MATMUL else "transfer")
            self.label(other)
            self.add(opcode.value)

        self.label("stuck")
        self.output(Output.STUCK)

    def index_zero(self) -> None:
        """Zero into the index register."""
        self.load(0)
        self.index()

    def next_semaphore(self, over: str) -> None:
        """Shift the mask in ``scratch``; go to ``over`` if its bit was not set."""
        self.get("scratch")
        self.right()
        self.store("scratch")
        self.jump(over, NO_CARRY)

    def transfer(self) -> None:
        """LOAD and STORE."""
        config = self.config
        self.label("transfer")
        # Words of a row less one, depth of the memory, its number in an error's address.
        self.get("memory")
        self.output(Output.MEMORY)
        places = {
            Memory.ACTIVATION: exact_log2(config.activation_bytes),
            Memory.WEIGHT: exact_log2(config.weight_bytes),
            Memory.ACCUMULATOR: exact_log2(config.accumulator_bytes),
        }
        for memory, depth in self.depths.items():
            is_last = memory is Memory.ACCUMULATOR
            if not is_last:
                self.jump(f"not_{memory.name}", NOT_ZERO)
            self.put(depth, "depth")
            self.put(memory.value << 13, "number")
            self.get("bytes")
            self.right(places[memory])
            if not is_last:
                self.jump("in_words")
                self.label(f"not_{memory.name}")
                self.subtract(1)
        self.label("in_words")
        self.store("words")
        self.get("fill")
        self.output(Output.FILL)
        self.get("address")
        self.output(Output.WORD)
        self.store("place")
        self.get("segment")
        self.index()
        self.load(LIMIT_LOW)
        self.store("limit")
        self.load(LIMIT_HIGH)
        self.store("limit_h")
        if self.address_bits_above < 16:
            # No more than the address space.
            self.right(self.address_bits_above)
            self.jump("limited", ZERO)
            self.put(0, "limit")
            self.put(1 << self.address_bits_above, "limit_h")
            self.label("limited")
        self.sign("stride_x_h", "stride_x_s")
        self.sign("stride_y_h", "stride_y_s")
        self.copy("offset", "group")
        self.copy("offset_h", "group_h")
        self.put(0, "group_s")

        self.label("next_group")
        for half in ("", "_h", "_s"):
            self.copy(f"group{half}", f"offset{half}")
        self.copy("count_x", "rows")
        self.copy("pad_before", "before")
        self._check_row()
        self._move_row()
        self._next_row()

    def _check_row(self) -> None:
        self.label("next_row")
        self.get("place")
        self.plus("before")
        self.jump("range", CARRY)
        self.store("place")
        self.jump_if_beyond(self.variable("depth"), "range")
        self.get("no_bytes")
        self.jump("inside_segment", NOT_ZERO)
        self.get("offset_s")
        self.jump("outside_segment", NOT_ZERO)
        self.get("offset")
        self.plus("bytes")
        self.store("scratch")
        self.get("offset_h")
        self.add(0, carry=True)
        self.jump("outside_segment", CARRY)
        self.store("scratch_h")
        self.get("scratch")
        self.minus("limit")
        self.get("scratch_h")
        self.minus("limit_h", carry=True)
        self.jump("outside_segment", CARRY)
        self.label("inside_segment")
        self.put(0, "after")
        self.get("rows")
        self.jump("not_last", NOT_ZERO)
        self.copy("pad_after", "after")
        self.label("not_last")
        self.get("place")
        self.plus("words")
        self.jump("range", CARRY)
        self.add(1)
        self.jump("range", CARRY)
        self.plus("after")
        self.jump("range", CARRY)
        self.store("place")
        self.jump_if_beyond(self.variable("depth"), "range")

    def _move_row(self) -> None:
        self.get("before")
        self.call("pad")
        self.get("no_bytes")
        self.jump("no_bytes", NOT_ZERO)
        self.load(BASE_LOW)
        self.plus("offset")
        self.output(Output.ADDRESS_LOW)
        if self.address_bits_above:
            self.load(BASE_HIGH)
            self.plus("offset_h", carry=True)
            self.output(Output.ADDRESS_HIGH)
        self.get("bytes")
        self.output(Output.LAST_BYTE)
        self.get("store")
        self.jump("store_row", NOT_ZERO)
        self.output(Output.LOAD_ROW)
        self.jump("row_moves")
        self.label("store_row")
        self.output(Output.STORE_ROW)
        self.label("row_moves")
        self.wait(Wait.MOVED)
        self.jump("bad_response", Condition.FAILED)
        self.jump("row_moved")
        self.label("no_bytes")
        self.load(1)
        self.call("pad")
        self.label("row_moved")
        self.get("after")
        self.call("pad")

    def _next_row(self) -> None:
        self.put(0, "before")
        self.count_down("rows", "group_ends")
        self._step("offset", "stride_x", "offset")
        self.jump("next_row")
        self.label("group_ends")
        self.count_down("count_y", "finished")
        self._step("group", "stride_y", "group")
        self.jump("next_group")

        self.label("pad")
        self.store("scratch")
        self.label("pad_more")
        self.count_down("scratch", "padded")
        self.output(Output.FILL_WORD)
        self.wait(Wait.MOVED)
        self.jump("pad_more")
        self.label("padded")
        self.back()

    def _step(self, name: str, stride: str, target: str) -> None:
        """Add a stride to an offset: 48 bits hold every one exactly."""
        for half in ("", "_h", "_s"):
            self.get(f"{name}{half}")
            self.plus(f"{stride}{half}", carry=bool(half))
            self.store(f"{target}{half}")

    def matmul(self) -> None:
        """MATMUL."""
        self.label("multiply")
        self.get("activation_stride_x")
        self.output(Output.SOURCE_STRIDE)
        self.get("accumulator_stride_x")
        self.output(Output.TARGET_STRIDE)
        self.get("flags")
        self.mask(ACCUMULATE_FLAG)
        self.store("accumulate")
        self.copy("activation_address", "start_kernel_y")
        self.label("next_kernel_y")
        self.copy("start_kernel_y", "start_kernel_x")
        self.copy("kernel_x", "left_kernel_x")
        self.label("next_kernel_x")
        self.copy("start_kernel_x", "start_block")
        self.copy("channel_blocks", "left_blocks")
        self.label("next_block")
        self._weights()
        self._vectors()
        self.put(1, "accumulate")
        self.increase("weight_address", "weight_stride_block")
        for name, start, stride, outer in (
            ("left_blocks", "block", "activation_stride_channel", "kernel_x_ends"),
            ("left_kernel_x", "kernel_x", "activation_stride_kernel_x", "kernel_y_ends"),
            ("kernel_y", "kernel_y", "activation_stride_kernel_y", "multiplied"),
        ):
            self.count_down(name, outer)
            self.increase(f"start_{start}", stride)
            self.jump(f"next_{start}")
            self.label(outer)
        self.wait(Wait.DRAINED)
        self.jump("finished")

    def _weights(self) -> None:
        """A tile into the array, the bottom row first; rows that are not there are zero."""
        last = self.config.rows - 1
        self.put(last, "row")
        self.get("left_blocks")
        self.jump("all_rows", NOT_ZERO)
        self.copy("last_rows", "row")
        self.label("all_rows")
        # From the block's first row to the last one that is there.
        self.copy("weight_address", "weight")
        self.put(0, "weight_h")
        self.copy("row", "scratch")
        self.label("way_down")
        self.count_down("scratch", "at_bottom")
        self.increase("weight", "weight_stride_row")
        self.get("weight_h")
        self.add(0, carry=True)
        self.store("weight_h")
        self.jump("way_down")
        self.label("at_bottom")
        self.load(last)
        self.minus("row")
        self.store("scratch")
        self.label("zero_rows")
        self.count_down("scratch", "next_weights")
        self.output(Output.NO_WEIGHTS)
        self.jump("zero_rows")
        self.label("next_weights")
        self.get("weight_h")
        self.jump("weights_beyond", NOT_ZERO)
        self.get("weight")
        self.subtract(self.depths[Memory.WEIGHT])
        self.jump("weights_beyond", CARRY)
        self.get("weight")
        self.output(Output.WEIGHTS)
        self.count_down("row", "weights_done")
        self.get("weight")
        self.minus("weight_stride_row")
        self.store("weight")
        self.get("weight_h")
        self.subtract(0, carry=True)
        self.store("weight_h")
        self.jump("next_weights")
        self.label("weights_done")

    def _vectors(self) -> None:
        """A pass: all outputs, a row at a time."""
        self.copy("start_block", "source")
        self.copy("accumulator_address", "target")
        self.copy("output_y", "left_y")
        self.get("accumulate")
        self.output(Output.FIRST)
        self.label("next_vectors")
        self.get("source")
        self.output(Output.SOURCE)
        self.get("target")
        self.output(Output.TARGET)
        # Results for one word must not follow each other closely: then every vector is a row.
        self.copy("output_x", "left_x")
        self.get("accumulator_stride_x")
        self.jump("one_by_one", ZERO)
        self.get("output_x")
        self.output(Output.VECTORS)
        self.wait(Wait.MOVED)
        self.jump("vectors_beyond", Condition.FAILED)
        self.jump("vectors_done")
        self.label("one_by_one")
        self.load(0)
        self.output(Output.VECTORS)
        self.wait(Wait.MOVED)
        self.jump("vectors_beyond", Condition.FAILED)
        self.count_down("left_x", "vectors_done")
        self.jump("one_by_one")
        self.label("vectors_done")
        self.count_down("left_y", "pass_done")
        self.increase("source", "activation_stride_y")
        self.increase("target", "accumulator_stride_y")
        self.jump("next_vectors")
        self.label("pass_done")

    def end_of_instruction(self) -> None:
        """Signals; then the next instruction."""
        self.label("finished")
        if self.config.performance_counters:
            self.load(0)
            self.output(Output.UNIT)
        self.copy("signal", "scratch")
        self.index_zero()
        self.label("signal_to")
        self.next_semaphore("signalled")
        self.load(SEMAPHORE)
        self.subtract(SEMAPHORE_MAXIMUM)
        self.jump("overflow", ZERO)
        self.add(SEMAPHORE_MAXIMUM + 1)
        self.store_indexed()
        self.label("signalled")
        self.index_next()
        self.jump("signal_to", Condition.INDEX)
        self.get("at")
        self.add(1)
        self.store("at")
        self.get("at_h")
        self.add(0, carry=True)
        self.store("at_h")
        self.jump("next_instruction")

    def report(self, label: str, code: ErrorCode, source: ErrorSource | None) -> None:
        """An error at ``label`` without a source that is known; its address is in place."""
        self.label(label)
        self.load(code.value)
        if source is not None and source.value:
            self.add(source.value << 8)
        if source is None:
            self.plus("store")
        self.jump("report")

    def errors(self) -> None:
        """The error registers."""
        self.label("misplaced")
        self.load(Host("PROGRAM_ADDRESS_LOW"))
        self.store("error")
        self.load(Host("PROGRAM_ADDRESS_LOW", high=True))
        self.store("error_h")
        self.report("bad_program", ErrorCode.PROGRAM_ADDRESS, ErrorSource.FETCH)

        self.label("illegal")
        self.jump("unreadable", Condition.FAILED)
        self.report("is_illegal", ErrorCode.ILLEGAL_INSTRUCTION, ErrorSource.DISPATCH)
        self.label("not_configured")
        self.jump("unreadable", Condition.FAILED)
        self.report("is_missing", ErrorCode.NOT_CONFIGURED, ErrorSource.DISPATCH)
        self.label("unreadable")
        self.call("beat_address")
        self.report("is_unreadable", ErrorCode.FETCH_RESPONSE, ErrorSource.FETCH)

        self.label("bad_response")
        self.call("beat_address")
        self.get("store")
        self.jump("bad_write", NOT_ZERO)
        self.report("bad_read", ErrorCode.READ_RESPONSE, ErrorSource.LOAD)
        self.report("bad_write", ErrorCode.WRITE_RESPONSE, ErrorSource.STORE)

        self.label("range")
        # The first word beyond: the one after the memory's last, or the instruction's own.
        self.copy("number", "error_h")
        self.copy("depth", "error")
        self.get("address")
        self.minus("depth")
        self.jump("range_known", NO_CARRY)
        self.copy("address", "error")
        self.report("range_known", ErrorCode.MEMORY_RANGE, None)

        self.label("outside_segment")
        self.copy("offset", "error")
        self.get("offset_h")
        if self.address_bits_above < 16:
            above = (1 << self.address_bits_above) - 1
            self.store("scratch")
            self.constant(above)
            self.mask(self.variable("scratch"))
        self.store("error_h")
        self.report("is_outside", ErrorCode.SEGMENT_LIMIT, None)

        self.label("weights_beyond")
        self.copy("weight", "error")
        self.get("weight_h")
        self.add(Memory.WEIGHT.value << 13)
        self.jump("drain")
        self.label("vectors_beyond")
        self.load(Port.SOURCE)
        self.store("error")
        self.subtract(self.depths[Memory.ACTIVATION])
        self.load(Memory.ACTIVATION.value << 13)
        self.jump("drain", CARRY)
        self.load(Port.TARGET)
        self.store("error")
        self.load(Memory.ACCUMULATOR.value << 13)
        self.label("drain")
        self.store("error_h")
        self.wait(Wait.DRAINED)
        self.report("is_beyond", ErrorCode.MEMORY_RANGE, ErrorSource.MATMUL)

        self.label("overflow")
        self.load(Port.INDEX)
        self.store("error")
        self.report("has_overflowed", ErrorCode.SEMAPHORE_OVERFLOW, ErrorSource.SEMAPHORES)

        self.label("trap")
        self.jump("finish", Condition.RESETTING)
        self.put(0, "error", "error_h")
        self.load(ErrorCode.NO_PROGRESS.value)
        self.add(ErrorSource.WATCHDOG.value << 8)

        self.label("report")
        self.poke("ERROR_CODE")
        for source, name in (("at", "ERROR_INSTRUCTION"), ("error", "ERROR_ADDRESS_LOW")):
            self.get(source)
            self.poke(name)
            self.get(f"{source}_h")
            self.poke(name, high=True)
        self.output(Output.FAIL)

        self.label("beat_address")
        self.load(Port.BEAT_LOW)
        self.store("error")
        self.load(Port.BEAT_HIGH)
        self.store("error_h")
        self.back()
