# SPDX-License-Identifier: Apache-2.0
"""What array fits a board, estimated from syntheses of a few sizes, before anything is built."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np

from ..hdl.config import Config, ConfigurationError
from .board import Board

__all__ = [
    "CELLS", "DATA_FILE", "RESOURCES", "Estimate", "Model", "capacity", "count_resources",
    "estimate", "fitted", "largest_arrays", "load_models", "modelled",
]

DATA_FILE = "fit.json"
"""Syntheses that the estimates are fitted on; ``scripts/bench_fit.py`` writes it."""

RESOURCES = ("lut", "ff", "dsp", "bram")
"""What is estimated: look-up tables (with carries, and the LUTs of distributed memory),
flip-flops, multiplier blocks, block RAMs."""

_ALL_LUTS = {f"LUT{inputs}": 1.0 for inputs in range(1, 5)}

CELLS: dict[str, dict[str, dict[str, float]]] = {
    "ecp5": {
        # A carry cell is two LUTs; a 16 x 4 memory four, and two more that address it.
        "lut": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6},
        "ff": {"TRELLIS_FF": 1},
        "dsp": {"MULT18X18D": 1},
        "bram": {"DP16KD": 1},
    },
    "ice40": {
        "lut": {"SB_LUT4": 1},
        "ff": {"SB_DFF": 1},
        "dsp": {"SB_MAC16": 1},
        "bram": {"SB_RAM40_4K": 1},
    },
    "gowin": {
        "lut": {**_ALL_LUTS, "ALU": 1, "RAM16SDP4": 4, "RAM16SDP2": 2, "RAM16SDP1": 1},
        "ff": {"DFF": 1},
        "dsp": {"MULT9X9": 1, "MULT18X18": 2, "MULT36X36": 8},
        "bram": {"DP": 1, "SDP": 1, "SP": 1},
    },
    "nexus": {
        "lut": {"LUT4": 1, "WIDEFN9": 2, "CCU2": 2, "DPR16X4": 6},
        "ff": {"FD1P3": 1},
        "dsp": {"MULT9X9": 1, "MULT9X9D": 1, "MULT18X18": 2, "MULT18X36": 4, "MULT36X36": 8},
        "bram": {"PDP16K_MODE": 1, "DP16K_MODE": 1, "PDPSC16K_MODE": 1},
    },
}
"""What a cell of Yosys counts as, by family, resource and type. Types that end in letters for
enable and reset are named by their beginning (`count_resources`)."""

_PREFIXES = ("SB_DFF", "DFF", "FD1P3", "SDP", "DP", "SP")
"""Types of `CELLS` that stand for all that begin so."""

_DEVICES: dict[str, tuple[int, int, int, int]] = {
    "UP5K": (5280, 5280, 8, 30),
    "LFE5U-25F": (24288, 24288, 28, 56),
    "LFE5U-45F": (43848, 43848, 72, 108),
    "LFE5U-85F": (83640, 83640, 156, 208),
    "LFE5UM5G-85F": (83640, 83640, 156, 208),
    "GW2AR-LV18": (20736, 15552, 96, 46),
    "LIFCL-40": (32256, 32256, 112, 84),
}
"""`RESOURCES` of each board's device. A multiplier block of Gowin and Nexus is one of 9 bits."""

_PRODUCTS = {"ice40": 2}
"""Products of int8 in a multiplier block, where it is not one."""

_SHAPES_18K = ((1, 16384), (2, 8192), (4, 4096), (9, 2048), (18, 1024), (36, 512))
_SHAPES = {
    "ecp5": _SHAPES_18K,
    "gowin": _SHAPES_18K,
    "nexus": _SHAPES_18K,
    "ice40": ((2, 2048), (4, 1024), (8, 512), (16, 256)),
}
"""Width and depth of a block RAM."""


