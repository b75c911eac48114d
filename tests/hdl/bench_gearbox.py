# SPDX-License-Identifier: Apache-2.0
"""Cocotb tests of Gearbox."""

import cocotb
from cocotb.triggers import with_timeout

from weft.hdl.dma.gearbox import gear_input_layout, gear_output_layout
from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import StreamSink, StreamSource, cycles, reset, start_clock


def chunks(random, row, width, fill, with_fill):
    """A row as chunks; what is beyond its end is noise."""
    for start in range(0, len(row), width):
        piece = row[start : start + width]
        noise = random.randbytes(width - len(piece))
        item = {
            "data": int.from_bytes(piece + noise, "little"),
            "count": len(piece),
            "last": int(start + width >= len(row)),
            "error": 0,
        }
        if with_fill:
            item["fill"] = fill
        yield item


async def run(dut, random, rows, stalls):
    parameters = bench_parameters()
    width, word, fill = parameters["input"], parameters["output"], parameters["fill"]
    start_clock(dut)
    source = StreamSource(
        dut, "i", dut.clk, gear_input_layout(width, fill=fill), stalls=stalls, random=random
    )
    sink = StreamSink(dut, "o", dut.clk, gear_output_layout(word), stalls=stalls, random=random)
    await reset(dut)
    expected = []
    for row in rows:
        filler = random.randrange(256)
        source.put(chunks(random, row, width, filler, fill))
        for start in range(0, len(row), word):
            piece = row[start : start + word]
            expected.append((piece, bytes([filler]) * (word - len(piece)), start + word))
    before = sink.cycle
    items = await with_timeout(sink.receive(len(expected)), 200, "us")
    spent = sink.cycle - before
    ends = [start for row in rows for start in range(word, len(row) + word, word)]
    lengths = [len(row) for row in rows for _ in range(0, len(row), word)]
    for item, (piece, tail, _), end, length in zip(items, expected, ends, lengths, strict=True):
        data = item["data"].to_bytes(word, "little")
        assert data[: len(piece)] == piece
        assert not fill or data[len(piece) :] == tail
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
