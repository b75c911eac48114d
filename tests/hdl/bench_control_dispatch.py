# SPDX-License-Identifier: Apache-2.0
"""Cocotb tests of dispatch: each rule alone, then everything at random."""

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly

from weft.hdl.bus import COMMAND_LAYOUT, ERROR_LAYOUT
from weft.hdl.control.legality import InstructionRules
from weft.hdl.isa import FORMATS, ErrorCode, Instruction, Opcode, Unit
from weft.sim.bench.payload import Codec
from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import StreamSink, StreamSource, cycles, reset, start_clock


def rules():
    return InstructionRules(**bench_parameters())


class Bench:
    def __init__(self, dut, stalls=0.0):
        self.dut, self.random = dut, bench_random()
        start_clock(dut)
        dut.halt.value = 0
        self.source = StreamSource(
            dut, "i", dut.clk, COMMAND_LAYOUT, stalls=stalls / 2, random=self.random
        )
        self.sinks = {
            unit: StreamSink(
                dut, unit.name.lower(), dut.clk, COMMAND_LAYOUT, stalls=stalls, random=self.random
            )
            for unit in rules().units()
        }
        self.errors = []
        self.order = []
        cocotb.start_soon(self.watch())

    async def watch(self):
        error = Codec(ERROR_LAYOUT)
        while True:
            await FallingEdge(self.dut.clk)
            await ReadOnly()
            if int(self.dut.rst.value):
                continue
            if str(self.dut.error.value)[-1] == "1":
                self.errors.append(error.unpack(int(self.dut.error.value)))
            passing = [
                unit
                for unit, sink in self.sinks.items()
                if int(sink._valid.value) and int(sink._ready.value)
            ]
            assert len(passing) <= 1
            assert int(self.dut.dispatched.value) == len(passing)
            self.order += passing

    async def try_one(self, word, index):
        """Reset, then offer one instruction; returns where it went, or the error."""
        self.errors.clear()
        for sink in self.sinks.values():
            sink.items.clear()
        self.source._waiting.clear()
        await reset(self.dut, 2)  # the first cycle of all may have no rising edge
        self.source.put([{"instruction": word, "index": index}])
        await cycles(self.dut, 6)
        got = {unit: list(sink.items) for unit, sink in self.sinks.items() if sink.items}
        assert len(got) + len(self.errors) == 1, (hex(word), got, self.errors)
        if self.errors:
            (error,) = self.errors
            assert (error["index"], error["address"]) == (index, 0)
            return error["code"]
        ((unit, items),) = got.items()
        assert items == [{"instruction": word, "index": index}]
        return unit


def random_legal(random):
    """A legal instruction of a random format, every field at random."""
    table = rules()
    while True:
        opcode = random.choice(list(Opcode))
        values = {}
        for field in FORMATS[opcode].fields:
            values[field.name] = random.choice(
                [field.low, field.high, random.randint(field.low, field.high)]
            )
        flags = random.getrandbits(8) & FORMATS[opcode].flag_mask
        for side in ("source", "destination"):
            # Else few of them would be legal.
            if opcode is Opcode.VECTOR:
                values[f"{side}_element"] = table.lanes * random.randrange(2)
                flags &= random.choice([0x0F, 0x17, 0x27])
        instruction = Instruction(
            opcode, values, random.getrandbits(16), random.getrandbits(16), flags
        )
        if table.check(instruction.encode()) is ErrorCode.NONE:
            return instruction


@cocotb.test()
async def every_reserved_bit_and_flag(dut):
    bench = Bench(dut)
    for opcode, form in FORMATS.items():
        if opcode in rules().missing_opcodes:
            continue
        for bit in range(256):
            if not InstructionRules.zero_mask(form) >> bit & 1:
                continue
            while (base := random_legal(bench.random)).opcode is not opcode:
                pass
            found = await bench.try_one(base.encode() | 1 << bit, bit)
            assert found is ErrorCode.ILLEGAL_INSTRUCTION, (opcode, bit)


@cocotb.test()
async def every_opcode(dut):
    bench = Bench(dut)
    for number in range(256):
        found = await bench.try_one(number, number)
        if number in [opcode.value for opcode in rules().missing_opcodes]:
            assert found is ErrorCode.NOT_CONFIGURED
        elif number in [opcode.value for opcode in Opcode if opcode is not Opcode.SYNC]:
            assert found is Unit[Opcode(number).name]
        elif number == Opcode.SYNC.value:
            assert found is Unit.LOAD
        else:
            assert found is ErrorCode.ILLEGAL_INSTRUCTION, number


