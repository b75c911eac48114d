# SPDX-License-Identifier: Apache-2.0
"""Cycle agents for benches: an AXI4 memory that checks the protocol, and unit control.

All agents of a bench run in one coroutine: at each falling edge every agent drives its inputs,
then, settled, observes what the design will see at the next rising edge.
"""

from collections import deque

from cocotb.triggers import FallingEdge, ReadOnly


class Wires:
    """Reads and drives ports by name, refusing X."""

    def __init__(self, dut):
        self.dut = dut
        self.handles = {}

    def __call__(self, name):
        handle = self.handles.get(name)
        if handle is None:
            handle = self.handles[name] = getattr(self.dut, name)
        return handle

    def has(self, name):
        return hasattr(self.dut, name)

    def get(self, name):
        value = self(name).value
        assert value.is_resolvable, f"{name} is {value}"
        return int(value)

    def set(self, name, value):
        self(name).value = value


class Bench:
    """Runs agents cycle by cycle."""

    def __init__(self, dut):
        self.wires = Wires(dut)
        self.clock = dut.clk
        self.agents = []
        self.cycle = 0

    def add(self, agent):
        self.agents.append(agent)
        return agent

    async def step(self):
        for agent in self.agents:
            agent.drive(self.cycle)
        await ReadOnly()
        for agent in self.agents:
            agent.observe(self.cycle)
        self.cycle += 1
        await FallingEdge(self.clock)

    async def run_until(self, condition, limit):
        start = self.cycle
        while not condition():
            assert self.cycle - start < limit, f"no end after {limit} cycles"
            await self.step()

    async def run(self, cycles):
        for _ in range(cycles):
            await self.step()


class Channel:
    """One AXI channel that the design drives: payload stable while waiting."""

    def __init__(self, wires, prefix, channel, fields):
        self.wires = wires
        self.valid = f"{prefix}{channel}valid"
        self.ready = f"{prefix}{channel}ready"
        self.fields = {field: f"{prefix}{channel}{field}" for field in fields}
        self.held = None

    def observe(self, ready):
        """The payload, if it is transferred."""
        if not self.wires.get(self.valid):
            assert self.held is None, f"{self.valid} fell before ready"
            return None
        payload = {}
        for field, name in self.fields.items():
            value = self.wires(name).value
            # Bytes that the strobe leaves out may be anything.
            if field == "data":
                payload[field] = value
                continue
            assert value.is_resolvable, f"{name} is {value}"
            payload[field] = int(value)
        settled = {**payload, "data": str(payload.get("data"))}
        assert self.held is None or self.held == settled, f"{self.valid}: payload changed"
        self.held = None if ready else settled
        return payload if ready else None


