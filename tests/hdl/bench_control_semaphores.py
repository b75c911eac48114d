# SPDX-License-Identifier: Apache-2.0
"""Cocotb tests of the semaphores against a model that follows them cycle by cycle."""

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly

from weft.hdl.bus import ERROR_LAYOUT
from weft.hdl.config import SEMAPHORE_COUNT, SEMAPHORE_MAXIMUM
from weft.hdl.isa import ErrorCode
from weft.sim.bench.payload import Codec
from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import cycles, reset, start_clock

REQUEST_BITS = 1 + SEMAPHORE_COUNT
SIGNAL_BITS = SEMAPHORE_COUNT + 24


class Bench:
    """Drives requests and signals; the model grants a signal from the next cycle but one on."""

    def __init__(self, dut):
        self.dut, self.random = dut, bench_random()
        self.gates, self.sources = bench_parameters()["requests"], bench_parameters()["sources"]
        start_clock(dut)
        self.requests = [None] * self.gates
        self.granted = {}  # Gate and mask of a grant in the cycle before.
        self.counts = [0] * SEMAPHORE_COUNT
        self.granted_counts = [0] * SEMAPHORE_COUNT  # As they were before the last signals.
        self.halted = 0
        self.overflow = None
        for name in ("request", "signal", "clear", "halt"):
            getattr(dut, name).value = 0

    async def step(self, signals=(), clear=0, halt=0):
        """One cycle; returns the granted gate or None, and the error or None."""
        dut, index_of = self.dut, {}
        word = 0
        for source, mask in signals:
            index_of[source] = self.random.getrandbits(24)
            word |= (mask | index_of[source] << SEMAPHORE_COUNT) << source * SIGNAL_BITS
        for source in set(range(self.sources)) - set(index_of):
            noise = self.random.getrandbits(24)
            word |= noise << source * SIGNAL_BITS + SEMAPHORE_COUNT
        dut.signal.value = word
        dut.request.value = sum(
            (1 | mask << 1) << gate * REQUEST_BITS
            if mask is not None
            else self.granted.get(gate, self.random.getrandbits(16)) << 1 << gate * REQUEST_BITS
            for gate, mask in enumerate(self.requests)
        )
        dut.clear.value, dut.halt.value = clear, halt
        await ReadOnly()
        grant = int(dut.grant.value)
        error = str(dut.error.value)[-1] == "1"
        error = Codec(ERROR_LAYOUT).unpack(int(dut.error.value)) if error else None
        expected = next(
            (
                gate
                for gate, mask in enumerate(self.requests)
                if mask is not None
                and not self.halted
                and not self.granted
                and all(self.granted_counts[n] for n in range(SEMAPHORE_COUNT) if mask >> n & 1)
            ),
            None,
        )
        assert grant == (0 if expected is None else 1 << expected), (grant, expected)
        self.granted = {}
        if expected is not None:
            self.granted = {expected: self.requests[expected]}
            for number in range(SEMAPHORE_COUNT):
                self.counts[number] -= self.requests[expected] >> number & 1
        self.granted_counts, self.halted = list(self.counts), halt
        self.model_signals(signals, index_of, clear, halt)
        await FallingEdge(dut.clk)
        return expected, error

    def model_signals(self, signals, index_of, clear, halt):
        self.overflow = None
        if clear:
            self.counts = [0] * SEMAPHORE_COUNT
            self.granted_counts = [0] * SEMAPHORE_COUNT
        if clear or halt:
            return
        for _, mask in signals:
            for number in range(SEMAPHORE_COUNT):
                self.counts[number] += mask >> number & 1
        over = [n for n, count in enumerate(self.counts) if count > SEMAPHORE_MAXIMUM]
        if over:
            to_blame = {index_of[source] for source, mask in signals if mask >> over[0] & 1}
            self.overflow = (over[0], to_blame)


@cocotb.test()
async def random_traffic(dut):
    bench = Bench(dut)
    random = bench.random
    await reset(dut)
    for _ in range(4):
        for _ in range(700):
            for gate, mask in enumerate(bench.requests):
                if mask is None and gate not in bench.granted and random.random() < 0.4:
                    bench.requests[gate] = sum(
                        1 << random.randrange(SEMAPHORE_COUNT) for _ in range(random.choice([1, 2]))
                    )
                    bench.requests[gate] &= 0xFFFF
            signals = []
            room = [SEMAPHORE_MAXIMUM - count for count in bench.counts]
            for source in range(bench.sources):
                mask = random.getrandbits(16) & random.getrandbits(16) & random.getrandbits(16)
                mask &= sum(1 << n for n in range(SEMAPHORE_COUNT) if room[n] > bench.sources)
                if mask:
                    signals.append((source, mask))
            granted, error = await bench.step(signals)
            assert error is None
            if granted is not None:
                bench.requests[granted] = None
        bench.requests = [None] * bench.gates
        await bench.step(clear=1)


