# SPDX-License-Identifier: Apache-2.0
"""Cocotb tests of dispatch: each rule alone, then everything at random."""

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly

from weft.hdl.bus import ERROR_LAYOUT
from weft.hdl.control.dispatch import DISPATCH_LATENCY, write_layout
from weft.hdl.control.instruction_word import word_layout, words_of_instruction
from weft.hdl.control.legality import InstructionRules
from weft.hdl.isa import FORMATS, ErrorCode, Instruction, Opcode, Unit
from weft.sim.bench.payload import Codec
from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import cycles, reset, start_clock


def rules():
    sizes = dict(bench_parameters())
    del sizes["data_width"]
    return InstructionRules(**sizes)


class Bench:
    """Cuts instructions into words and puts them together again where they are committed."""

    def __init__(self, dut, gaps=0.0):
        self.dut, self.random, self.gaps = dut, bench_random(), gaps
        width = bench_parameters()["data_width"]
        self.words = words_of_instruction(width)
        self.units = rules().units()
        self.codec = Codec(word_layout(width))
        self.writes = Codec(write_layout(width, len(self.units)))
        start_clock(dut)
        dut.halt.value = dut.i__valid.value = 0
        self.items, self.errors = [], []
        self.parts = {unit: [] for unit in self.units}
        cocotb.start_soon(self.watch())

    async def watch(self):
        error = Codec(ERROR_LAYOUT)
        while True:
            await FallingEdge(self.dut.clk)
            await ReadOnly()
            if int(self.dut.rst.value):
                self.parts = {unit: [] for unit in self.units}
                continue
            if str(self.dut.error.value)[-1] == "1":
                self.errors.append(error.unpack(int(self.dut.error.value)))
            commit = int(self.dut.commit.value)
            assert commit & (commit - 1) == 0
            for number, unit in enumerate(self.units):
                if commit >> number & 1:
                    parts, self.parts[unit] = (
                        self.parts[unit][: self.words],
                        self.parts[unit][self.words :],
                    )
                    self.items.append((unit, self.join(parts)))
            if int(self.dut.o__valid.value):
                write = self.writes.unpack(int(self.dut.o__payload.value))
                word = write["word"]
                assert write["last"] == int(word["position"] == self.words - 1)
                self.parts[self.units[write["unit"]]].append(word)

    def join(self, parts):
        assert [word["position"] for word in parts] == list(range(self.words))
        assert len({word["index"] for word in parts}) == 1
        width = 256 // self.words
        whole = sum(word["data"] << width * n for n, word in enumerate(parts))
        return whole, parts[0]["index"]

    async def send(self, instructions):
        """Pairs of an instruction and its index, word by word, with gaps at random."""
        width = 256 // self.words
        for whole, index in instructions:
            for position in range(self.words):
                while self.random.random() < self.gaps:
                    await cycles(self.dut)
                data = whole >> position * width & ((1 << width) - 1)
                self.dut.i__payload.value = self.codec.pack(
                    {"data": data, "position": position, "index": index}
                )
                self.dut.i__valid.value = 1
                await cycles(self.dut)
                self.dut.i__valid.value = 0
                self.dut.i__payload.value = self.random.getrandbits(self.codec.width)

    async def try_one(self, word, index):
        """Reset, then offer one instruction; returns where it went, or the error."""
        self.errors.clear()
        self.items.clear()
        await reset(self.dut, 2)  # the first cycle of all may have no rising edge
        await self.send([(word, index)])
        for cycle in range(DISPATCH_LATENCY + 2):
            found = bool(self.items or self.errors)
            assert found == (cycle >= DISPATCH_LATENCY - 1), cycle
            await cycles(self.dut)
        assert len(self.items) + len(self.errors) == 1, (hex(word), self.items, self.errors)
        if self.errors:
            (error,) = self.errors
            assert (error["index"], error["address"]) == (index, 0)
            return error["code"]
        ((unit, item),) = self.items
        assert item == (word, index)
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
async def order_is_kept(dut):
    for gaps in (0.0, 0.6):
        bench = Bench(dut, gaps)
        await reset(dut)
        program = [random_legal(bench.random) for _ in range(200)]
        items = [(instruction.encode(), index) for index, instruction in enumerate(program)]
        await bench.send(items)
        await cycles(dut, DISPATCH_LATENCY)
        units = [instruction.unit for instruction in program]
        assert bench.items == list(zip(units, items, strict=True))
        assert not bench.errors


@cocotb.test()
async def nothing_after_an_error_or_halt(dut):
    bench = Bench(dut)
    await reset(dut)
    good = Instruction(Opcode.SYNC, {"unit": 0}).encode()
    await bench.send([(word, n) for n, word in enumerate([good, good, 0, good, 1 << 255, good])])
    await cycles(dut, 10)
    assert len(bench.items) == 2 and [error["index"] for error in bench.errors] == [2]
    bench.items.clear()
    await reset(dut)
    dut.halt.value = 1
    await bench.send([(good, 0)])
    await cycles(dut, 10)
    assert not bench.items
