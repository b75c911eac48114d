# SPDX-License-Identifier: Apache-2.0
"""Cocotb tests of the queue in test_bench.py."""

import cocotb
from amaranth import signed
from amaranth.lib import data
from cocotb.triggers import with_timeout

from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import StreamSink, StreamSource, cycles, reset, start_clock

LAYOUT = data.StructLayout({"tag": 3, "values": data.ArrayLayout(signed(5), 2)})


async def start(dut):
    random, stalls = bench_random(), bench_parameters().get("stalls")
    start_clock(dut)
    source = StreamSource(dut, "i", dut.clk, LAYOUT, stalls=stalls, random=random)
    sink = StreamSink(dut, "o", dut.clk, LAYOUT, stalls=stalls, random=random)
    await reset(dut)
    return random, source, sink


def item(random):
    return {"tag": random.randrange(8), "values": [random.randrange(-16, 16) for _ in range(2)]}


@cocotb.test()
async def passes_everything_in_order(dut):
    random, source, sink = await start(dut)
    items = [item(random) for _ in range(200)]
    source.put(items)
    assert await with_timeout(sink.receive(200), 50, "us") == items
    await source.drained()
    assert sink.received == source.sent == 200


@cocotb.test()
async def full_rate_without_stalls(dut):
    if bench_parameters().get("stalls") is not None:
        return
    random, source, sink = await start(dut)
    await cycles(dut)
    before = sink.cycle
    source.put([item(random) for _ in range(64)])
    await sink.receive(64)
    assert sink.cycle - before <= 64 + bench_parameters()["latency"]


@cocotb.test()
async def starts_again_after_reset(dut):
    random, source, sink = await start(dut)
    await source.send([item(random) for _ in range(5)])
    await reset(dut)
    await cycles(dut, 2)
    sink.items.clear()
    items = [item(random) for _ in range(20)]
    source.put(items)
    assert await with_timeout(sink.receive(20), 50, "us") == items
