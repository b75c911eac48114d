# SPDX-License-Identifier: Apache-2.0
"""Cocotb tests of the scratchpads and the accumulator, cycle by cycle against a list of words."""

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly

from weft.hdl.memory.ports import chunk_layout, int8_vector, int32_vector, request_layout
from weft.sim.bench.payload import Codec
from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import reset, start_clock


class Schedule:
    """Things to check or do at later cycles."""

    def __init__(self):
        self.due = {}
        self.cycle = 0

    def after(self, delay, item):
        self.due.setdefault(self.cycle + delay, []).append(item)

    def now(self):
        return self.due.pop(self.cycle, [])


def wrap(value, bits):
    half = 1 << (bits - 1)
    return (value + half) % (2 * half) - half


@cocotb.test()
async def scratchpad(dut):
    """MATMUL reads, other reads and writes, with addresses that often share a bank."""
    parameters, random = bench_parameters(), bench_random()
    if parameters["memory"] == "accumulator":
        return
    depth, length = parameters["depth"], parameters["length"]
    half = depth // 2
    banked = parameters["memory"] == "activation"
    vector = Codec(int8_vector(length))
    write = Codec(chunk_layout((depth - 1).bit_length(), 1, int8_vector(length)))
    start_clock(dut)
    dut.matmul_read__enable.value = dut.write__valid.value = 0
    dut.matmul_read__address.value = 0
    if banked:
        dut.read__valid.value = 0
        dut.read__payload.value = 0
    await reset(dut)
    words = [None] * depth
    readable = [0] * depth  # Cycle from which each word can be read.
    schedule = Schedule()
    request, stalled = None, 0
    for cycle in range(parameters["cycles"]):
        schedule.cycle = cycle
        busy = random.choice([0.1, 0.5, 1.0])
        # A word is read only once its write has been done, and written only if nobody reads it.
        written = random.randrange(depth) if cycle >= depth else cycle
        known = [
            address
            for address, word in enumerate(words)
            if word is not None and address != written and cycle >= readable[address]
        ]
        matmul = random.choice(known) if known and random.random() < busy else None
        if request is None and known and random.random() < busy:
            request = random.choice(known)
        if written == request or (cycle >= depth and random.random() < 0.3):
            written = None
        word = [random.randint(-128, 127) for _ in range(length)]
        dut.matmul_read__enable.value = int(matmul is not None)
        dut.matmul_read__address.value = random.randrange(depth) if matmul is None else matmul
        dut.write__valid.value = int(written is not None)
        dut.write__payload.value = write.pack(
            {"address": written or 0, "slot": 0, "data": word}
        )
        if banked:
            dut.read__valid.value = int(request is not None)
            dut.read__payload.value = request or 0
        await ReadOnly()
        ready = not (parameters.get("single_port") and matmul is not None)
        assert int(dut.write__ready.value) == ready
        if matmul is not None:
            schedule.after(parameters["matmul_latency"], ("matmul", words[matmul]))
        if banked and request is not None:
            same_bank = parameters["banks"] == 1 or (matmul or 0) // half == request // half
            conflict = matmul is not None and same_bank
            assert int(dut.read__ready.value) != conflict
            stalled += conflict
            if not conflict:
                schedule.after(parameters["read_latency"], ("read", words[request]))
                request = None
        expected = dict(schedule.now())
        if "matmul" in expected:
            assert vector.unpack(int(dut.matmul_read__data.value)) == expected["matmul"]
        elif not banked and cycle >= parameters["matmul_latency"]:
            assert int(dut.matmul_read__data.value) == 0
        if banked:
            assert bool(int(dut.read_data__valid.value)) == ("read" in expected)
            if "read" in expected:
                assert vector.unpack(int(dut.read_data__data.value)) == expected["read"]
        if written is not None and ready:
            words[written] = word
            readable[written] = cycle + parameters["write_latency"]
        await FallingEdge(dut.clk)
    assert stalled or not banked


