# SPDX-License-Identifier: Apache-2.0
"""Drivers and monitors for Amaranth streams in cocotb benches.

Everything happens around the falling edge of the clock: inputs change at it, and values are read
after they settled. What is read there is what the design sees at the next rising edge, in every
simulator, also along combinational paths from ``valid`` to ``ready``.
"""

from __future__ import annotations

import random as random_module
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import cocotb
from cocotb.triggers import Event, FallingEdge, ReadOnly

from .clock import cycles, reset, start_clock
from .payload import Codec
from .runner import bench_random

__all__ = [
    "ProtocolError",
    "StreamMonitor",
    "StreamSink",
    "StreamSource",
    "cycles",
    "reset",
    "start_clock",
]

Stalls = Callable[[], bool] | float | None


class ProtocolError(AssertionError):
    """A stream broke its rules: X on a wire, or a change while valid and not ready."""


def _stall_function(stalls: Stalls, random: random_module.Random | None) -> Callable[[], bool]:
    if stalls is None:
        return lambda: False
    if callable(stalls):
        return stalls
    if not 0 <= stalls < 1:
        raise ValueError(f"stalls must be a callable or a probability in [0, 1), not {stalls!r}")
    draw, probability = (random or bench_random()).random, stalls
    return lambda: draw() < probability


class _Stream:
    """Access to one stream's wires; absent ``valid`` or ``ready`` ports are constantly 1."""

    def __init__(self, dut: Any, prefix: str, clock: Any, layout: Any) -> None:
        self.name = prefix
        self.clock = clock
        self._valid = getattr(dut, f"{prefix}__valid", None)
        self._ready = getattr(dut, f"{prefix}__ready", None)
        self._payload = getattr(dut, f"{prefix}__payload", None)
        self._reset = getattr(dut, "rst", None)
        if self._valid is None and self._payload is None:
            raise AttributeError(
                f"no stream {prefix!r}: the top has neither {prefix}__valid nor {prefix}__payload"
            )
        width = len(self._payload) if self._payload is not None else 0
        self.codec = Codec(width if layout is None else layout)
        if self.codec.width != width:
            raise ValueError(
                f"layout of stream {prefix!r} has {self.codec.width} bits, its payload {width}"
            )

    def _in_reset(self) -> bool:
        if self._reset is None:
            return False
        value = self._reset.value
        return not value.is_resolvable or int(value) != 0

    def _bit(self, handle: Any, what: str) -> bool:
        if handle is None:
            return True
        value = handle.value
        if not value.is_resolvable:
            raise ProtocolError(f"{self.name}__{what} is {value} after reset")
        return int(value) == 1

    def _bits(self) -> int:
        if self._payload is None:
            return 0
        value = self._payload.value
        if not value.is_resolvable:
            raise ProtocolError(f"{self.name}__payload is {value} while valid")
        return int(value)


class StreamSource(_Stream):
    """Feeds a stream that enters the design.

    Between items the payload is random, so that a design that looks at it fails.

    Parameters
    ----------
    dut : handle
        Top of the design.
    prefix : str
        Name of the stream: ports ``<prefix>__valid``, ``__ready``, ``__payload``.
    clock : handle
        Its clock, usually ``dut.clk``.
    layout : ShapeLike
        Shape of the payload; unsigned if ``None``. Items are what it describes: dicts for
        structures, lists for arrays, ints.
    stalls : callable, float or None
        Called once a cycle when an item could start; true delays it. A number is a probability.
    random : random.Random
        For stalls and idle payloads; :func:`weft.sim.bench.runner.bench_random` if ``None``.
    """

    def __init__(
        self,
        dut: Any,
        prefix: str,
        clock: Any,
        layout: Any = None,
        *,
        stalls: Stalls = None,
        random: random_module.Random | None = None,
    ) -> None:
        super().__init__(dut, prefix, clock, layout)
        self._random = random or bench_random()
        self._stall = _stall_function(stalls, self._random)
        self._waiting: deque[int] = deque()
        self._empty = Event()
        self.sent = 0
        self._drive(None)
        cocotb.start_soon(self._run())

    def _drive(self, bits: int | None) -> None:
        if self._valid is not None:
            self._valid.value = int(bits is not None)
        if self._payload is not None:
            self._payload.value = (
                self._random.getrandbits(self.codec.width) if bits is None else bits
            )

    def put(self, items: Iterable[Any]) -> None:
        """Queue items and return at once."""
        self._waiting.extend(self.codec.pack(item) for item in items)
        if self._waiting:
            self._empty.clear()

    async def send(self, items: Iterable[Any]) -> None:
        """Queue items and wait until the design has accepted all that is queued."""
        self.put(items)
        await self.drained()

    async def drained(self) -> None:
        """Wait until nothing is queued; returns at a falling edge."""
        if self._waiting:
            await self._empty.wait()
            await FallingEdge(self.clock)

    async def _run(self) -> None:
        busy = False
        while True:
            await FallingEdge(self.clock)
            if self._in_reset():
                busy = False
                self._drive(None)
                continue
            if not busy:
                busy = bool(self._waiting) and not self._stall()
                self._drive(self._waiting[0] if busy else None)
            await ReadOnly()
            if self._in_reset():
                busy = False
            elif self._bit(self._ready, "ready") and busy:
                busy = False
                self.sent += 1
                self._waiting.popleft()
                if not self._waiting:
                    self._empty.set()


