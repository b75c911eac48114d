# SPDX-License-Identifier: Apache-2.0
"""Cocotb tests of ByteMover against arrays of bytes."""

import cocotb
import numpy as np
from axi_agents import AxiMemory, Bench

from weft.hdl.config import Config
from weft.hdl.isa import Memory
from weft.hdl.memory.ports import chunk_layout, request_layout
from weft.hdl.serial.mover import MOVE_COMMAND
from weft.sim.bench.payload import Codec
from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import reset, start_clock

DRAM_BYTES = 1 << 14
LATENCIES = {Memory.ACTIVATION: 2, Memory.ACCUMULATOR: 1}
STALLS = {name: 0.3 for name in ("ar", "r", "aw", "w", "b", "latency")} | {"latency": 5}


class OnChip:
    """A memory's words in slots, behind a port that stalls."""

    def __init__(self, bench, memory, depth, slots, chunk, random):
        self.wires, self.name, self.random = bench.wires, memory.name.lower(), random
        self.chunk = chunk
        self.slots = slots
        self.words = [bytearray(random.randbytes(chunk * slots)) for _ in range(depth)]
        width = (depth - 1).bit_length()
        self.write = Codec(chunk_layout(width, slots, 8 * chunk))
        self.reads = memory is not Memory.WEIGHT
        self.request = Codec(request_layout(width, slots))
        self.latency = LATENCIES.get(memory)
        self.answers = {}
        bench.add(self)

    def drive(self, cycle):
        self.ready = self.random.random() < 0.6
        self.wires.set(f"{self.name}_write__ready", int(self.ready))
        if self.reads:
            answer = self.answers.pop(cycle, None)
            self.wires.set(f"{self.name}_read__ready", int(self.ready))
            self.wires.set(f"{self.name}_data__valid", int(answer is not None))
            data = self.random.randbytes(self.chunk) if answer is None else answer
            self.wires.set(f"{self.name}_data__data", int.from_bytes(data, "little"))

    def observe(self, cycle):
        if self.wires.get(f"{self.name}_write__valid") and self.ready:
            item = self.write.unpack(self.wires.get(f"{self.name}_write__payload"))
            place = item["slot"] * self.chunk
            data = item["data"].to_bytes(self.chunk, "little")
            self.words[item["address"]][place : place + self.chunk] = data
        if self.reads and self.wires.get(f"{self.name}_read__valid") and self.ready:
            item = self.request.unpack(self.wires.get(f"{self.name}_read__payload"))
            place = item["slot"] * self.chunk
            word = self.words[item["address"]]
            self.answers[cycle + self.latency] = bytes(word[place : place + self.chunk])


class MoverBench:
    def __init__(self, dut, bad=()):
        self.random = random = bench_random()
        self.config = config = Config.from_dict(bench_parameters()["config"])
        self.dram = np.frombuffer(random.randbytes(DRAM_BYTES), np.uint8).copy()
        self.bench = bench = Bench(dut)
        options = {
            "data_bytes": 4, "random": random, "max_burst_beats": 1, "latency": 2,
            "stalls": STALLS, "outstanding": 1, "bad": bad,
        }
        AxiMemory(bench, "read__", self.dram, **options)
        AxiMemory(bench, "write__", self.dram, **options, read=False, write=True)
        slots = config.accumulator_slots
        self.memories = {
            Memory.ACTIVATION: OnChip(
                bench, Memory.ACTIVATION, config.activation_depth, 1, config.rows, random
            ),
            Memory.WEIGHT: OnChip(
                bench, Memory.WEIGHT, config.weight_depth, 1, config.cols, random
            ),
            Memory.ACCUMULATOR: OnChip(
                bench, Memory.ACCUMULATOR, config.accumulator_depth, slots,
                config.accumulator_bytes // slots, random,
            ),
        }
        self.bits = {name: n for n, name in enumerate(MOVE_COMMAND.members)}
        start_clock(dut)

    async def start(self):
        put = self.bench.wires.set
        for name in ("command", "value", "halt", "wants", "bits__ready"):
            put(name, 0)
        for agent in self.bench.agents:
            agent.drive(0)
        await reset(self.bench.wires.dut)
        return self

    async def command(self, name, value=0):
        self.bench.wires.set("command", 1 << self.bits[name])
        self.bench.wires.set("value", value)
        await self.bench.step()
        self.bench.wires.set("command", 0)

    async def at(self, memory, word, address, fill=0):
        """Everything but the row."""
        await self.command("memory", memory.value)
        await self.command("word", word)
        await self.command("fill", fill)
        await self.address(address)

    async def address(self, address):
        await self.command("address_low", address & 0xFFFF)
        await self.command("address_high", address >> 16)

    async def end(self):
        await self.bench.run_until(lambda: not self.bench.wires.get("busy"), 5000)
        await self.bench.run(2)

    def place(self):
        """A memory, a word in it and the bytes of a row that fits."""
        memory = self.random.choice(list(self.memories))
        words = self.memories[memory].words
        word = self.random.randrange(len(words))
        most = min(len(words[0]) * (len(words) - word), 40)
        return memory, word, self.random.randrange(1, most + 1)


