# SPDX-License-Identifier: Apache-2.0
"""A product written by hand, through the bus ports; started by test_smoke.py."""

import logging

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge, with_timeout
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam, AxiResp

from weft.hdl.bus import AXI_BURST_INCR
from weft.hdl.config import Config
from weft.hdl.isa import ErrorCode, ErrorSource, Instruction, Memory, Opcode
from weft.hdl.registers import COUNTERS, REGISTERS, configuration_value, register
from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import cycles, reset, start_clock

A, B, C, PROGRAM = 0x1000, 0x2000, 0x3003, 0x7FC0
SIZE = 8
CANARY = 0xA5


def field(name, part):
    """The mask of a one-bit register field."""
    return next(1 << item.low for item in register(name).fields if item.name == part)


class Host:
    """The memory, and the driver that a host would run."""

    def __init__(self, dut, stalls=0.0):
        self.dut = dut
        self.config = Config.from_dict(bench_parameters()["config"])
        self.random = bench_random()
        start_clock(dut)
        logging.getLogger("cocotb.weft_accelerator").setLevel(logging.WARNING)
        self.memory = AxiRam(
            AxiBus.from_prefix(dut, "m_axi"), dut.clk, dut.rst, size=1 << 16
        )
        self.bus = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
        if stalls:
            read, write = self.memory.read_if, self.memory.write_if
            for channel in (
                read.ar_channel, read.r_channel, write.aw_channel, write.w_channel, write.b_channel
            ):
                channel.set_pause_generator(iter(lambda: self.random.random() < stalls, None))

    def pause(self, paused):
        """Stop the memory, or let it go on."""
        self.memory.read_if.r_channel.pause = paused
        self.memory.write_if.b_channel.pause = paused

    async def write(self, name, value):
        return (await self.bus.write(register(name).offset, value.to_bytes(4, "little"))).resp

    async def read(self, name):
        return int.from_bytes((await self.bus.read(register(name).offset, 4)).data, "little")

    async def status(self):
        value = await self.read("STATUS")
        return {item.name for item in register("STATUS").fields if value >> item.low & 1}

    async def prepare(self, program, watchdog=2000):
        """Program, segments and interrupts, up to the start."""
        self.memory.write(PROGRAM, b"".join(item.to_bytes() for item in program))
        for number, base in enumerate((A, B, C)):
            await self.write(f"SEGMENT{number}_BASE_LOW", base)
            await self.write(f"SEGMENT{number}_LIMIT", 4 * SIZE * SIZE)
        await self.write("PROGRAM_ADDRESS_LOW", PROGRAM)
        await self.write("PROGRAM_LENGTH", len(program))
        await self.write("WATCHDOG", watchdog)
        await self.write("IRQ_ENABLE", 3)

    async def start(self):
        assert await self.write("CONTROL", field("CONTROL", "START")) == AxiResp.OKAY

    async def interrupt(self):
        if not int(self.dut.irq.value):
            await with_timeout(RisingEdge(self.dut.irq), 100, "us")

    async def soft_reset(self):
        assert await self.write("CONTROL", field("CONTROL", "SOFT_RESET")) == AxiResp.OKAY

    async def multiply(self):
        """Run the product on fresh operands and compare memory around the result as well."""
        rng = np.random.default_rng(self.random.getrandbits(32))
        a, b = (rng.integers(-128, 128, (SIZE, SIZE), dtype=np.int8) for _ in range(2))
        self.memory.write(A, a.tobytes())
        self.memory.write(B, b.tobytes())
        result = 4 * SIZE * SIZE
        self.memory.write(C - 64, bytes([CANARY]) * (result + 128))
        await self.prepare(product())
        await self.start()
        await self.interrupt()
        assert await self.status() == {"DONE"}
        assert await self.read("IRQ_STATUS") == field("IRQ_STATUS", "DONE")
        await self.write("IRQ_STATUS", 3)
        got = bytes(self.memory.read(C - 64, result + 128))
        assert got[:64] == got[-64:] == bytes([CANARY]) * 64, "memory around the result changed"
        wanted = a.astype(np.int32) @ b.astype(np.int32)
        assert np.array_equal(np.frombuffer(got[64:-64], "<i4").reshape(SIZE, SIZE), wanted)


