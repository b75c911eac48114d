# SPDX-License-Identifier: Apache-2.0
"""Cocotb tests of the register file through its AXI4-Lite port."""

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly

from weft.hdl.config import Config
from weft.hdl.control.register_map import stored_bits
from weft.hdl.control.supervisor import FAULT_LAYOUT, STATUS_LAYOUT
from weft.hdl.isa import ErrorCode
from weft.hdl.registers import COUNTERS, REGISTERS, Access, configuration_value, register
from weft.hdl.units.segment_table import SEGMENT_WRITE_LAYOUT
from weft.sim.bench.payload import Codec
from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import cycles, reset, start_clock

OKAY, SLVERR = 0, 2
FAULT = {
    "code": ErrorCode.SEGMENT_LIMIT,
    "source": 3,
    "index": 0xABCDEF,
    "address": 0x0123_4567_89AB_CDEF,
}
STATUS = {"running": 0, "done": 1, "error": 0, "draining": 1, "resetting": 0}


class Port:
    """An AXI4-Lite manager that stalls at random on every channel."""

    def __init__(self, dut, stalls):
        self.dut, self.random, self.stalls = dut, bench_random(), stalls
        for name in ("awvalid", "wvalid", "arvalid", "bready", "rready"):
            self.wire(name).value = 0

    def wire(self, name):
        return getattr(self.dut, f"bus__{name}")

    async def pause(self):
        while self.random.random() < self.stalls:
            await cycles(self.dut)

    async def offer(self, channel, **values):
        await self.pause()
        for name, value in values.items():
            self.wire(channel + name).value = value
        self.wire(f"{channel}valid").value = 1
        await self.until(f"{channel}ready")
        await cycles(self.dut)
        self.wire(f"{channel}valid").value = 0
        for name in values:
            self.wire(channel + name).value = self.random.getrandbits(4)

    async def take(self, channel, names):
        """Wait for a response, leave it standing for a while, then take it."""
        await self.until(f"{channel}valid")
        before = [int(self.wire(channel + name).value) for name in names]
        await cycles(self.dut)
        await self.pause()
        self.wire(f"{channel}ready").value = 1
        await self.until(f"{channel}valid")
        assert before == [int(self.wire(channel + name).value) for name in names]
        await cycles(self.dut)
        self.wire(f"{channel}ready").value = 0
        return before

    async def until(self, name):
        for _ in range(1000):
            await ReadOnly()
            if int(self.wire(name).value):
                return
            await FallingEdge(self.dut.clk)
        raise AssertionError(f"{name} did not come")

    async def write(self, offset, value, strobe=15):
        address = cocotb.start_soon(self.offer("aw", addr=offset))
        data = cocotb.start_soon(self.offer("w", data=value, strb=strobe))
        (response,) = await self.take("b", ["resp"])
        assert address.done() and data.done()
        return response

    async def read(self, offset):
        address = cocotb.start_soon(self.offer("ar", addr=offset))
        response, value = await self.take("r", ["resp", "data"])
        assert address.done()
        return response, value


def configuration():
    return Config.from_dict(bench_parameters()["config"])


async def counters(dut):
    """Answers counter requests after a while with a value that names the counter."""
    random = bench_random()
    while True:
        await FallingEdge(dut.clk)
        dut.counter_valid.value = 0
        if int(dut.counter_request.value):
            await cycles(dut, random.randrange(25))
            assert int(dut.counter_request.value)
            dut.counter_value.value = 0xC0DE0000 + int(dut.counter_number.value)
            dut.counter_valid.value = 1
            await FallingEdge(dut.clk)
            dut.counter_valid.value = 0
            dut.counter_value.value = random.getrandbits(32)


class Pulses:
    """Counts cycles in which commands are given."""

    def __init__(self, dut):
        self.dut, self.start, self.soft_reset = dut, 0, 0
        cocotb.start_soon(self.run())

    async def run(self):
        while True:
            await FallingEdge(self.dut.clk)
            await ReadOnly()
            self.start += int(self.dut.start.value) if not int(self.dut.rst.value) else 0
            self.soft_reset += int(self.dut.soft_reset.value) if not int(self.dut.rst.value) else 0


async def begin(dut, stalls=0.4):
    start_clock(dut)
    for name in ("done_event", "error_event", "clear_events", "counter_valid", "counter_value"):
        getattr(dut, name).value = 0
    dut.startable.value = 1
    dut.status.value = Codec(STATUS_LAYOUT).pack(STATUS)
    dut.fault.value = Codec(FAULT_LAYOUT).pack(FAULT)
    port = Port(dut, stalls)
    cocotb.start_soon(counters(dut))
    port.segments = {}
    cocotb.start_soon(segment_table(dut, port.segments))
    await reset(dut)
    return port