class AxiMemory:
    """AXI4 memory with latency, stalls on every channel, error responses and protocol checks."""

    def __init__(
        self,
        bench,
        prefix,
        data,
        *,
        data_bytes,
        random,
        max_burst_beats=256,
        latency=30,
        stalls=None,
        bad=(),
        read=True,
        write=False,
        outstanding=256,
    ):
        self.wires, self.prefix, self.data = bench.wires, prefix, data
        self.bytes, self.random, self.max_beats = data_bytes, random, max_burst_beats
        self.latency = latency
        self.stalls = stalls or {}
        self.bad = list(bad)
        self.outstanding = outstanding
        self.read, self.write = read, write
        self.cycle = 0
        if read:
            self.ar = Channel(bench.wires, prefix, "ar", ("addr", "len", "size", "burst", "id"))
            self.reads = deque()
            self.beat = None
            self.read_bursts = []
            self.beats_read = []
            self.first_read = self.last_read = None
        if write:
            self.aw = Channel(bench.wires, prefix, "aw", ("addr", "len", "size", "burst", "id"))
            self.w = Channel(bench.wires, prefix, "w", ("data", "strb", "last"))
            self.write_bursts, self.write_queue, self.w_queue = [], deque(), deque()
            self.responses = deque()
            self.response = None
            self.written = {}
            self.beat_cycles = []
            self.strobed = 0
            self.open_writes = 0
            self.most_open = 0
        bench.add(self)

    def _stall(self, channel):
        probability = self.stalls.get(channel, 0)
        return probability and self.random.random() < probability

    def _delay(self):
        jitter = self.stalls.get("latency", 0)
        return max(1, self.latency) + (self.random.randrange(jitter) if jitter else 0)

    def _is_bad(self, low, size):
        return any(low < end and start < low + size for start, end in self.bad)

    @property
    def quiet(self):
        done = not (self.read and (self.reads or self.beat))
        if self.write:
            done = done and not (
                self.write_queue or self.w_queue or self.responses or self.response
            )
        return done

    def drive(self, cycle):
        self.cycle = cycle
        put = self.wires.set
        prefix = self.prefix
        if self.read:
            self.ar_ready = not self._stall("ar")
            put(f"{prefix}arready", int(self.ar_ready))
            if self.beat is None and self.reads and not self._stall("r"):
                head = self.reads[0]
                if head["time"] <= cycle:
                    address, bad = head["address"], False
                    raw = bytes(self.data[address : address + self.bytes])
                    bad = self._is_bad(address, self.bytes)
                    last = head["left"] == 1
                    self.beat = (
                        int.from_bytes(raw, "little"), head["id"], 2 if bad else 0, int(last)
                    )
                    head["address"] += self.bytes
                    head["left"] -= 1
                    if last:
                        self.reads.popleft()
            put(f"{prefix}rvalid", int(self.beat is not None))
            data, ident, response, last = self.beat or (
                self.random.getrandbits(8 * self.bytes), 0, self.random.getrandbits(2), 1
            )
            put(f"{prefix}rdata", data)
            put(f"{prefix}rid", ident)
            put(f"{prefix}rresp", response)
            put(f"{prefix}rlast", last)
        if self.write:
            self.aw_ready = not self._stall("aw")
            self.w_ready = not self._stall("w")
            put(f"{prefix}awready", int(self.aw_ready))
            put(f"{prefix}wready", int(self.w_ready))
            if (
                self.response is None
                and self.responses
                and self.responses[0][0] <= cycle
                and not self._stall("b")
            ):
                self.response = self.responses.popleft()[1]
            put(f"{prefix}bvalid", int(self.response is not None))
            put(f"{prefix}bresp", self.response if self.response is not None else 3)
            put(f"{prefix}bid", 0)

    def _check_burst(self, burst):
        assert burst["burst"] == 1 and 1 << burst["size"] == self.bytes, burst
        address, beats = burst["addr"], burst["len"] + 1
        assert address % self.bytes == 0, f"burst at {address:#x} is not aligned"
        assert beats <= self.max_beats, f"burst of {beats} beats"
        end = address + beats * self.bytes - 1
        assert address // 4096 == end // 4096, f"burst {address:#x} to {end:#x} crosses 4 KB"
        return address, beats

    def observe(self, cycle):
        get, prefix = self.wires.get, self.prefix
        if self.read:
            burst = self.ar.observe(self.ar_ready)
            if burst:
                address, beats = self._check_burst(burst)
                self.read_bursts.append((cycle, address, beats))
                self.reads.append(
                    {
                        "time": cycle + self._delay(),
                        "address": address,
                        "left": beats,
                        "id": burst["id"],
                    }
                )
                assert len(self.reads) <= self.outstanding, "too many reads outstanding"
            if self.beat is not None and get(f"{prefix}rready"):
                self.beats_read.append(cycle)
                self.beat = None
        if self.write:
            self._observe_write(cycle)

    def _observe_write(self, cycle):
        burst = self.aw.observe(self.aw_ready)
        if burst:
            address, beats = self._check_burst(burst)
            self.write_bursts.append((cycle, address, beats))
            self.write_queue.append([address, beats, address, beats])
            self.open_writes += 1
            self.most_open = max(self.most_open, self.open_writes)
            assert self.open_writes <= self.outstanding, "too many writes outstanding"
        beat = self.w.observe(self.w_ready)
        if beat:
            self.beat_cycles.append(cycle)
            self.w_queue.append(beat)
        while self.w_queue and self.write_queue:
            self._write_beat(self.w_queue.popleft(), cycle)
        if self.response is not None and self.wires.get(f"{self.prefix}bready"):
            self.response = None
            self.open_writes -= 1

    def _write_beat(self, beat, cycle):
        head = self.write_queue[0]
        address, left = head[0], head[1]
        assert beat["last"] == (left == 1), f"wlast is {beat['last']} with {left} beats left"
        assert beat["strb"], f"beat at {address:#x} without strobe"
        bits = str(beat["data"])
        for lane in range(self.bytes):
            if beat["strb"] >> lane & 1:
                piece = bits[len(bits) - 8 * lane - 8 : len(bits) - 8 * lane]
                assert set(piece) <= {"0", "1"}, f"lane {lane} at {address:#x} is {piece}"
                self.data[address + lane] = int(piece, 2)
                self.strobed += 1
        head[0] += self.bytes
        head[1] -= 1
        if left == 1:
            self.write_queue.popleft()
            bad = self._is_bad(head[2], head[3] * self.bytes)
            self.responses.append((cycle + self._delay(), 2 if bad else 0))


