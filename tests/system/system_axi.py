# SPDX-License-Identifier: Apache-2.0
"""Bus models for cocotb: an AXI4 memory that checks, stalls and fails, and AXI4-Lite accesses.

Source of the rules: AMBA AXI Protocol Specification, Arm IHI 0022 (A3.2 handshakes, A3.3
dependencies, A3.4 bursts, A5 ordering).
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import Event, FallingEdge, ReadOnly

OKAY, SLVERR, DECERR = 0, 2, 3
PAGE = 4096


class BusError(AssertionError):
    """A broken rule of AXI, or X where none may be."""


class Wires:
    """The ports of the top, read without X and written when they change."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self._handles: dict[str, Any] = {}
        self._driven: dict[str, int] = {}

    def handle(self, name: str) -> Any:
        found = self._handles.get(name)
        if found is None:
            found = self._handles[name] = getattr(self.dut, name)
        return found

    def get(self, name: str) -> int:
        value = self.handle(name).value
        try:
            return int(value)
        except ValueError:
            raise BusError(f"{name} is {value}") from None

    def bits(self, name: str) -> str:
        return str(self.handle(name).value)

    def set(self, name: str, value: int) -> None:
        if self._driven.get(name) != value:
            self._driven[name] = value
            self.handle(name).value = value


@dataclass
class Burst:
    """A burst under way."""

    address: int
    beats: int
    beat: int = 0
    due: int = 0


@dataclass
class Mood:
    """How the memory behaves; chosen anew for each program."""

    stalls: dict[str, float]
    read_latency: tuple[int, int]
    write_latency: tuple[int, int]
    interleave: bool
    ready_after_valid: bool
    write_order: str

    @classmethod
    def choose(cls, generator: random.Random) -> Mood:
        """A random mood, often extreme."""
        return cls(
            {name: generator.choice((0, 0, 0.1, 0.5, 0.85)) for name in "AR R AW W B".split()},
            generator.choice(((1, 1), (1, 20), (30, 30), (5, 120))),
            generator.choice(((1, 1), (1, 20), (30, 30), (5, 120))),
            generator.random() < 0.7,
            generator.random() < 0.3,
            generator.choice(("free", "free", "data first", "address first")),
        )


PATIENT = Mood(dict.fromkeys("AR R AW W B".split(), 0.0), (2, 2), (2, 2), True, False, "free")


