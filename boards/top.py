# SPDX-License-Identifier: Apache-2.0
"""The generic board: an accelerator, its host link and on-chip memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from ..hdl.accelerator import Accelerator
from ..hdl.bus import AXI4LiteSignature, AXI4ReadSignature, AXI4WriteSignature
from ..hdl.config import Config
from ..hdl.link.baud import Baud
from ..hdl.link.link import HostLink
from ..hdl.memory.axi_memory import AXIMemory
from ..hdl.memory.memory_arbiter import MemoryArbiter
from ..hdl.once import Once
from ..hdl.registers import ADDRESS_WIDTH
from .axi_narrow import AXINarrow
from .sdram_start import RegisterWrite, SDRAMStart

__all__ = ["LED_COUNT", "BoardTop", "ExternalMemory"]

LED_COUNT = 4


@dataclass(frozen=True)
class ExternalMemory:
    """A memory whose controller is beside the generic board.

    Attributes
    ----------
    width : int
        Bits of a beat of the controller's AXI4 port, less than the accelerator's.
    start : tuple of RegisterWrite
        What makes it usable.
    """

    width: int
    start: tuple[RegisterWrite, ...]


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
    external : ExternalMemory or None
        It then takes the place of the on-chip memory::

            MemoryArbiter -- AXINarrow --> memory_read, memory_write
                                 ^-- SDRAMStart --> start_*

    Members
    -------
    uart_rx : In(1)
        From the host, asynchronous.
    uart_tx : Out(1)
        To the host.
    leds : Out(4)
        0: out of reset. 1: changes with every request received. 2: interrupt. 3: the accelerator
        accesses memory.
    memory_read, memory_write : Out(AXI4ReadSignature, AXI4WriteSignature)
        To the controller of an external memory.
    start_cyc, start_adr[30], start_dat_w[32] : Out
    start_ack : In(1)
        To the registers of the controller: Wishbone, as of `SDRAMStart`.
    """

    def __init__(
        self, config: Config, *, baud: Baud, memory_bytes: int, single_port: bool = False,
        external: ExternalMemory | None = None,
    ) -> None:
        self.config = config
        self.baud = baud
        self.memory_bytes = memory_bytes
        self.single_port = single_port
        self.external = external
        members: dict[str, Any] = {
            "uart_rx": In(1), "uart_tx": Out(1, init=1), "leds": Out(LED_COUNT)
        }
        if external is not None:
            widths = {"address_width": exact_log2(memory_bytes), "data_width": external.width}
            members |= {
                "memory_read": Out(AXI4ReadSignature(**widths)),
                "memory_write": Out(AXI4WriteSignature(**widths)),
                "start_cyc": Out(1), "start_adr": Out(30), "start_dat_w": Out(32),
                "start_ack": In(1),
            }
        super().__init__(members)

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
        memory = self._memory(m, widths)
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

    def _memory(self, m: Module, widths: dict[str, int]) -> Any:
        """The subordinate with ``read`` and ``write``."""
        if self.external is None:
            m.submodules.memory = memory = Once(
                AXIMemory(size=self.memory_bytes, single_port=self.single_port, **widths)
            )
            return memory
        m.submodules.narrow = narrow = Once(
            AXINarrow(
                size=self.memory_bytes, memory_width=self.external.width,
                max_burst_beats=self.config.max_burst_beats, **widths,
            )
        )
        m.submodules.start = start = Once(SDRAMStart(writes=self.external.start))
        connect(m, narrow.memory_read, flipped(self.memory_read))
        connect(m, narrow.memory_write, flipped(self.memory_write))
        m.d.comb += [
            narrow.ready.eq(start.done),
            self.start_cyc.eq(start.cyc),
            self.start_adr.eq(start.adr),
            self.start_dat_w.eq(start.dat_w),
            start.ack.eq(self.start_ack),
        ]
        return narrow


def _connect_ports(
    m: Module, accelerator: Any, prefix: str, signature: wiring.Signature, port: Any
) -> None:
    """Connect the flat ports of the accelerator's bus to an interface."""
    for name, member in signature.members.items():
        flat, inner = getattr(accelerator, f"{prefix}_{name}"), getattr(port, name)
        m.d.comb += inner.eq(flat) if member.flow is Out else flat.eq(inner)