class StreamMonitor(_Stream):
    """Watches a stream: records what passes and raises when a rule is broken.

    The rules: ``valid`` and ``ready`` are never X after reset, nor ``payload`` while valid; and
    once valid, both stay until ready.

    Parameters
    ----------
    dut, prefix, clock, layout
        As for :class:`StreamSource`.

    Attributes
    ----------
    items : deque
        What has passed and was not received yet.
    received : int
        Number of items that have passed.
    cycle : int
        Cycles watched since the start.
    """

    def __init__(self, dut: Any, prefix: str, clock: Any, layout: Any = None) -> None:
        super().__init__(dut, prefix, clock, layout)
        self.items: deque[Any] = deque()
        self.received = 0
        self.cycle = 0
        self._arrival = Event()
        self._held: int | None = None
        cocotb.start_soon(self._run())

    def _prepare(self) -> None:
        """Drive what the monitor drives: nothing."""

    async def _run(self) -> None:
        while True:
            await FallingEdge(self.clock)
            self._prepare()
            await ReadOnly()
            self.cycle += 1
            if self._in_reset():
                self._held = None
            else:
                self._observe()

    def _observe(self) -> None:
        valid, ready = self._bit(self._valid, "valid"), self._bit(self._ready, "ready")
        if not valid:
            if self._held is not None:
                raise ProtocolError(f"{self.name}__valid fell before ready")
            return
        bits = self._bits()
        if self._held is not None and bits != self._held:
            raise ProtocolError(
                f"{self.name}__payload changed from {self._held:#x} to {bits:#x} before ready"
            )
        self._held = None if ready else bits
        if ready:
            self.received += 1
            self.items.append(self.codec.unpack(bits))
            self._arrival.set()

    async def receive(self, count: int = 1) -> list[Any]:
        """Wait for ``count`` items and return them as a list; returns at a falling edge."""
        if len(self.items) < count:
            while len(self.items) < count:
                self._arrival.clear()
                await self._arrival.wait()
            await FallingEdge(self.clock)
        return [self.items.popleft() for _ in range(count)]


class StreamSink(StreamMonitor):
    """Takes a stream that leaves the design, and watches it as a :class:`StreamMonitor` does.

    Takes items whether or not somebody waits in :meth:`receive`; give ``stalls`` to hold them.

    Parameters
    ----------
    dut, prefix, clock, layout
        As for :class:`StreamSource`.
    stalls : callable, float or None
        Called once a cycle; true keeps ``ready`` low. A number is a probability.
    random : random.Random
        For stalls; :func:`weft.sim.bench.runner.bench_random` if ``None``.
    """

    def __init__(
        self,
        dut: Any,
        prefix: str,
        clock: Any,
        layout: Any = None,
        *,
        stalls: Stalls = None,
        random: random_module.Random | None = None,
    ) -> None:
        self._stall = _stall_function(stalls, random)
        super().__init__(dut, prefix, clock, layout)
        if self._ready is not None:
            self._ready.value = 0

    def _prepare(self) -> None:
        stalled = self._stall()
        if self._ready is not None:
            self._ready.value = int(not stalled and not self._in_reset())