class AxiMemory:
    """DRAM at the accelerator's AXI4 port, from address ``base`` on.

    Reads of one id come in order, of different ids in any; writes in order. Every output is
    checked for X in every cycle after reset, every handshake for stability, every burst for
    length, type, size, 4 KB, last and strobes, and the number outstanding for the configured one.

    Attributes
    ----------
    memory : numpy.ndarray
        DRAM, uint8; beyond it the answer is DECERR.
    read_errors, write_errors : list of (start, stop, response)
        Offsets in DRAM that fail.
    silent_reads, silent_writes : bool
        Give no answer.
    deaf : bool
        Take no address either.
    """

    def __init__(self, dut: Any, config: Any, generator: random.Random, base: int = 0) -> None:
        self.wires = Wires(dut)
        self.clock = dut.clk
        self.config = config
        self.random = generator
        self.base = base
        self.bytes = config.axi_bytes
        self.memory = np.zeros(64, np.uint8)
        self.mood = PATIENT
        self.read_errors: list[tuple[int, int, int]] = []
        self.write_errors: list[tuple[int, int, int]] = []
        self.silent_reads = self.silent_writes = self.deaf = False
        self.cycle = 0
        self.irq = 0
        self.irq_changed = Event()
        self.read_beats = self.write_beats = 0
        self.last_activity = 0
        self._reads: dict[int, deque[Burst]] = {0: deque(), 1: deque()}
        self._writes: deque[Burst] = deque()
        self._data: deque[tuple[int, int, bool, str]] = deque()
        self._responses: deque[tuple[int, int]] = deque()
        self._write_response = OKAY
        self._unanswered = 0
        self._turn = 0
        self._held: dict[str, Any] = {}
        self._ready = dict.fromkeys("AR AW W".split(), 0)
        self._r: tuple[int, int, int, int] | None = None
        self._b: int | None = None
        for name in "arready awready wready rvalid bvalid".split():
            self.wires.set(f"m_axi_{name}", 0)
        for name in "rid rdata rresp rlast bid bresp".split():
            self.wires.set(f"m_axi_{name}", 0)

    def start(self) -> None:
        """Begin; at a falling edge with reset low."""
        cocotb.start_soon(self._run())

    @property
    def idle(self) -> bool:
        """Nothing is outstanding."""
        return not (
            any(self._reads.values()) or self._writes or self._data or self._responses
            or self._r or self._b is not None
        )

    async def _run(self) -> None:
        while True:
            self._drive()
            await ReadOnly()
            self._observe()
            self.cycle += 1
            await FallingEdge(self.clock)

    # Inputs.

    def _pause(self, channel: str) -> bool:
        probability = self.mood.stalls[channel]
        return probability > 0 and self.random.random() < probability

    def _drive(self) -> None:
        w, mood = self.wires, self.mood
        ready = {channel: not self.deaf and not self._pause(channel) for channel in self._ready}
        if mood.ready_after_valid:
            ready["AR"] = ready["AR"] and "AR" in self._held
            ready["AW"] = ready["AW"] and "AW" in self._held
        if mood.write_order == "data first":
            # The address waits until data are offered (IHI 0022, A3.3.1 allows it).
            ready["AW"] = ready["AW"] and ("W" in self._held or bool(self._data))
        elif mood.write_order == "address first":
            ready["W"] = ready["W"] and bool(self._writes)
        if len(self._data) > 64:
            ready["W"] = False
        for channel, prefix in (("AR", "ar"), ("AW", "aw"), ("W", "w")):
            self._ready[channel] = ready[channel]
            w.set(f"m_axi_{prefix}ready", int(ready[channel]))
        if self._r is None and not self.silent_reads and not self._pause("R"):
            self._r = self._next_beat()
            if self._r is not None:
                for name, value in zip(("rid", "rdata", "rresp", "rlast"), self._r, strict=True):
                    w.set(f"m_axi_{name}", value)
        w.set("m_axi_rvalid", int(self._r is not None))
        if (
            self._b is None and self._responses and not self.silent_writes
            and self._responses[0][1] <= self.cycle and not self._pause("B")
        ):
            self._b = self._responses.popleft()[0]
            w.set("m_axi_bresp", self._b)
        w.set("m_axi_bvalid", int(self._b is not None))

    def _next_beat(self) -> tuple[int, int, int, int] | None:
        due = [
            number for number, queue in self._reads.items()
            if queue and queue[0].due <= self.cycle
        ]
        if not due:
            return None
        started = [number for number in due if self._reads[number][0].beat]
        if started and not self.mood.interleave:
            due = started
        number = self.random.choice(due)
        burst = self._reads[number][0]
        address = burst.address + burst.beat * self.bytes
        response = self._response(address, self.read_errors)
        data = int.from_bytes(self.random.randbytes(self.bytes), "little")
        if response == OKAY:
            start = address - self.base
            found = self.memory[start : start + self.bytes].tobytes()
            data = int.from_bytes(found, "little")
        burst.beat += 1
        last = burst.beat == burst.beats
        if last:
            self._reads[number].popleft()
        return number, data, response, int(last)

    def _response(self, address: int, errors: list[tuple[int, int, int]]) -> int:
        start = address - self.base
        if not 0 <= start < self.memory.size:
            return DECERR
        for low, high, response in errors:
            if start + self.bytes > low and start < high:
                return response
        return OKAY

    # Outputs.

    def _observe(self) -> None:
        w = self.wires
        irq = w.get("irq")
        if irq != self.irq:
            self.irq = irq
            self.irq_changed.set()
        for name in ("awready", "wready", "bvalid", "arready", "rvalid"):
            w.get(f"s_axil_{name}")
        self._address("AR", "ar")
        self._address("AW", "aw")
        self._write_data()
        if w.get("m_axi_rready") and self._r is not None:
            self._r = None
            self.read_beats += 1
            self.last_activity = self.cycle
        if w.get("m_axi_bready") and self._b is not None:
            self._b = None
            self._unanswered -= 1
            self.last_activity = self.cycle

    def _fail(self, what: str) -> None:
        raise BusError(f"cycle {self.cycle}: {what}")

    def _stable(self, channel: str, payload: Any) -> bool:
        """Whether a transfer happens; checks that what waits neither changes nor leaves."""
        held = self._held.pop(channel, None)
        if held is not None and payload != held:
            self._fail(f"{channel} was {held} before ready and is now {payload}")
        if payload is None:
            return False
        if not self._ready[channel]:
            self._held[channel] = payload
        return bool(self._ready[channel])

    def _address(self, channel: str, prefix: str) -> None:
        w = self.wires
        payload = None
        if w.get(f"m_axi_{prefix}valid"):
            payload = tuple(
                w.get(f"m_axi_{prefix}{name}") for name in ("addr", "id", "len", "size", "burst")
            )
        if not self._stable(channel, payload):
            return
        assert payload is not None
        address, number, length, size, burst = payload
        beats = length + 1
        first = address - address % self.bytes
        if burst != 1:
            self._fail(f"{channel} burst type {burst}")
        if 1 << size != self.bytes:
            self._fail(f"{channel} size {size}")
        if beats > self.config.max_burst_beats:
            self._fail(f"{channel} burst of {beats} beats")
        if first // PAGE != (first + beats * self.bytes - 1) // PAGE:
            self._fail(f"{channel} burst of {beats} beats at {address:#x} crosses 4 KB")
        self.last_activity = self.cycle
        low, high = self.mood.read_latency if prefix == "ar" else self.mood.write_latency
        due = self.cycle + self.random.randint(low, high)
        if prefix == "ar":
            self._reads[number].append(Burst(first, beats, due=due))
            waiting = len(self._reads[0]) + bool(self._r and self._r[0] == 0 and self._r[3])
            if waiting > self.config.read_outstanding:
                self._fail(f"{waiting} read bursts are outstanding")
        else:
            if number:
                self._fail(f"AW id {number}")
            self._writes.append(Burst(address, beats))
            self._unanswered += 1
            if self._unanswered > self.config.write_outstanding:
                self._fail(f"{self._unanswered} write bursts are outstanding")
            self._take()

    def _write_data(self) -> None:
        w = self.wires
        payload = None
        if w.get("m_axi_wvalid"):
            strobe = w.get("m_axi_wstrb")
            payload = (strobe, w.get("m_axi_wlast"), self._lanes(strobe))
        if not self._stable("W", payload):
            return
        assert payload is not None
        strobe, last, data = payload
        self._data.append((strobe, int(last), bool(last), data))
        self.write_beats += 1
        self.last_activity = self.cycle
        self._take()

    def _lanes(self, strobe: int) -> str:
        """The data bits; X only where the strobe is low."""
        bits = self.wires.bits("m_axi_wdata")
        if set(bits) <= {"0", "1"}:
            return bits
        for lane in range(self.bytes):
            high = 8 * (self.bytes - lane)
            if strobe >> lane & 1 and not set(bits[high - 8 : high]) <= {"0", "1"}:
                self._fail(f"wdata is {bits} with strobe {strobe:#x}")
        return "".join(bit if bit in "01" else "0" for bit in bits)

    def _take(self) -> None:
        """Put arrived data into arrived bursts."""
        while self._writes and self._data:
            burst = self._writes[0]
            strobe, _, last, bits = self._data.popleft()
            start = burst.address - burst.address % self.bytes + burst.beat * self.bytes
            if burst.beat == 0 and strobe & ((1 << burst.address % self.bytes) - 1):
                self._fail(f"strobe {strobe:#x} below the start address {burst.address:#x}")
            burst.beat += 1
            if last != (burst.beat == burst.beats):
                self._fail(f"wlast {last} at beat {burst.beat} of {burst.beats}")
            response = self._response(start, self.write_errors)
            # A memory that answers with an error may have written or not.
            if response != DECERR and (response == OKAY or self.random.random() < 0.5):
                data = int(bits, 2).to_bytes(self.bytes, "little")
                for lane in range(self.bytes):
                    if strobe >> lane & 1:
                        place = start - self.base + lane
                        if place >= self.memory.size:
                            response = DECERR
                        else:
                            self.memory[place] = data[lane]
            self._write_response = max(self._write_response, response)
            if last:
                self._writes.popleft()
                low, high = self.mood.write_latency
                due = self.cycle + self.random.randint(low, high)
                self._responses.append((self._write_response, due))
                self._write_response = OKAY