async def segment_table(dut, table):
    """Keeps what is written into the segment tables, by part and number."""
    while True:
        await FallingEdge(dut.clk)
        write = dut.segment_write.value
        if write.is_resolvable:
            write = Codec(SEGMENT_WRITE_LAYOUT).unpack(int(write))
            for part in ("base_low", "base_high", "limit"):
                if write[part]:
                    table[part, write["number"]] = write["data"]


def set_running(dut, running):
    dut.status.value = Codec(STATUS_LAYOUT).pack({**STATUS, "running": running})


def expected(item, config):
    """Value after reset with the inputs of `begin`."""
    if item.constant:
        return configuration_value(item, config)
    if item.name.startswith("COUNTER_"):
        names = [name for name, _ in COUNTERS]
        return 0xC0DE0000 + names.index(item.name.removeprefix("COUNTER_"))
    return {
        "STATUS": Codec(STATUS_LAYOUT).pack(STATUS),
        "ERROR_CODE": ErrorCode.SEGMENT_LIMIT.value | 3 << 8,
        "ERROR_INSTRUCTION": FAULT["index"],
        "ERROR_ADDRESS_LOW": FAULT["address"] & 0xFFFF_FFFF,
        "ERROR_ADDRESS_HIGH": FAULT["address"] >> 32,
    }.get(item.name, item.reset)


def stored():
    return [item for item in REGISTERS if item.access is Access.READ_WRITE]


@cocotb.test()
async def every_register_after_reset(dut):
    port = await begin(dut, stalls=0)
    for item in REGISTERS:
        response, value = await port.read(item.offset + port.random.randrange(4))
        assert response == OKAY, item.name
        assert value == expected(item, configuration()), f"{item.name} reads {value:#x}"
    assert int(dut.watchdog_limit.value) == register("WATCHDOG").reset
    assert int(dut.irq.value) == 0


@cocotb.test()
async def unknown_addresses(dut):
    port = await begin(dut, stalls=0)
    pulses = Pulses(dut)
    known = {item.offset for item in REGISTERS}
    holes = [offset for offset in range(0, 4096, 4) if offset not in known]
    near = [
        offset for offset in holes if offset - 4 in known or offset + 4 in known or offset == 4092
    ]
    for offset in near + port.random.sample(holes, 40):
        assert await port.read(offset) == (SLVERR, 0)
        assert await port.write(offset, 0xFFFF_FFFF) == SLVERR
    for item in stored():
        assert (await port.read(item.offset))[1] == item.reset
    assert (pulses.start, pulses.soft_reset) == (0, 0)


@cocotb.test()
async def read_only_registers_refuse_writes(dut):
    port = await begin(dut, stalls=0)
    for item in REGISTERS:
        if item.access is Access.READ_ONLY:
            assert await port.write(item.offset, 0xFFFF_FFFF) == SLVERR, item.name
            assert await port.write(item.offset, 0, strobe=0) == SLVERR, item.name


@cocotb.test()
async def stored_registers_with_strobes(dut):
    port = await begin(dut)
    config = configuration()
    shadow = {item.name: item.reset for item in stored()}
    for _ in range(250):
        item = port.random.choice(stored())
        if port.random.random() < 0.6:
            value, strobe = port.random.getrandbits(32), port.random.getrandbits(4)
            lanes = sum(0xFF << 8 * lane for lane in range(4) if strobe >> lane & 1)
            assert await port.write(item.offset, value, strobe) == OKAY
            mixed = (shadow[item.name] & ~lanes) | (value & lanes)
            shadow[item.name] = mixed & stored_bits(item, config)
        assert await port.read(item.offset) == (OKAY, shadow[item.name]), item.name
    check_outputs(port, shadow)


def check_outputs(port, shadow):
    dut = port.dut
    high, low = shadow["PROGRAM_ADDRESS_HIGH"], shadow["PROGRAM_ADDRESS_LOW"]
    assert int(dut.program_address.value) == high << 32 | low
    assert int(dut.program_length.value) == shadow["PROGRAM_LENGTH"]
    assert int(dut.watchdog_limit.value) == shadow["WATCHDOG"]
    for number in range(8):
        for part in ("base_low", "base_high", "limit"):
            value = shadow[f"SEGMENT{number}_{part.upper()}"]
            if part == "limit":
                value = min(value, 1 << configuration().axi_address_width)
            assert port.segments[part, number] == value