@cocotb.test()
async def field_rules(dut):
    bench = Bench(dut)
    rows, vector = rules().rows, rules().vector
    illegal, missing = ErrorCode.ILLEGAL_INSTRUCTION, ErrorCode.NOT_CONFIGURED
    loads = dict.fromkeys(range(3), Unit.LOAD) | dict.fromkeys(range(5, 8), illegal)
    stores = loads | {0: Unit.STORE, 1: illegal, 2: Unit.STORE}
    for memory in (3, 4):
        loads[memory] = Unit.LOAD if vector else missing
        stores[memory] = illegal if vector else missing
    cases = [(Opcode.LOAD, {"memory": memory}, found) for memory, found in loads.items()]
    cases += [(Opcode.STORE, {"memory": memory}, found) for memory, found in stores.items()]
    cases += [
        (Opcode.SYNC, {"unit": unit.value}, missing if unit not in rules().units() else unit)
        for unit in Unit
    ]
    cases += [
        (Opcode.MATMUL, {"last_rows": used}, Unit.MATMUL if used <= rows else illegal)
        for used in {1, rows - 1, rows, rows + 1, 255, 256}
        if 1 <= used <= 256
    ]
    for opcode, values, expected in cases:
        word = Instruction(opcode, values).encode()
        assert await bench.try_one(word, 5) is expected, (opcode, values)
    # Both kinds of fault at once: illegal wins.
    word = Instruction(Opcode.LOAD, {"memory": 3}).encode() | 1 << 255
    assert await bench.try_one(word, 5) is illegal
    word = Instruction(Opcode.VECTOR, {}).encode() | 1 << 255
    assert await bench.try_one(word, 5) is illegal


@cocotb.test()
async def elements_and_flags_of_vector(dut):
    table = rules()
    if not table.vector:
        return
    bench = Bench(dut)
    illegal = ErrorCode.ILLEGAL_INSTRUCTION
    for side in ("source", "destination"):
        for memory, elements in enumerate((table.rows, table.cols)):
            for element in range(256):
                legal = element % table.lanes == 0 and element < elements
                values = {f"{side}_memory": memory, f"{side}_element": element}
                found = await bench.try_one(Instruction(Opcode.VECTOR, values).encode(), element)
                assert found is (Unit.VECTOR if legal else illegal), values
    names = list(FORMATS[Opcode.VECTOR].flags)
    for flags in range(1 << len(names)):
        on = {name for bit, name in enumerate(names) if flags >> bit & 1}
        for memory in range(2):
            wrong = {"table"} & on if memory else {"add", "maximum"} & on
            legal = not wrong and not {"add", "maximum"} <= on
            word = Instruction(Opcode.VECTOR, {"destination_memory": memory}, flags=flags).encode()
            assert await bench.try_one(word, flags) is (Unit.VECTOR if legal else illegal), on


@cocotb.test()
async def random_words_against_the_model(dut):
    bench = Bench(dut)
    table = rules()
    for _ in range(150):
        word = random_legal(bench.random).encode()
        for _ in range(bench.random.randrange(3)):
            word ^= 1 << bench.random.randrange(256)
        expected = table.check(word)
        found = await bench.try_one(word, bench.random.getrandbits(24))
        if expected is ErrorCode.NONE:
            assert isinstance(found, Unit)
        else:
            assert found is expected, hex(word)


@cocotb.test()
async def order_is_kept_under_stalls(dut):
    bench = Bench(dut, stalls=0.6)
    await reset(dut)
    program = [random_legal(bench.random) for _ in range(200)]
    items = [
        {"instruction": instruction.encode(), "index": index}
        for index, instruction in enumerate(program)
    ]
    await bench.source.send(items)
    await cycles(dut, 5)
    assert bench.order == [instruction.unit for instruction in program]
    for unit, sink in bench.sinks.items():
        wanted = [item for item, one in zip(items, program, strict=True) if one.unit is unit]
        assert list(sink.items) == wanted
    assert not bench.errors


@cocotb.test()
async def one_instruction_every_two_cycles(dut):
    bench = Bench(dut)
    await reset(dut)
    word = Instruction(Opcode.SYNC, {"unit": 1}).encode()
    bench.source.put([{"instruction": word, "index": index} for index in range(100)])
    await cycles(dut, 2 * 50 + 4)
    assert bench.sinks[Unit.MATMUL].received >= 50


@cocotb.test()
async def nothing_after_an_error_or_halt(dut):
    bench = Bench(dut)
    await reset(dut)
    good = Instruction(Opcode.SYNC, {"unit": 0}).encode()
    words = [good, good, 0, good, good]
    bench.source.put([{"instruction": word, "index": n} for n, word in enumerate(words)])
    await cycles(dut, 30)
    assert len(bench.order) == 2 and [error["index"] for error in bench.errors] == [2]
    bench.source._waiting.clear()
    await reset(dut)
    dut.halt.value = 1
    bench.source.put([{"instruction": good, "index": 0}])
    await cycles(dut, 10)
    assert len(bench.order) == 2
    dut.halt.value = 0
    await cycles(dut, 3)
    assert len(bench.order) == 3