class Registers:
    """Accesses to the AXI4-Lite port with random delays on each channel."""

    def __init__(self, dut: Any, generator: random.Random) -> None:
        self.wires = Wires(dut)
        self.clock = dut.clk
        self.random = generator
        self.longest_delay = 0
        for name in "awvalid wvalid bready arvalid rready".split():
            self.wires.set(f"s_axil_{name}", 0)
        for name in "awaddr wdata wstrb araddr".split():
            self.wires.set(f"s_axil_{name}", 0)

    def _delay(self) -> int:
        return self.random.randint(0, self.longest_delay)

    async def write(self, address: int, value: int, strobe: int = 0xF) -> int:
        """Write; returns the response. Ends at a falling edge."""
        w = self.wires
        delays = {name: self._delay() for name in ("aw", "w", "b")}
        done = {"aw": False, "w": False}
        for cycle in range(10_000):
            if cycle:
                await FallingEdge(self.clock)
            for name in done:
                w.set(f"s_axil_{name}valid", int(not done[name] and cycle >= delays[name]))
            w.set("s_axil_awaddr", address if not done["aw"] else 0xAAA)
            w.set("s_axil_wdata", value if not done["w"] else 0x5555_5555)
            w.set("s_axil_wstrb", strobe)
            w.set("s_axil_bready", int(all(done.values()) and cycle >= delays["b"]))
            await ReadOnly()
            answered = w.get("s_axil_bvalid")
            if answered and not all(done.values()):
                raise BusError("AXI4-Lite B before AW and W")
            if answered and all(done.values()) and cycle >= delays["b"]:
                response = w.get("s_axil_bresp")
                await FallingEdge(self.clock)
                w.set("s_axil_bready", 0)
                return response
            for name in done:
                if cycle >= delays[name] and not done[name]:
                    done[name] = bool(w.get(f"s_axil_{name}ready"))
        raise BusError(f"no answer to a write at {address:#x}")

    async def read(self, address: int) -> tuple[int, int]:
        """Read; returns value and response. Ends at a falling edge."""
        w = self.wires
        start, take = self._delay(), self._delay()
        taken, held = False, None
        for cycle in range(10_000):
            if cycle:
                await FallingEdge(self.clock)
            w.set("s_axil_arvalid", int(not taken and cycle >= start))
            w.set("s_axil_araddr", address)
            w.set("s_axil_rready", int(taken and cycle >= take))
            await ReadOnly()
            answered = w.get("s_axil_rvalid")
            if answered and not taken:
                raise BusError("AXI4-Lite R before AR")
            if answered:
                payload = w.get("s_axil_rdata"), w.get("s_axil_rresp")
                if held not in (None, payload):
                    raise BusError(f"AXI4-Lite R was {held} before rready and is now {payload}")
                held = payload
                if cycle >= take:
                    await FallingEdge(self.clock)
                    w.set("s_axil_rready", 0)
                    return payload
            elif held is not None:
                raise BusError("AXI4-Lite rvalid fell before rready")
            if not taken and cycle >= start:
                taken = bool(w.get("s_axil_arready"))
        raise BusError(f"no answer to a read at {address:#x}")