def product():
    """8 x 8 times 8 x 8 on a 4 x 4 array: two blocks of the reduction, two column tiles."""
    activation, weight, accumulator = (
        memory.value for memory in (Memory.ACTIVATION, Memory.WEIGHT, Memory.ACCUMULATOR)
    )
    row = 4 * SIZE
    program = [
        Instruction(
            Opcode.LOAD,
            {"memory": activation, "segment": 0, "bytes": SIZE, "count_x": SIZE, "stride_x": SIZE},
            signal=1 << 0,
        )
    ]
    for tile in range(2):
        loaded, multiplied = 1 << 1 + tile, 1 << 3 + tile
        program += [
            Instruction(
                Opcode.LOAD,
                {
                    "memory": weight, "address": SIZE * tile, "segment": 1, "offset": 4 * tile,
                    "bytes": 4, "count_x": SIZE, "stride_x": SIZE,
                },
                signal=loaded,
            ),
            Instruction(
                Opcode.MATMUL,
                {
                    "weight_address": SIZE * tile, "accumulator_address": SIZE * tile,
                    "channel_blocks": 2, "output_x": SIZE, "activation_stride_channel": 1,
                    "activation_stride_x": 2, "weight_stride_row": 1, "weight_stride_block": 4,
                    "accumulator_stride_x": 1, "last_rows": 4,
                },
                wait=loaded | (1 << 0 if tile == 0 else 0),
                signal=multiplied,
            ),
            Instruction(
                Opcode.STORE,
                {
                    "memory": accumulator, "address": SIZE * tile, "segment": 2,
                    "offset": 16 * tile, "bytes": 16, "count_x": SIZE, "stride_x": row,
                },
                wait=multiplied,
            ),
        ]
    return program


async def begin(dut, stalls=0.0):
    host = Host(dut, stalls)
    await reset(dut, 5)
    await cycles(dut, 2)
    return host


@cocotb.test()
async def identity(dut):
    host = await begin(dut)
    for item in REGISTERS:
        if item.constant:
            assert await host.read(item.name) == configuration_value(item, host.config), item.name
    assert await host.status() == set() and not int(dut.irq.value)
    for channel in ("aw", "ar"):
        assert int(getattr(dut, f"m_axi_{channel}cache").value) == 0b0011
        assert int(getattr(dut, f"m_axi_{channel}burst").value) == AXI_BURST_INCR


@cocotb.test()
async def products_one_after_the_other(dut):
    host = await begin(dut)
    for _ in range(3):
        await host.multiply()
    await check_counters(host)


