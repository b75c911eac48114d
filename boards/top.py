# SPDX-License-Identifier: Apache-2.0
"""The generic board: an accelerator, its host link and on-chip memory."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from ..hdl.accelerator import Accelerator
from ..hdl.bus import AXI4LiteSignature, AXI4ReadSignature, AXI4WriteSignature
from ..hdl.config import Config
from ..hdl.link.baud import Baud
from ..hdl.link.link import HostLink
from ..hdl.memory.axi_memory import AXIMemory
from ..hdl.memory.memory_arbiter import MemoryArbiter
from ..hdl.once import Once
from ..hdl.registers import ADDRESS_WIDTH

__all__ = ["LED_COUNT", "BoardTop"]

LED_COUNT = 4


class BoardTop(wiring.Component):
    """What a board needs besides its clock and its pins.

    ::

        uart_rx -> HostLink -- registers --> Accelerator --> leds
        uart_tx <-    |                          |
                      +------- MemoryArbiter ----+
                                    |
                                AXIMemory

    Parameters
    ----------
    config : Config
        The accelerator.
    baud : Baud
        Frequency of the clock, and baud rate of the host link.
    memory_bytes : int
        Size of the memory, a power of two of at least 4096.
    single_port : bool
        See `AXIMemory`.

    Members
    -------
    uart_rx : In(1)
        From the host, asynchronous.
    uart_tx : Out(1)
        To the host.
    leds : Out(4)
        0: out of reset. 1: changes with every request received. 2: interrupt. 3: the accelerator
        accesses memory.
    """

    def __init__(
        self, config: Config, *, baud: Baud, memory_bytes: int, single_port: bool = False
    ) -> None:
        self.config = config
        self.baud = baud
        self.memory_bytes = memory_bytes
        self.single_port = single_port
        super().__init__({"uart_rx": In(1), "uart_tx": Out(1, init=1), "leds": Out(LED_COUNT)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        widths = {"address_width": config.axi_address_width, "data_width": config.axi_width}
        m.submodules.link = link = Once(
            HostLink(baud=self.baud, memory_bytes=self.memory_bytes, **widths)
        )
        m.submodules.accelerator = accelerator = Once(Accelerator(config))
        # The memory below works on one burst in each direction while beats of the one before leave.
        m.submodules.arbiter = arbiter = Once(MemoryArbiter(**widths, outstanding=4))
        m.submodules.memory = memory = Once(
            AXIMemory(size=self.memory_bytes, single_port=self.single_port, **widths)
        )
        connect(m, link.read, arbiter.link_read)
        connect(m, link.write, arbiter.link_write)
        connect(m, arbiter.read, memory.read)
        connect(m, arbiter.write, memory.write)
        for prefix, signature, port in (
            ("m_axi", AXI4ReadSignature(**widths), arbiter.accelerator_read),
            ("m_axi", AXI4WriteSignature(**widths), arbiter.accelerator_write),
            ("s_axil", AXI4LiteSignature(address_width=ADDRESS_WIDTH).flip(), link.registers),
        ):
            _connect_ports(m, accelerator, prefix, signature, port)
        toggle = Signal()
        m.d.sync += [
            toggle.eq(toggle ^ link.accepted),
            self.leds.eq(
                Cat(1, toggle, accelerator.irq, accelerator.m_axi_rvalid | accelerator.m_axi_wvalid)
            ),
        ]
        m.d.comb += [
            link.rx.eq(self.uart_rx),
            self.uart_tx.eq(link.tx),
            link.irq.eq(accelerator.irq),
        ]
        return m


def _connect_ports(
    m: Module, accelerator: Any, prefix: str, signature: wiring.Signature, port: Any
) -> None:
    """Connect the flat ports of the accelerator's bus to an interface."""
    for name, member in signature.members.items():
        flat, inner = getattr(accelerator, f"{prefix}_{name}"), getattr(port, name)
        m.d.comb += inner.eq(flat) if member.flow is Out else flat.eq(inner)