@dataclass(frozen=True)
class Estimate:
    """Resources of a whole board: accelerator, host link, memory.

    Attributes
    ----------
    used, available : dict of str to int
        By `RESOURCES`.
    fits : bool
        Whether each is within `Estimate.limit` of what the device has.
    """

    used: Mapping[str, int]
    available: Mapping[str, int]

    @staticmethod
    def limit(resource: str, available: int) -> int:
        """How many can be used: a design with all LUTs in use is seldom routed."""
        return available * 9 // 10 if resource == "lut" else available

    @property
    def short(self) -> list[str]:
        """Resources of which there are too few."""
        return [name for name, number in self.used.items()
                if number > self.limit(name, self.available[name])]

    @property
    def fits(self) -> bool:
        """Whether there is enough of everything."""
        return not self.short


@dataclass(frozen=True)
class Model:
    """Linear in the products of the array and in the lanes of the vector unit, if there is one.

    Attributes
    ----------
    coefficients : mapping of str to sequence of float
        By `RESOURCES`: a constant, for each product, for a vector unit, for each lane of it.
    soft : float
        Look-up tables that a product needs more without a multiplier block.
    points : sequence of mapping
        The syntheses: ``rows``, ``cols``, ``lanes``, ``cells``, and the other parameters.
    """

    coefficients: Mapping[str, Sequence[float]]
    soft: float
    points: Sequence[Mapping[str, Any]]


def count_resources(cells: Mapping[str, float], family: str) -> dict[str, float]:
    """`RESOURCES` of the cells that Yosys counts."""
    counted = dict.fromkeys(RESOURCES, 0.0)
    for resource, weights in CELLS[family].items():
        for kind, number in cells.items():
            for name, weight in weights.items():
                if kind == name or name in _PREFIXES and kind.startswith(name):
                    counted[resource] += weight * number
                    break
    return counted


