# SPDX-License-Identifier: Apache-2.0
"""Arguments of the DMA parts, and the shape of what they split."""

import pytest
from amaranth.sim import Simulator

from weft.hdl.dma.fifo import StreamFIFO
from weft.hdl.dma.splitter import BurstSplitter
from weft.hdl.isa import Memory
from weft.hdl.units.word_count import WordCount, reciprocal


def split(data_width, max_burst_beats, requests):
    """Bursts of each request as (address, beats), at one burst a cycle."""
    splitter = BurstSplitter(
        address_width=32, data_width=data_width, max_burst_beats=max_burst_beats
    )
    result = []

    async def bench(ctx):
        ctx.set(splitter.o.ready, 1)
        for address, size in requests:
            ctx.set(splitter.i.valid, 1)
            ctx.set(splitter.i.payload.address, address)
            ctx.set(splitter.i.payload.last_byte, size - 1)
            assert ctx.get(splitter.i.ready)
            await ctx.tick()
            ctx.set(splitter.i.valid, 0)
            bursts = []
            while True:
                assert ctx.get(splitter.o.valid)
                burst = splitter.o.payload
                assert ctx.get(burst.first) == (not bursts)
                bursts.append((ctx.get(burst.address), ctx.get(burst.beats) + 1))
                if ctx.get(burst.last):
                    break
                await ctx.tick()
            result.append(bursts)

    simulator = Simulator(splitter)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return result


@pytest.mark.parametrize("data_width", [32, 64, 128, 256])
@pytest.mark.parametrize("max_burst_beats", [1, 4, 64, 256])
def test_bursts_cover_the_request_and_no_more(data_width, max_burst_beats):
    beat = data_width // 8
    requests = [
        (address, size)
        for address in (0, 1, beat - 1, 4096 - beat, 4095, 8000)
        for size in (1, beat, beat + 1, 4096, 4097)
    ]
    requests.append((0xFFFF_0001, 65535))
    block = min(4096, beat * max_burst_beats)
    for (address, size), bursts in zip(
        requests, split(data_width, max_burst_beats, requests), strict=True
    ):
        beats = [start // beat + n for start, count in bursts for n in range(count)]
        assert beats == list(range(address // beat, (address + size - 1) // beat + 1))
        for start, count in bursts:
            assert start % beat == 0 and count <= max_burst_beats
            assert start // block == (start + count * beat - 1) // block


def test_reciprocals_divide():
    for width in (1, 8, 16):
        for divisor in (3, 5, 7, 43, 255, 511, 1023):
            multiplier, places = reciprocal(divisor, width)
            assert multiplier < 1 << 18
            largest = (1 << width) - 1
            for quotient in range(largest // divisor + 1):
                for number in (quotient * divisor, quotient * divisor + divisor - 1):
                    if number <= largest:
                        assert number * multiplier >> places == quotient


@pytest.mark.parametrize("multiply", [False, True])
@pytest.mark.parametrize("width", [1, 3, 4, 7, 12, 16, 28, 255, 1020, 1024])
def test_word_count_divides(width, multiply):
    count = WordCount({Memory.ACTIVATION: width, Memory.WEIGHT: 5}, multiply=multiply)
    lasts = [0, 1, width - 1, width, width + 1, 2 * width - 1, 12345, 65534, 65535]

    async def bench(ctx):
        for last in lasts:
            if last > 65535:
                continue
            ctx.set(count.start, 1)
            ctx.set(count.last_byte, last)
            ctx.set(count.memory, Memory.ACTIVATION.value)
            await ctx.tick()
            ctx.set(count.start, 0)
            spent = 1
            while not ctx.get(count.done):
                await ctx.tick()
                spent += 1
            easy = width & (width - 1) == 0 or last < width
            assert spent == (2 if multiply else 1 if easy else 17)
            assert (ctx.get(count.last_word), ctx.get(count.tail)) == divmod(last, width)

    simulator = Simulator(count)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def test_fifo_refuses_no_depth():
    with pytest.raises(ValueError, match="depth must be at least 1, not 0"):
        StreamFIFO(8, 0)
