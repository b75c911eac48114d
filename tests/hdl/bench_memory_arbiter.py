# SPDX-License-Identifier: Apache-2.0
"""Cocotb tests of MemoryArbiter between two managers and a memory of cocotbext-axi."""

import cocotb
from cocotbext.axi import (
    AxiMasterRead,
    AxiMasterWrite,
    AxiRamRead,
    AxiRamWrite,
    AxiReadBus,
    AxiWriteBus,
)
from cocotbext.axi.sparse_memory import SparseMemory

from weft.sim.bench.runner import bench_random
from weft.sim.bench.streams import cycles, reset, start_clock


@cocotb.test()
async def both_get_their_own(dut):
    random = bench_random()
    start_clock(dut)
    memory = SparseMemory(4096)
    ram_write = AxiRamWrite(
        AxiWriteBus.from_prefix(dut, "write_"), dut.clk, dut.rst, mem=memory
    )
    ram_read = AxiRamRead(AxiReadBus.from_prefix(dut, "read_"), dut.clk, dut.rst, mem=memory)
    masters = {
        side: (
            AxiMasterRead(AxiReadBus.from_prefix(dut, f"{side}_read_"), dut.clk, dut.rst),
            AxiMasterWrite(AxiWriteBus.from_prefix(dut, f"{side}_write_"), dut.clk, dut.rst),
        )
        for side in ("accelerator", "link")
    }
    await reset(dut)
    await cycles(dut, 5)
    read, write = masters["accelerator"]
    for channel in (
        ram_write.aw_channel, ram_write.w_channel, ram_write.b_channel, ram_read.ar_channel,
        ram_read.r_channel, read.r_channel, write.w_channel,
    ):
        channel.set_pause_generator(iter(lambda: random.random() < 0.3, None))

    async def use(side, base, count, largest):
        read, write = masters[side]
        expected = bytearray(1024)
        await write.write(base, bytes(expected))
        for _ in range(count):
            # The accelerator has several outstanding, the link never.
            at_once = 3 if side == "accelerator" else 1
            starts = [random.randrange(1024 - largest) & ~3 for _ in range(at_once)]
            sizes = [random.randrange(4, largest + 1, 4) for _ in starts]
            for start, size in zip(starts, sizes, strict=True):
                data = random.randbytes(size)
                expected[start : start + size] = data
                await write.write(base + start, data)
            tasks = [
                cocotb.start_soon(read.read(base + start, size))
                for start, size in zip(starts, sizes, strict=True)
            ]
            for task, start, size in zip(tasks, starts, sizes, strict=True):
                assert (await task).data == expected[start : start + size], side
        assert memory.read(base, 1024) == bytes(expected)
        finished.append(side)

    finished = []
    # The link gets its turns while the accelerator never rests.
    accelerator = cocotb.start_soon(use("accelerator", 0, 12, 128))
    link = cocotb.start_soon(use("link", 2048, 3, 4))
    await link
    await accelerator
    assert finished[0] == "link"