async def check_counters(host):
    counters = {name: await host.read(f"COUNTER_{name}") for name, _ in COUNTERS}
    array = sum(value for name, value in counters.items() if name.startswith("ARRAY_"))
    assert array == counters["CYCLES"] > 100
    blocks = (SIZE // 4) ** 2
    assert counters["ARRAY_ACTIVE"] == SIZE * blocks
    assert counters["INSTRUCTIONS"] == len(product())
    # The result lies one byte before a multiple of four: each row of 16 bytes takes five beats.
    assert counters["WRITE_BEATS"] == 2 * SIZE * 5
    reads = 8 * len(product()) + (SIZE * SIZE) // 4 + 2 * SIZE
    assert counters["READ_BEATS"] == reads
    assert counters["VECTOR_BUSY"] == 0
    repeated = {name: await host.read(f"COUNTER_{name}") for name, _ in COUNTERS}
    assert repeated == counters, "counters moved after the end"


@cocotb.test()
async def product_under_stalls(dut):
    host = await begin(dut, stalls=0.5)
    for _ in range(2):
        await host.multiply()


@cocotb.test()
async def empty_program(dut):
    host = await begin(dut)
    await host.prepare([])
    await host.start()
    await host.interrupt()
    assert await host.status() == {"DONE"}
    assert await host.read("COUNTER_CYCLES") < 20
    assert await host.read("COUNTER_READ_BEATS") == 0


@cocotb.test()
async def error_then_soft_reset(dut):
    host = await begin(dut)
    program = product()
    program[3] = Instruction(Opcode.STORE, {**program[3].values, "offset": 4 * SIZE * SIZE})
    await host.prepare(program)
    await host.start()
    await host.interrupt()
    assert await host.status() == {"ERROR"}
    assert await host.read("IRQ_STATUS") == field("IRQ_STATUS", "ERROR")
    code = await host.read("ERROR_CODE")
    assert code == ErrorCode.SEGMENT_LIMIT.value | ErrorSource.STORE.value << 8
    assert await host.read("ERROR_INSTRUCTION") == 3
    assert await host.write("CONTROL", field("CONTROL", "START")) == AxiResp.SLVERR
    await host.soft_reset()
    await cycles(dut, 20)
    assert await host.status() == set() and not int(dut.irq.value)
    await host.multiply()


@cocotb.test()
async def overflow_names_the_instruction(dut):
    host = await begin(dut)
    signals = [Instruction(Opcode.SYNC, {"unit": 1}, signal=1 << 9) for _ in range(70)]
    await host.prepare(signals)
    await host.start()
    await host.interrupt()
    assert await host.status() == {"ERROR"}
    code = await host.read("ERROR_CODE")
    assert code == ErrorCode.SEMAPHORE_OVERFLOW.value | ErrorSource.SEMAPHORES.value << 8
    assert await host.read("ERROR_INSTRUCTION") == 63
    assert await host.read("ERROR_ADDRESS_LOW") == 9
    await host.soft_reset()
    await cycles(dut, 20)
    await host.multiply()


@cocotb.test()
async def deadlock_is_reported(dut):
    host = await begin(dut)
    program = [
        Instruction(Opcode.SYNC, {"unit": 0}),
        Instruction(Opcode.SYNC, {"unit": 3}, wait=1 << 5),
        Instruction(Opcode.SYNC, {"unit": 1}, wait=1 << 6),
    ]
    await host.prepare(program, watchdog=300)
    await host.start()
    await host.interrupt()
    code = await host.read("ERROR_CODE")
    assert code == ErrorCode.NO_PROGRESS.value | ErrorSource.WATCHDOG.value << 8
    assert await host.read("ERROR_INSTRUCTION") == 1
    await host.soft_reset()
    await cycles(dut, 20)
    await host.multiply()


@cocotb.test()
async def memory_that_does_not_answer(dut):
    """Watchdog during the run and the drain, and a soft reset that waits for the memory."""
    host = await begin(dut)
    await host.prepare(product(), watchdog=100)
    host.pause(True)
    await host.start()
    await host.interrupt()
    assert await host.status() == {"ERROR", "DRAINING"}
    assert await host.read("ERROR_CODE") & 0xFF == ErrorCode.NO_PROGRESS.value
    await host.soft_reset()
    await cycles(dut, 200)
    assert await host.status() == {"RESETTING", "DRAINING"}
    assert await host.write("CONTROL", field("CONTROL", "START")) == AxiResp.SLVERR
    host.pause(False)
    await cycles(dut, 200)
    assert await host.status() == set()
    await host.multiply()


@cocotb.test()
async def soft_reset_at_any_moment(dut):
    host = await begin(dut, stalls=0.2)
    for _ in range(12):
        await host.prepare(product())
        await host.start()
        await cycles(dut, host.random.randrange(400))
        assert await host.write("PROGRAM_LENGTH", 7) in (AxiResp.OKAY, AxiResp.SLVERR)
        await host.soft_reset()
        for _ in range(100):
            if not await host.status():
                break
        else:
            raise AssertionError("the soft reset does not end")
        assert not int(dut.irq.value) and await host.read("IRQ_STATUS") == 0
    await host.multiply()