@cocotb.test()
async def accumulator(dut):
    """Updates as close as allowed, with reads and writes of both banks in between."""
    parameters, random = bench_parameters(), bench_random()
    if parameters["memory"] != "accumulator":
        return
    depth, cols, width = parameters["depth"], parameters["length"], parameters["width"]
    data_width = parameters["data_width"]
    slots = parameters["slots"]
    latency_difference = parameters["update_latency"] - parameters["write_latency"]
    part = int32_vector(cols // slots)
    codec, address_width = Codec(part), (depth - 1).bit_length()
    write = Codec(chunk_layout(address_width, slots, part))
    read = Codec(request_layout(address_width, slots))
    start_clock(dut)
    for port in (
        "update__valid",
        "update__accumulate",
        "update__address",
        "update__data",
        "read__valid",
        "read__payload",
        "write__valid",
    ):
        getattr(dut, port).value = 0
    await reset(dut)
    words = [None] * depth
    parts = [[None] * slots for _ in words]  # Of the words that are not complete.
    updated = [-100] * depth  # Cycle of the last update of each word.
    schedule = Schedule()
    request = item = None
    stalls = {"read": 0, "write": 0}
    half = 1 << (data_width - 1)
    for cycle in range(parameters["cycles"]):
        schedule.cycle = cycle
        filling = cycle < 2 * depth * slots
        busy = random.choice([0.1, 0.5, 1.0])
        settled = [
            address
            for address in range(depth)
            if words[address] is not None
            and cycle - updated[address] >= parameters["update_latency"]
            and (item is None or item[0] != address)
        ]
        if request is None and settled and random.random() < busy:
            request = random.choice(settled), random.randrange(slots)
        if item is None and (filling or random.random() < 0.5):
            reading = request and request[0]
            free = [a for a in settled if a != reading] if not filling else []
            if filling:
                free = [a for a in range(depth) if words[a] is None and a != reading]
            if free:
                word = [random.randint(-(2**31), 2**31 - 1) for _ in range(cols // slots)]
                address = random.choice(free)
                missing = [n for n in range(slots) if parts[address][n] is None]
                item = address, random.choice(missing if filling else range(slots)), word
        update = None
        if not filling and random.random() < busy:
            address = random.choice([random.randrange(depth), random.randrange(3)])
            accumulate = random.randrange(2)
            gap = cycle - updated[address]
            taken = address in (request and request[0], item and item[0]) or words[address] is None
            if not taken and (not accumulate or gap >= parameters["hazard_distance"]):
                update = address, accumulate
        dut.update__valid.value = int(update is not None)
        dut.update__address.value = update[0] if update else random.randrange(depth)
        dut.update__accumulate.value = update[1] if update else random.randrange(2)
        dut.read__valid.value = int(request is not None)
        address, slot = request or (0, 0)
        dut.read__payload.value = read.pack({"address": address, "slot": slot})
        dut.write__valid.value = int(item is not None)
        address, slot, word = item or (0, 0, [0] * (cols // slots))
        dut.write__payload.value = write.pack({"address": address, "slot": slot, "data": word})
        values = [random.randint(-half, half - 1) for _ in range(cols)]
        expected = {}
        for kind, payload in schedule.now():
            expected[kind] = payload
        if "data" in expected:
            values = expected["data"]
        dut.update__data.value = sum(
            (value % (2 * half)) << (data_width * column) for column, value in enumerate(values)
        )
        await ReadOnly()

        def same_bank(one, other):
            return parameters["banks"] == 1 or (one >= depth // 2) == (other >= depth // 2)

        if request is not None:
            stalls_read = update and (update[1] or parameters["one_at_a_time"])
            conflict = bool(stalls_read) and same_bank(update[0], request[0])
            assert int(dut.read__ready.value) != conflict
            stalls["read"] += conflict
            if not conflict:
                size = cols // slots
                shown = words[request[0]][request[1] * size :][:size]
                schedule.after(parameters["read_latency"], ("read", shown))
                request = None
        if item is not None:
            conflict = "sum" in expected and same_bank(expected["sum"], item[0])
            assert int(dut.write__ready.value) != conflict
            stalls["write"] += conflict
            if not conflict:
                address, slot, word = item
                parts[address][slot] = [wrap(value, width) for value in word]
                updated[address] = cycle - latency_difference
                if None not in parts[address]:
                    words[address] = sum(parts[address], [])
                item = None
        assert bool(int(dut.read_data__valid.value)) == ("read" in expected)
        if "read" in expected:
            assert codec.unpack(int(dut.read_data__data.value)) == expected["read"]
        if update is not None:
            address, accumulate = update
            new = [random.randint(-half, half - 1) for _ in range(cols)]
            schedule.after(parameters["data_delay"], ("data", new))
            # A write that is chosen before the cycle of the sum can be read as much later.
            schedule.after(latency_difference, ("sum", address))
            old = words[address] if accumulate else [0] * cols
            words[address] = [wrap(a + b, width) for a, b in zip(old, new, strict=True)]
            size = cols // slots
            parts[address] = [words[address][n * size :][:size] for n in range(slots)]
            updated[address] = cycle
        await FallingEdge(dut.clk)
    assert stalls["read"] and stalls["write"]
