# SPDX-License-Identifier: Apache-2.0
"""Cocotb tests of Gearbox."""

import cocotb
from cocotb.triggers import with_timeout

from weft.hdl.dma.gearbox import gear_layout
from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import StreamSink, StreamSource, cycles, reset, start_clock


def chunks(random, row, width):
    """A row as chunks; what is beyond its end is noise."""
    for start in range(0, len(row), width):
        piece = row[start : start + width]
        noise = random.randbytes(width - len(piece))
        yield {
            "data": int.from_bytes(piece + noise, "little"),
            "count": len(piece),
            "last": int(start + width >= len(row)),
            "error": 0,
        }


async def run(dut, random, rows, stalls):
    parameters = bench_parameters()
    width, word = parameters["input"], parameters["output"]
    start_clock(dut)
    source = StreamSource(dut, "i", dut.clk, gear_layout(width), stalls=stalls, random=random)
    sink = StreamSink(dut, "o", dut.clk, gear_layout(word), stalls=stalls, random=random)
    await reset(dut)
    expected = []
    for row in rows:
        source.put(chunks(random, row, width))
        for start in range(0, len(row), word):
            expected.append((row[start : start + word], start + word))
    before = sink.cycle
    items = await with_timeout(sink.receive(len(expected)), 200, "us")
    spent = sink.cycle - before
    ends = [start for row in rows for start in range(word, len(row) + word, word)]
    lengths = [len(row) for row in rows for _ in range(0, len(row), word)]
    for item, (piece, _), end, length in zip(items, expected, ends, lengths, strict=True):
        data = item["data"].to_bytes(word, "little")
        assert data[: len(piece)] == piece
        assert item["count"] == len(piece)
        assert item["last"] == int(end >= length) and not item["error"]
    await cycles(dut, 4)
    assert not sink.items and int(dut.idle.value) == 1
    return spent


@cocotb.test()
async def random_rows(dut):
    random = bench_random()
    parameters = bench_parameters()
    most = 3 * (parameters["input"] + parameters["output"])
    sizes = [1, parameters["input"], parameters["output"], parameters["output"] + 1]
    rows = [
        random.randbytes(random.choice([*sizes, random.randrange(1, most)])) for _ in range(60)
    ]
    await run(dut, random, rows, random.choice([0.0, 0.3, 0.7]))


@cocotb.test()
async def one_long_row_runs_at_full_rate(dut):
    random = bench_random()
    parameters = bench_parameters()
    width, word = parameters["input"], parameters["output"]
    length = 40 * max(width, word)
    spent = await run(dut, random, [random.randbytes(length)], None)
    assert spent <= length // min(width, word) + 4