class UnitControl:
    """Feeds commands to a unit and records what it reports."""

    def __init__(self, bench, *, random, gap=0.0):
        self.wires, self.random, self.gap = bench.wires, random, gap
        self.queue = deque()
        self.valid = False
        self.halt = 0
        self.signals, self.errors = [], []
        self.accepted = []
        self.busy_cycles = 0
        self.idle = 1
        self.halted_at = None
        bench.add(self)

    def put(self, instructions, first_index=0):
        for index, instruction in enumerate(instructions, first_index):
            self.queue.append((instruction.encode(), index))

    def drive(self, cycle):
        put = self.wires.set
        put("halt", self.halt)
        if self.halt and self.halted_at is None:
            self.halted_at = cycle
        if not self.valid:
            self.valid = bool(self.queue) and not (self.gap and self.random.random() < self.gap)
        word = self.random.getrandbits(280)
        if self.valid:
            word = self.queue[0][0] | self.queue[0][1] << 256
        put("command__valid", int(self.valid and not self.halt))
        put("command__payload", word)

    def observe(self, cycle):
        get = self.wires.get
        if get("command__ready") and self.valid and not self.halt:
            self.accepted.append(cycle)
            self.queue.popleft()
            self.valid = False
        signal = get("signal")
        if signal:
            assert not self.errors, "signal after an error"
            assert not self.halt or self.halted_at == cycle, "signal after halt"
            self.signals.append((get("signal_index"), signal, cycle))
        name = next(n for n in ("error", "error__valid") if self.wires.has(n))
        value = self.wires(name).value
        width = len(value)
        # What an error carries is only defined while there is one.
        assert str(value)[-1] in "01", f"{name} is {value}"
        if str(value)[-1] == "1" and width > 1:
            error = get(name)
            assert not self.halt or self.halted_at == cycle, "error after halt"
            self.errors.append((error >> 1 & 0xFF, error >> 9 & 0xFFFFFF, error >> 33))
        self.idle = get("idle")
        self.busy_cycles += get("busy")
        get("wait_memory")
        get("progress")

    @property
    def drained(self):
        return not self.queue and not self.valid and bool(self.idle)


async def write_segments(wires, segments):
    """Writes the segment table of ``(base, limit)``."""
    low, high, limit_bit = 1, 2, 4
    for number, (base, limit) in enumerate(segments):
        for bit, value in ((low, base), (high, base >> 32), (limit_bit, limit)):
            wires.set("segment_write", bit | number << 3 | (value & 0xFFFF_FFFF) << 6)
            await FallingEdge(wires.dut.clk)
    wires.set("segment_write", 0)
    # The last one is in its memory two cycles later; none is read while it is written.
    for _ in range(2):
        await FallingEdge(wires.dut.clk)