@cocotb.test()
async def locked_while_running(dut):
    port = await begin(dut, stalls=0)
    config = configuration()
    for running in (1, 0):
        set_running(dut, running)
        for item in stored():
            value = port.random.getrandbits(32)
            before = (await port.read(item.offset))[1]
            response = await port.write(item.offset, value)
            refused = running and item.locked
            assert response == (SLVERR if refused else OKAY), item.name
            after = before if refused else value & stored_bits(item, config)
            assert await port.read(item.offset) == (OKAY, after), item.name


@cocotb.test()
async def commands(dut):
    port = await begin(dut)
    control = register("CONTROL").offset
    pulses = Pulses(dut)
    cases = [
        # startable, value, strobe, response, start, soft reset
        (1, 1, 15, OKAY, 1, 0),
        (0, 1, 15, SLVERR, 0, 0),
        (0, 1, 14, OKAY, 0, 0),
        (1, 2, 15, OKAY, 0, 1),
        (0, 2, 1, OKAY, 0, 1),
        (1, 3, 15, SLVERR, 0, 0),
        (0, 3, 15, SLVERR, 0, 0),
        (1, 0xFFFF_FFFC, 15, OKAY, 0, 0),
        (1, 0, 15, OKAY, 0, 0),
    ]
    for startable, value, strobe, response, start, soft_reset in cases:
        dut.startable.value = startable
        pulses.start = pulses.soft_reset = 0
        assert await port.write(control, value, strobe) == response, (startable, value)
        await cycles(dut, 3)
        assert (pulses.start, pulses.soft_reset) == (start, soft_reset), (startable, value)
        assert await port.read(control) == (OKAY, 0)


@cocotb.test()
async def interrupt(dut):
    port = await begin(dut)
    enable, status = register("IRQ_ENABLE").offset, register("IRQ_STATUS").offset
    events = {1: dut.done_event, 2: dut.error_event}

    async def happen(bit):
        events[bit].value = 1
        await cycles(dut)
        events[bit].value = 0
        await cycles(dut, 2)

    for mask in range(4):
        await port.write(enable, mask)
        for bit in events:
            await happen(bit)
            assert int(dut.irq.value) == int(bool(mask & bit))
            assert await port.read(status) == (OKAY, bit)
            assert await port.write(status, 3 & ~bit) == OKAY
            assert await port.write(status, bit, strobe=14) == OKAY
            assert await port.read(status) == (OKAY, bit)
            assert await port.write(status, bit) == OKAY
            assert await port.read(status) == (OKAY, 0)
            assert int(dut.irq.value) == 0
    await happen(1)
    await happen(2)
    assert await port.read(status) == (OKAY, 3)
    dut.clear_events.value = 1
    await cycles(dut)
    dut.clear_events.value = 0
    assert await port.read(status) == (OKAY, 0)


@cocotb.test()
async def event_in_the_cycle_in_which_it_is_cleared(dut):
    """An event that comes any number of cycles after a write that clears it: none is lost."""
    port = await begin(dut, stalls=0)
    status = register("IRQ_STATUS").offset
    await port.write(register("IRQ_ENABLE").offset, 3)
    for bit, event in ((1, dut.done_event), (2, dut.error_event)):
        low_cycles, left = [], []
        for delay in range(24):
            event.value = 1
            await cycles(dut)
            event.value = 0
            await cycles(dut, 2)
            writing = cocotb.start_soon(port.write(status, bit))
            low_cycles.append(0)
            for cycle in range(32):
                event.value = int(cycle == delay)
                await cycles(dut)
                low_cycles[-1] += 1 - int(dut.irq.value)
            assert await writing == OKAY
            left.append((await port.read(status))[1])
            assert await port.write(status, 3) == OKAY
        same = left.index(bit)
        assert 0 < same < 20
        assert left == [0] * same + [bit] * (24 - same)
        # In the very cycle the bit stays set; n cycles later the interrupt was low for n cycles.
        assert low_cycles[same:] == list(range(24 - same))
        assert all(low_cycles[:same])


@cocotb.test()
async def reads_and_writes_at_the_same_time(dut):
    port = await begin(dut, stalls=0.3)
    low, high = register("SEGMENT2_LIMIT").offset, register("SEGMENT5_LIMIT").offset
    await port.write(high, 0x5A5A5A5A)

    async def writer():
        for value in range(40):
            assert await port.write(low, value) == OKAY

    async def reader():
        for _ in range(40):
            assert await port.read(high) == (OKAY, 0x5A5A5A5A)

    tasks = [cocotb.start_soon(writer()), cocotb.start_soon(reader())]
    for task in tasks:
        await task
    assert await port.read(low) == (OKAY, 39)
