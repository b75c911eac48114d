# SPDX-License-Identifier: Apache-2.0
"""What is between the registers, the memories and the bus where execution is serial."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import Config
from ..once import Once
from .engine import Engine
from .microcode import Output, Port
from .mover import ByteMover
from .streamer import VectorStreamer

__all__ = ["SerialCore"]

MOVES = {
    "address_low": Output.ADDRESS_LOW,
    "address_high": Output.ADDRESS_HIGH,
    "word": Output.WORD,
    "last_byte": Output.LAST_BYTE,
    "fill": Output.FILL,
    "memory": Output.MEMORY,
    "stream": Output.STREAM,
    "load_row": Output.LOAD_ROW,
    "fill_word": Output.FILL_WORD,
    "store_row": Output.STORE_ROW,
}
STREAMS = {
    "weights": Output.WEIGHTS,
    "no_weights": Output.NO_WEIGHTS,
    "first": Output.FIRST,
    "source": Output.SOURCE,
    "target": Output.TARGET,
    "source_stride": Output.SOURCE_STRIDE,
    "target_stride": Output.TARGET_STRIDE,
    "vectors": Output.VECTORS,
}

MOVER_PORTS = (
    "activation_write", "weight_write", "accumulator_write", "activation_read", "activation_data",
    "accumulator_read", "accumulator_data", "read", "write",
)
ENGINE_PORTS = (
    "launch", "halt", "resetting", "rest", "booted", "failed", "stuck", "address", "granted",
    "uses", "poke",
)
"""Those of the engine that the core has under the same name."""


class SerialCore(wiring.Component):
    """Executes programs, one instruction at a time and in order.

    ::

        registers <-> Engine -+-> ByteMover ------> bus, memories
                              '-> VectorStreamer -> memories, with the array

    The engine's microprogram does everything but what takes a cycle for each byte or vector.

    Parameters
    ----------
    config : Config
        What to build.

    Members
    -------
    launch, halt, resetting, rest, booted, failed
        As for `Engine`.
    idle : Out(1)
        Nothing is being done and nothing is on the bus.
    progress : Out(1)
        Something moves.
    stuck : Out(1)
        The instruction waits for a semaphore in vain.
    address, granted, uses, register_value, poke, poke_data
        To the registers: see `Engine`.
    units : Out(4)
        The units that an instruction is executed for.
    legal : Out(1)
        An instruction has been found legal.
    moving, issued : Out(1)
        Bytes are being moved; a vector enters the array.
    activation_write, weight_write, accumulator_write, activation_read, activation_data,
    accumulator_read, accumulator_data, read, write
        As for `ByteMover`.
    matmul_activation_read, matmul_weight_read, update
        As for `VectorStreamer`, there without ``matmul_``.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.engine = Once(Engine(config))
        self.mover = Once(ByteMover(config))
        self.streamer = Once(VectorStreamer(config))
        engine, mover, streamer = (
            part.signature.members for part in (self.engine, self.mover, self.streamer)
        )
        super().__init__(
            {
                **{name: engine[name] for name in ENGINE_PORTS},
                "idle": Out(1),
                "progress": Out(1),
                "register_value": In(32),
                "poke_data": Out(16),
                "units": Out(4),
                "legal": Out(1),
                "moving": Out(1),
                "issued": Out(1),
                **{name: mover[name] for name in MOVER_PORTS},
                "matmul_activation_read": streamer["activation_read"],
                "matmul_weight_read": streamer["weight_read"],
                "update": streamer["update"],
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.engine = engine = self.engine
        m.submodules.mover = mover = self.mover
        m.submodules.streamer = streamer = self.streamer
        for name in MOVER_PORTS:
            connect(m, getattr(mover, name), flipped(getattr(self, name)))
        for name in ("activation", "weight"):
            connect(
                m, getattr(streamer, f"{name}_read"), flipped(getattr(self, f"matmul_{name}_read"))
            )
        connect(m, streamer.update, flipped(self.update))
        connect(m, mover.bits, engine.bits)
        for name, output in MOVES.items():
            m.d.comb += mover.command[name].eq(engine.outputs[output])
        for name, output in STREAMS.items():
            m.d.comb += streamer.command[name].eq(engine.outputs[output])
        with m.If(engine.outputs[Output.UNIT]):
            m.d.sync += self.units.eq(engine.data)
        for name in ENGINE_PORTS:
            inner, outer = getattr(engine, name), getattr(self, name)
            member = engine.signature.members[name]
            m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
        m.d.comb += [
            *(part.halt.eq(self.halt) for part in (mover, streamer)),
            mover.wants.eq(engine.wants),
            mover.value.eq(engine.data),
            streamer.value.eq(engine.data),
            engine.ports[Port.BEAT_LOW].eq(mover.beat[:16]),
            engine.ports[Port.BEAT_HIGH].eq(mover.beat[16:]),
            engine.ports[Port.SOURCE].eq(streamer.source),
            engine.ports[Port.TARGET].eq(streamer.target),
            engine.moving.eq(mover.busy | streamer.streaming),
            engine.draining.eq(streamer.draining),
            engine.fault.eq(mover.failed | streamer.fault),
            engine.value.eq(self.register_value),
            self.poke_data.eq(engine.data),
            self.idle.eq(engine.rest & mover.idle & ~streamer.streaming & ~streamer.draining),
            self.progress.eq(
                engine.progress
                | streamer.issued
                | (self.read.rvalid & self.read.rready)
                | (self.write.bvalid & self.write.bready)
            ),
            self.legal.eq(engine.outputs[Output.LEGAL]),
            self.moving.eq(mover.busy),
            self.issued.eq(streamer.issued),
        ]
        return m
