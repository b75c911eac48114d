# SPDX-License-Identifier: Apache-2.0
"""Cocotb tests of AXIMemory, driven by cocotbext-axi."""

import cocotb
from cocotbext.axi import (
    AxiBurstType,
    AxiMasterRead,
    AxiMasterWrite,
    AxiReadBus,
    AxiResp,
    AxiWriteBus,
)

from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import cycles, reset, start_clock


async def begin(dut):
    start_clock(dut)
    write = AxiMasterWrite(AxiWriteBus.from_prefix(dut, "write_"), dut.clk, dut.rst)
    read = AxiMasterRead(AxiReadBus.from_prefix(dut, "read_"), dut.clk, dut.rst)
    await reset(dut)
    await cycles(dut, 5)
    return read, write


def stall(random, share, *channels):
    for channel in channels:
        channel.set_pause_generator(iter(lambda: random.random() < share, None))


@cocotb.test()
async def keeps_every_byte(dut):
    random = bench_random()
    size, lanes = bench_parameters()["size"], bench_parameters()["lanes"]
    read, write = await begin(dut)
    expected = bytearray(random.randbytes(1024))
    await write.write(0, bytes(expected))
    for share in (0.0, 0.3):
        if share:
            stall(random, share, write.w_channel, write.b_channel, read.r_channel)
        for _ in range(6):
            start = random.randrange(900)
            data = random.randbytes(random.randrange(1, 100))
            beat = random.randrange(lanes.bit_length())
            expected[start : start + len(data)] = data
            await write.write(start, data, size=beat)
            low = random.randrange(900)
            seen = await read.read(low, 100, size=random.randrange(lanes.bit_length()))
            assert seen.data == expected[low : low + 100]
            assert seen.resp is AxiResp.OKAY
    # The last bytes are there too, and are not the first.
    await write.write(size - 16, bytes(14) + b"zz")
    assert (await read.read(size - 2, 2)).data == b"zz"
    assert (await read.read(0, 1024)).data == bytes(expected)


@cocotb.test()
async def reads_while_it_writes(dut):
    random = bench_random()
    read, write = await begin(dut)
    before = random.randbytes(512)
    await write.write(0, before)
    after = random.randbytes(512)
    writing = cocotb.start_soon(write.write(0, after))
    for _ in range(8):
        seen = (await read.read(0, 256)).data
        for at, byte in enumerate(seen):
            assert byte in (before[at], after[at]), f"byte {at} was never written"
    await writing
    assert (await read.read(0, 512)).data == after


@cocotb.test()
async def refuses_what_it_has_not(dut):
    size = bench_parameters()["size"]
    read, write = await begin(dut)
    await write.write(0, bytes(range(64)))
    for address in (size, 1 << 31):
        assert (await write.write(address, b"abcd")).resp is AxiResp.DECERR
        assert (await read.read(address, 64)).resp is AxiResp.DECERR
    for burst in (AxiBurstType.FIXED, AxiBurstType.WRAP):
        assert (await write.write(0, b"abcd", burst=burst)).resp is AxiResp.SLVERR
        assert (await read.read(0, 4, burst=burst)).resp is AxiResp.SLVERR
    assert (await read.read(0, 64)).data == bytes(range(64))


@cocotb.test()
async def moves_a_beat_a_cycle(dut):
    lanes = bench_parameters()["lanes"]
    read, write = await begin(dut)
    beats = 64
    data = bytes(range(256)) * (lanes * beats // 256)
    moved = {"read__rvalid": [], "write__wvalid": []}

    async def watch(name, ready):
        for cycle in range(400):
            await cycles(dut)
            if int(getattr(dut, name).value) and int(getattr(dut, ready).value):
                moved[name].append(cycle)

    watching = [
        cocotb.start_soon(watch("read__rvalid", "read__rready")),
        cocotb.start_soon(watch("write__wvalid", "write__wready")),
    ]
    await write.write(0, data)
    await read.read(0, len(data))
    for task in watching:
        await task
    for name, at in moved.items():
        apart = 4 if bench_parameters()["single_port"] and name == "read__rvalid" else 1
        assert len(at) == beats and at[-1] - at[0] == apart * (beats - 1), name
