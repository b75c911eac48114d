# SPDX-License-Identifier: Apache-2.0
"""What is known of a board: its device, its pins, its clock, and what fits on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..hdl.config import Config
from ..hdl.link.baud import Baud
from .clocking import ClockSource, clock_source
from .flow.families import Family, Part, family_named
from .litedram import SDRAM, sdram_core
from .top import LED_COUNT, ExternalMemory

__all__ = ["MEMORIES", "Board", "Pin", "SDRAMOnBoard"]

MEMORIES = ("block", "sdram")
"""What can take the place of DRAM: block RAM, or the board's SDRAM."""


@dataclass(frozen=True)
class Pin:
    """One pin of the device.

    Attributes
    ----------
    site : str
        As the package names it.
    attributes : mapping of str to str
        As the family's constraint file names them, such as ``{"IO_TYPE": "LVCMOS33"}``. On iCE40
        ``{"pullup": "yes"}``.
    """

    site: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SDRAMOnBoard:
    """An SDRAM that the board can use.

    Attributes
    ----------
    chip : SDRAM
        The memory.
    pins : mapping of str to Pin
        By port of the top module: ``sdram_clk``, ``sdram_a_0`` and so on.
    system_hz : int
        Frequency of the FPGA and of the memory with it.
    """

    chip: SDRAM
    pins: Mapping[str, Pin]
    system_hz: int


@dataclass(frozen=True, kw_only=True)
class Board:
    """Everything that differs between boards.

    Attributes
    ----------
    name : str
        As ``--board`` takes it.
    title : str
        As its maker calls it.
    family : str
        As in ``weft.hdl.config.FAMILIES``.
    part : Part
        Device, package, speed grade.
    clock : Pin
        Of the oscillator.
    clock_hz : int
        Its frequency.
    system_hz : int
        Frequency of everything in the FPGA. A PLL makes it, unless it is ``clock_hz``.
    uart_rx, uart_tx : Pin
        From and to the host.
    baud : int
        Bits a second of the host link.
    leds : tuple of Pin
        The first LEDs of `BoardTop`, at most 4.
    leds_active_low : bool
        Whether an LED lights when its pin is low.
    memory_bytes : int
        Size of the on-chip memory in the place of DRAM.
    single_port : bool
        See `BoardTop`; for memories that are single-port RAM.
    config : Config
        The accelerator that is built by default.
    sdram : SDRAMOnBoard or None
        What ``with_memory("sdram")`` uses.
    memory : str
        One of `MEMORIES`.
    programmer : str
        The board's name in openFPGALoader.
    notes : tuple of str
        What a user has to know, a sentence each.

    Raises
    ------
    ValueError
        If two signals share a pin, there are too many LEDs, the baud rate cannot be made from
        ``system_hz``, no PLL setting makes ``system_hz``, or the configuration is for another
        family.
    """

    name: str
    title: str
    family: str
    part: Part
    clock: Pin
    clock_hz: int
    system_hz: int
    uart_rx: Pin
    uart_tx: Pin
    baud: int
    leds: tuple[Pin, ...]
    leds_active_low: bool
    memory_bytes: int
    single_port: bool = False
    config: Config
    sdram: SDRAMOnBoard | None = None
    memory: str = "block"
    programmer: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= len(self.leds) <= LED_COUNT:
            raise ValueError(f"leds must be 1 to {LED_COUNT} pins, not {len(self.leds)}")
        used: dict[str, str] = {}
        for port, pin in self.pins.items():
            if pin.site in used:
                raise ValueError(
                    f"pin {pin.site} of {self.name} must serve one signal, not both "
                    f"{used[pin.site]} and {port}"
                )
            used[pin.site] = port
        self.flow.part_arguments(self.part)
        Baud(self.system_hz, self.baud)
        self.clock_source.check()
        self.check_config(self.config)

    @property
    def pins(self) -> dict[str, Pin]:
        """By port of the top module."""
        return {
            "clk_in": self.clock,
            "uart_rx": self.uart_rx,
            "uart_tx": self.uart_tx,
            **{f"led_{index}": pin for index, pin in enumerate(self.leds)},
            **(self.sdram.pins if self.sdram is not None and self.memory == "sdram" else {}),
        }

    @property
    def flow(self) -> Family:
        """How the board's family is synthesized, placed and routed."""
        return family_named(self.family)

    @property
    def clock_source(self) -> ClockSource:
        """What makes the system's clock from the oscillator's."""
        return clock_source(self.family, self.clock_hz, self.system_hz)

    @property
    def external(self) -> ExternalMemory | None:
        """The memory beside the generic board, which is generated for it."""
        if self.memory != "sdram" or self.sdram is None:
            return None
        core = sdram_core(self.sdram.chip, self.system_hz)
        return ExternalMemory(self.sdram.chip.data_bits, core.start)

    def with_memory(self, memory: str) -> Board:
        """The board with one of `MEMORIES`.

        Raises
        ------
        ValueError
            If the board has none such.
        """
        if memory == self.memory:
            return self
        legal = MEMORIES if self.sdram is not None else MEMORIES[:1]
        if memory not in legal or self.sdram is None:
            raise ValueError(
                f"memory of {self.name} must be {' or '.join(map(repr, legal))}, not {memory!r}"
            )
        return dataclasses.replace(
            self, memory=memory, memory_bytes=self.sdram.chip.size, system_hz=self.sdram.system_hz,
            single_port=False,
            notes=("The SDRAM is behind a controller that LiteDRAM generates.",),
        )

    def check_config(self, config: Config) -> None:
        """Raise `ValueError` if ``config`` is for another family than the board's."""
        if config.family not in ("generic", self.family):
            raise ValueError(
                f"family of a configuration for {self.name} must be {self.family!r} or 'generic', "
                f"not {config.family!r}"
            )