def _blocks(family: str, width: int, depth: int) -> int:
    """Block RAMs of a memory, by the best of the block's shapes."""
    return min(-(-width // bits) * -(-depth // words) for bits, words in _SHAPES[family])


def _buffer_blocks(config: Config, family: str) -> int:
    """Block RAMs of the accelerator's buffers; the small memories are in the fitted constant."""
    parameters = 8 * config.parameter_bytes
    return (
        2 * _blocks(family, 8 * config.rows, config.activation_depth // 2)
        + (0 if config.weight_single_port
           else _blocks(family, 8 * config.cols, config.weight_depth))
        + config.accumulator_banks * _blocks(
            family,
            config.cols * config.accumulator_width,
            config.accumulator_depth // config.accumulator_banks,
        )
        + (_blocks(family, parameters, config.parameter_depth) if parameters else 0)
    )


def _exact(config: Config, family: str, resource: str, multipliers: int) -> float:
    """The part of a resource that follows from the configuration."""
    products = config.rows * config.cols
    if resource == "dsp":
        return -(-min(products, multipliers) // _PRODUCTS.get(family, 1))
    return _buffer_blocks(config, family) if resource == "bram" else 0.0


def _features(config: Config, resource: str) -> tuple[float, float, float, float]:
    """What a coefficient is multiplied with; blocks do not grow with the array but exactly."""
    products = config.rows * config.cols if resource in ("lut", "ff") else 0
    return 1.0, float(products), float(config.lanes > 0), float(config.lanes)


def _configs(family: str, points: Sequence[Mapping[str, Any]]) -> list[Config]:
    """What was synthesized."""
    return [Config.from_dict({**point["config"], "family": family}) for point in points]


def fitted(family: str, points: Sequence[Mapping[str, Any]], soft: float) -> Model:
    """Least squares over some syntheses of designs that use multiplier blocks only."""
    configs = _configs(family, points)
    coefficients = {}
    for resource in RESOURCES:
        rest = [
            count_resources(point["cells"], family)[resource]
            - _exact(config, family, resource, config.rows * config.cols)
            - (_memory_of(family, point) if resource == "bram" else 0)
            for point, config in zip(points, configs, strict=True)
        ]
        rows = np.array([_features(config, resource) for config in configs])
        solution = np.linalg.lstsq(rows, np.array(rest), rcond=None)[0]
        coefficients[resource] = [round(float(value), 3) for value in solution]
    return Model(coefficients, soft, points)


def _memory_of(family: str, point: Mapping[str, Any]) -> int:
    """Block RAMs of the board's memory in a synthesis that is fitted on."""
    width = point["config"]["axi_width"]
    return _board_memory(family, width, point["memory_bytes"])


def _board_memory(family: str, width: int, size: int) -> int:
    """Block RAMs of a memory with byte strobes: a block holds whole bytes, or part of one. None if
    its size is 0."""
    lanes = width // 8
    depth = 8 * size // width
    columns = {
        bits: -(-lanes // (bits // 8)) if bits >= 8 else lanes * -(-8 // bits)
        for bits, _ in _SHAPES[family]
    }
    return min(columns[bits] * -(-depth // words) for bits, words in _SHAPES[family])


@functools.cache
def load_models() -> dict[str, Model]:
    """The fitted model of each family that has more syntheses than their sizes need."""
    text = (resources.files(__package__) / DATA_FILE).read_text(encoding="utf-8")
    return {
        family: fitted(family, values["points"], values["soft"])
        for family, values in json.loads(text)["families"].items()
        if len(values["points"]) > _independent(family, values["points"])
    }


def _independent(family: str, points: Sequence[Mapping[str, Any]]) -> int:
    """How many coefficients the syntheses decide."""
    rows = [_features(config, "lut") for config in _configs(family, points)]
    return int(np.linalg.matrix_rank(np.array(rows))) if rows else 0


def capacity(board: Board) -> dict[str, int]:
    """`RESOURCES` of a board's device."""
    return dict(zip(RESOURCES, _DEVICES[board.part.device], strict=True))


def modelled(
    family: str, config: Config, multipliers: int, memory_bytes: int
) -> dict[str, float]:
    """`RESOURCES` of a design by the fitted model.

    Parameters
    ----------
    family : str
        The family.
    config : Config
        The accelerator.
    multipliers : int
        Products of int8 that multiplier blocks make; the others cost look-up tables.
    memory_bytes : int
        Size of the board's memory in block RAM; 0 where it is elsewhere.
    """
    model = load_models()[family]
    used = {}
    for resource in RESOURCES:
        features = _features(config, resource)
        used[resource] = _exact(config, family, resource, multipliers) + sum(
            value * feature
            for value, feature in zip(model.coefficients[resource], features, strict=True)
        )
    used["lut"] += model.soft * max(0, config.rows * config.cols - multipliers)
    used["bram"] += _board_memory(family, config.axi_width, memory_bytes)
    return used


def estimate(board: Board, config: Config) -> Estimate:
    """Resources of a board with a configuration; the controller of an SDRAM is not counted.

    Parameters
    ----------
    board : Board
        Its device, and the size of its memory.
    config : Config
        The accelerator. Its family is the board's or generic.

    Raises
    ------
    ValueError
        If the configuration is for another family, or no syntheses of the family were recorded.
    """
    board.check_config(config)
    if board.family not in load_models():
        raise ValueError(
            f"there are no syntheses of family {board.family} to estimate from; run "
            f"python scripts/bench_fit.py --family {board.family}"
        )
    multipliers = config.multipliers
    if multipliers is None:
        multipliers = board.flow.multipliers[board.part.device]
    # Memories that are single-port are not block RAMs, but larger ones beside them.
    elsewhere = board.single_port or board.memory != "block"
    memory_bytes = 0 if elsewhere else board.memory_bytes
    used = modelled(board.family, config, multipliers, memory_bytes)
    return Estimate({name: round(number) for name, number in used.items()}, capacity(board))


def largest_arrays(board: Board) -> Iterator[tuple[Config, Estimate]]:
    """The largest square array that fits, and the largest with twice as many columns.

    All else is as in the board's configuration.
    """
    for factor in (1, 2):
        best = None
        for rows in range(1, 65):
            try:
                config = _resized(board.config, rows, factor * rows)
            except ConfigurationError:
                continue  # Serial execution has powers of two only.
            found = estimate(board, config)
            if found.fits:
                best = config, found
        if best is not None:
            yield best


def _resized(config: Config, rows: int, cols: int) -> Config:
    depth = max(config.weight_depth, 1 << (rows - 1).bit_length())
    return config.replace(rows=rows, cols=cols, weight_depth=depth)