def laid_out(words):
    return b"".join(map(bytes, words))


@cocotb.test()
async def loads_rows_and_fills_words(dut):
    bench = await MoverBench(dut).start()
    for _ in range(bench_parameters()["count"]):
        memory, word, size = bench.place()
        words = bench.memories[memory].words
        address, fill = bench.random.randrange(DRAM_BYTES - size), bench.random.randrange(256)
        expected = [bytearray(item) for item in words]
        width = len(words[0])
        end = word + -(-size // width)
        data = bytes(bench.dram[address : address + size]).ljust((end - word) * width, b"%c" % fill)
        expected[word:end] = [data[n : n + width] for n in range(0, len(data), width)]
        await bench.at(memory, word, address, fill)
        await bench.command("last_byte", size - 1)
        await bench.command("load_row")
        await bench.end()
        # The next words follow without being named.
        for filled in range(end, min(end + 2, len(words))):
            await bench.command("fill_word")
            await bench.end()
            expected[filled] = bytes([fill]) * width
        assert laid_out(words) == laid_out(expected), (memory, word, size, address)


@cocotb.test()
async def stores_rows(dut):
    bench = await MoverBench(dut).start()
    for _ in range(bench_parameters()["count"]):
        memory, word, size = bench.place()
        if memory is Memory.WEIGHT:
            continue
        words = bench.memories[memory].words
        first, width = bench.random.randrange(DRAM_BYTES // 2), len(words[0])
        expected = bench.dram.copy()
        await bench.at(memory, word, first)
        # A second row takes the words behind those of the first.
        rows = 2 if word + 2 * -(-size // width) <= len(words) else 1
        for row in range(rows):
            begin = (word + row * -(-size // width)) * width
            address = first + row * (size + bench.random.randrange(9))
            data = laid_out(words)[begin : begin + size]
            expected[address : address + size] = np.frombuffer(data, np.uint8)
            await bench.address(address)
            await bench.command("last_byte", size - 1)
            await bench.command("store_row")
            await bench.end()
        assert np.array_equal(bench.dram, expected), (memory, word, size, first)


@cocotb.test()
async def hands_out_bits(dut):
    bench = await MoverBench(dut).start()
    wires = bench.bench.wires
    for _ in range(6):
        address = 4 * bench.random.randrange(DRAM_BYTES // 4 - 9)
        await bench.address(address)
        await bench.command("stream")
        bits = []
        while len(bits) < 256:
            wanted = int(bench.random.random() < 0.8)
            wires.set("wants", wanted)
            wires.set("bits__ready", wanted)
            before = wanted and wires.get("bits__valid")
            if before:
                bits.append(wires.get("bits__payload"))
            await bench.bench.step()
        wires.set("wants", 0)
        wires.set("bits__ready", 0)
        data = np.packbits(np.array(bits, np.uint8), bitorder="little")
        assert np.array_equal(data, bench.dram[address : address + 32])


@cocotb.test()
async def stops_at_error_responses(dut):
    window = (4096, 4100)
    bench = await MoverBench(dut, bad=[window]).start()
    wires = bench.bench.wires
    memory = Memory.ACTIVATION
    for name in ("load_row", "store_row") * 4:
        await bench.at(memory, 0, window[0] - bench.random.randrange(1, 9))
        assert not wires.get("failed")
        await bench.command("last_byte", 15)
        await bench.command(name)
        await bench.end()
        assert wires.get("failed") and wires.get("beat") == window[0]
    await bench.address(window[0])
    await bench.command("stream")
    wires.set("wants", 1)
    wires.set("bits__ready", 1)
    await bench.bench.run(100)
    # Bits are zero then, so that whoever takes them comes to an end.
    for _ in range(40):
        assert wires.get("bits__valid") and not wires.get("bits__payload")
        await bench.bench.step()
    assert wires.get("failed") and wires.get("beat") == window[0]


@cocotb.test()
async def ends_what_is_on_the_bus_when_halted(dut):
    """AxiMemory checks that no address or datum is withdrawn."""
    bench = await MoverBench(dut).start()
    wires = bench.bench.wires
    for turn in range(30):
        await bench.at(Memory.ACTIVATION, 0, bench.random.randrange(1000))
        await bench.command("last_byte", 31)
        await bench.command(("load_row", "store_row")[turn % 2])
        await bench.bench.run(bench.random.randrange(60))
        wires.set("halt", 1)
        await bench.bench.run(60)
        assert wires.get("idle") and not wires.get("read__arvalid")
        await bench.command("load_row")
        await bench.bench.run(10)
        assert not wires.get("busy")
        wires.set("halt", 0)