@cocotb.test()
async def signal_is_granted_in_the_next_cycle_but_one(dut):
    bench = Bench(dut)
    await reset(dut)
    bench.requests[0] = 1 << 7
    for _ in range(3):
        assert await bench.step() == (None, None)
    assert await bench.step([(0, 1 << 7)]) == (None, None)
    assert await bench.step() == (None, None)
    assert await bench.step() == (0, None)
    assert await bench.step() == (None, None)


@cocotb.test()
async def last_count_is_granted_once(dut):
    """Two gates want one count each; counts come one at a time, in every spacing."""
    bench = Bench(dut)
    await reset(dut)
    for gap in range(5):
        bench.requests = [1] * bench.gates
        order = []
        steps = ([(bench.random.randrange(bench.sources), 1)], *[()] * gap)
        # After the last signal, every gate's turn comes within two cycles.
        for signals in [*steps * bench.gates, *[()] * (2 * bench.gates)]:
            granted, _ = await bench.step(signals)
            if granted is not None:
                bench.requests[granted] = None
                order.append(granted)
        assert order == list(range(bench.gates))


@cocotb.test()
async def priority_and_rate(dut):
    bench = Bench(dut)
    await reset(dut)
    for _ in range(bench.gates):
        await bench.step([(0, 0xFFFF)])
    await bench.step()
    bench.requests = [0xFFFF] * bench.gates
    order = []
    for _ in range(bench.gates):
        granted, _ = await bench.step()
        order.append(granted)
        bench.requests[granted] = None
        assert (await bench.step())[0] is None, "a grant on counts that are not yet known"
    assert order == list(range(bench.gates))


async def fill(bench, number, count):
    await bench.step(clear=1)
    for _ in range(count):
        await bench.step([(bench.random.randrange(bench.sources), 1 << number)])
    await bench.step()


@cocotb.test()
async def overflow_is_exact(dut):
    bench = Bench(dut)
    for number in range(SEMAPHORE_COUNT):
        await reset(dut)
        await fill(bench, number, SEMAPHORE_MAXIMUM)
        # Take and signal together: the count stays at the maximum.
        bench.requests[0] = 1 << number
        assert await bench.step([(0, 1 << number)]) == (0, None)
        bench.requests[0] = None
        for _ in range(4):
            assert (await bench.step())[1] is None
        # One too many, from some of the sources, with bystanders that signal others.
        signals = [(0, 1 << number)]
        signals += [(n, 1 << (number + 3) % SEMAPHORE_COUNT) for n in range(1, bench.sources)]
        bench.random.shuffle(signals)
        await check_overflow(bench, signals)


async def check_overflow(bench, signals):
    _, error = await bench.step(signals)
    assert error is None and bench.overflow is not None
    number, to_blame = bench.overflow
    assert not int(bench.dut.quiet.value)
    bench.requests = [None] * bench.gates
    bench.counts = [0] * SEMAPHORE_COUNT
    for _ in range(2):
        _, error = await bench.step()
        assert error is None
    _, error = await bench.step()
    assert error is not None and error["code"] is ErrorCode.SEMAPHORE_OVERFLOW
    assert error["address"] == number and error["index"] in to_blame


@cocotb.test()
async def overflow_by_several_sources(dut):
    bench = Bench(dut)
    for missing in range(bench.sources):
        await reset(dut)
        number = bench.random.randrange(SEMAPHORE_COUNT)
        await fill(bench, number, SEMAPHORE_MAXIMUM - missing)
        for source in range(missing):
            assert (await bench.step([(source, 1 << number)]))[1] is None
        await fill(bench, number, SEMAPHORE_MAXIMUM - missing)
        signals = [(source, 1 << number) for source in range(missing + 1)]
        await check_overflow(bench, signals)


@cocotb.test()
async def halt_and_clear(dut):
    bench = Bench(dut)
    await reset(dut)
    await bench.step([(0, 3)])
    bench.requests[0] = 1
    assert await bench.step(halt=1) == (None, None)
    assert await bench.step([(0, 4)], halt=1) == (None, None)
    assert await bench.step() == (None, None)
    assert await bench.step() == (0, None)
    bench.requests[0] = None
    assert await bench.step() == (None, None)
    bench.requests[0] = 4
    assert await bench.step() == (None, None)
    bench.requests[0] = 2
    await bench.step([(0, 2)], clear=1, halt=1)
    for _ in range(3):
        assert await bench.step() == (None, None)
    await cycles(dut)
    assert int(dut.quiet.value)
