# SPDX-License-Identifier: Apache-2.0
"""PLL settings of each family, and the Verilog of its instance."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

__all__ = [
    "ClockSource", "DirectClock", "ECP5PLL", "GowinPLL", "ICE40PLL", "clock_source"
]

MHZ = 1_000_000


@dataclass(frozen=True)
class ClockSource(ABC):
    """Makes the wire ``clk``, and ``locked`` once it can be used, from the pin ``clk_in``.

    Attributes
    ----------
    input_hz, output_hz : int
        Frequencies of the two.
    """

    input_hz: int
    output_hz: int

    @abstractmethod
    def instance(self) -> str:
        """Verilog statements that drive ``clk`` and ``locked``."""

    def model(self, reset: str) -> str:
        """Verilog of a stand-in for simulation: the clock passes through.

        Parameters
        ----------
        reset : str
            Hierarchical name of the net that is 1 while the PLL has no lock.
        """
        return ""

    @abstractmethod
    def check(self) -> None:
        """Raise `ValueError` if no setting makes ``output_hz``."""

    def _refuse(self, primitive: str) -> ValueError:
        return ValueError(
            f"no setting of {primitive} makes {self.output_hz} Hz of {self.input_hz} Hz exactly; "
            f"choose a system_hz that is a ratio of small numbers to the oscillator's"
        )


class DirectClock(ClockSource):
    """The oscillator itself."""

    def check(self) -> None:
        """Refuse two different frequencies."""
        if self.output_hz != self.input_hz:
            raise ValueError(
                f"system_hz must be the oscillator's {self.input_hz} Hz without a PLL, "
                f"not {self.output_hz}"
            )

    def instance(self) -> str:
        """Wires."""
        return "  assign clk = clk_in;\n  assign locked = 1'b1;"


class _PLL(ClockSource):
    """A clock source that is one instance of a primitive."""

    primitive: ClassVar[str]
    output: ClassVar[str]
    """Port of the primitive that drives ``clk``."""

    @abstractmethod
    def _parameters(self) -> dict[str, str]:
        """Parameters of the instance."""

    @abstractmethod
    def _ports(self) -> dict[str, str]:
        """What its ports are connected to."""

    def instance(self) -> str:
        """One instance, ``pll``."""
        return _instance(self.primitive, self._parameters(), self._ports())

    def model(self, reset: str) -> str:
        """See `ClockSource.model`."""
        ports = []
        for name, net in self._ports().items():
            constant = re.match(r"(\d+)'", net)
            width = int(constant[1]) if constant else 1
            direction = "output" if name in (self.output, "LOCK") else "input"
            ports.append(f"  {direction} wire {f'[{width - 1}:0] ' if width > 1 else ''}{name}")
        source = next(name for name, net in self._ports().items() if net == "clk_in")
        return "\n".join(
            [
                f"module {self.primitive} #(",
                ",\n".join(f"  parameter {name} = 0" for name in self._parameters()),
                ") (",
                ",\n".join(ports),
                ");",
                f"  assign {self.output} = {source};",
                f"  assign LOCK = !{reset};",
                "endmodule\n",
            ]
        )


class ECP5PLL(_PLL):
    """EHXPLLL, its output fed back (Lattice FPGA-DS-02012, sysCLOCK PLL: VCO 400 to 800 MHz, phase
    detector 10 to 400 MHz)."""

    primitive = "EHXPLLL"
    output = "CLKOP"

    def _settings(self) -> tuple[int, int, int]:
        """Dividers of the input, the feedback and the output, the VCO nearest to its middle."""
        found = [
            (abs(self.output_hz * output - 600 * MHZ), divide, multiply, output)
            for divide in range(1, 129)
            if self.input_hz >= 10 * MHZ * divide
            for multiply in range(1, 81)
            if self.input_hz * multiply == self.output_hz * divide
            for output in range(1, 129)
            if 400 * MHZ <= self.output_hz * output <= 800 * MHZ
        ]
        if not found:
            raise self._refuse("EHXPLLL")
        _, divide, multiply, output = min(found)
        return divide, multiply, output

    def check(self) -> None:
        """Refuse what the dividers cannot make."""
        self._settings()

    def _parameters(self) -> dict[str, str]:
        divide, multiply, output = self._settings()
        return {
            "PLLRST_ENA": '"DISABLED"', "INTFB_WAKE": '"DISABLED"', "STDBY_ENABLE": '"DISABLED"',
            "DPHASE_SOURCE": '"DISABLED"', "OUTDIVIDER_MUXA": '"DIVA"', "CLKI_DIV": str(divide),
            "CLKFB_DIV": str(multiply), "CLKOP_DIV": str(output), "CLKOP_ENABLE": '"ENABLED"',
            "CLKOP_CPHASE": str(output - 1), "CLKOP_FPHASE": "0", "FEEDBK_PATH": '"CLKOP"',
        }

    def _ports(self) -> dict[str, str]:
        low = ("RST", "STDBY", "PHASESEL0", "PHASESEL1", "PHASEDIR", "PHASESTEP", "PHASELOADREG",
               "PLLWAKESYNC", "ENCLKOP")
        return {
            "CLKI": "clk_in", "CLKFB": "clk", "CLKOP": "clk", "LOCK": "locked",
            **dict.fromkeys(low, "1'b0"),
        }

    def instance(self) -> str:
        """One EHXPLLL; its loop filter as for every VCO in the middle of its range."""
        attributes = {
            "ICP_CURRENT": 12, "LPF_RESISTOR": 8, "MFG_ENABLE_FILTEROPAMP": 1, "MFG_GMCREF_SEL": 2
        }
        values = ", ".join(f'{name}="{value}"' for name, value in attributes.items())
        return f"  (* {values} *)\n" + super().instance()


class ICE40PLL(_PLL):
    """SB_PLL40_PAD in simple feedback (Lattice FPGA-TN-02052: phase detector 10 to 133 MHz, VCO
    533 to 1066 MHz)."""

    primitive = "SB_PLL40_PAD"
    output = "PLLOUTGLOBAL"

    def _settings(self) -> tuple[int, int, int]:
        """DIVR, DIVF and DIVQ."""
        for shift in range(1, 7):
            oscillator = self.output_hz << shift
            if not 533 * MHZ <= oscillator <= 1066 * MHZ:
                continue
            for divide in range(1, 17):
                detector, rest = divmod(self.input_hz, divide)
                exact = not rest and oscillator % detector == 0
                if exact and detector >= 10 * MHZ and oscillator // detector <= 128:
                    return divide - 1, oscillator // detector - 1, shift
        raise self._refuse("SB_PLL40_PAD")

    def check(self) -> None:
        """Refuse what the dividers cannot make."""
        self._settings()

    def _parameters(self) -> dict[str, str]:
        """The filter's range goes with the phase detector's frequency."""
        divide, multiply, shift = self._settings()
        detector = self.input_hz / (divide + 1)
        limits = (17, 26, 44, 66, 101)
        filter_range = 1 + sum(detector >= limit * MHZ for limit in limits)
        return {
            "FEEDBACK_PATH": '"SIMPLE"', "DIVR": f"4'd{divide}", "DIVF": f"7'd{multiply}",
            "DIVQ": f"3'd{shift}", "FILTER_RANGE": f"3'd{filter_range}",
        }

    def _ports(self) -> dict[str, str]:
        return {
            "PACKAGEPIN": "clk_in", "PLLOUTGLOBAL": "clk", "LOCK": "locked", "RESETB": "1'b1",
            "BYPASS": "1'b0",
        }


class GowinPLL(_PLL):
    """rPLL of GW2A (Gowin UG286: phase detector 3 to 400 MHz, VCO 500 to 1250 MHz)."""

    primitive = "rPLL"
    output = "CLKOUT"

    def _settings(self) -> tuple[int, int, int]:
        """IDIV_SEL, FBDIV_SEL and ODIV_SEL."""
        for output in (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128):
            if not 500 * MHZ <= self.output_hz * output <= 1250 * MHZ:
                continue
            for divide in range(1, 65):
                multiply, rest = divmod(self.output_hz * divide, self.input_hz)
                if not rest and 1 <= multiply <= 64 and self.input_hz >= 3 * MHZ * divide:
                    return divide - 1, multiply - 1, output
        raise self._refuse("rPLL")

    def check(self) -> None:
        """Refuse what the dividers cannot make."""
        self._settings()

    def _parameters(self) -> dict[str, str]:
        divide, multiply, output = self._settings()
        return {
            "DEVICE": '"GW2A-18C"', "FCLKIN": f'"{self.input_hz / MHZ:g}"',
            "IDIV_SEL": str(divide), "FBDIV_SEL": str(multiply), "ODIV_SEL": str(output),
            "DYN_IDIV_SEL": '"false"', "DYN_FBDIV_SEL": '"false"', "DYN_ODIV_SEL": '"false"',
            "PSDA_SEL": '"0000"', "DUTYDA_SEL": '"1000"', "DYN_DA_EN": '"false"',
            "DYN_SDIV_SEL": "2", "CLKFB_SEL": '"internal"', "CLKOUT_BYPASS": '"false"',
            "CLKOUTP_BYPASS": '"false"', "CLKOUTD_BYPASS": '"false"',
        }

    def _ports(self) -> dict[str, str]:
        return {
            "CLKIN": "clk_in", "CLKOUT": "clk", "LOCK": "locked", "CLKFB": "1'b0",
            "RESET": "1'b0", "RESET_P": "1'b0", "FBDSEL": "6'b0", "IDSEL": "6'b0",
            "ODSEL": "6'b0", "PSDA": "4'b0", "DUTYDA": "4'b0", "FDLY": "4'b0",
        }


def _instance(primitive: str, parameters: dict[str, str], ports: dict[str, str]) -> str:
    def lines(values: dict[str, str]) -> Iterator[str]:
        return (f"    .{name}({value})" for name, value in values.items())

    return (
        f"  {primitive} #(\n" + ",\n".join(lines(parameters)) + "\n  ) pll (\n"
        + ",\n".join(lines(ports)) + "\n  );"
    )


_PLLS: dict[str, Callable[[int, int], ClockSource]] = {
    "ecp5": ECP5PLL, "ice40": ICE40PLL, "gowin": GowinPLL
}


def clock_source(family: str, input_hz: int, output_hz: int) -> ClockSource:
    """A wire where the frequencies are equal or the family's PLL is not supported, else its PLL."""
    if input_hz == output_hz or family not in _PLLS:
        return DirectClock(input_hz, output_hz)
    return _PLLS[family](input_hz, output_hz)
