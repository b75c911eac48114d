# SPDX-License-Identifier: Apache-2.0
"""Figures that follow from a configuration: buffer sizes, block RAMs, peak rates."""

from __future__ import annotations

from typing import Any

from ..hdl.config import Config

__all__ = ["block_rams", "derived_figures"]

_ECP5_SHAPES = ((1, 16384), (2, 8192), (4, 4096), (9, 2048), (18, 1024), (36, 512))
"""Width and depth that one 18-kilobit block RAM can have (ECP5, FPGA-TN-02204, pseudo dual
port); 36 bits wide only with one read and one write port, which is how all buffers use it."""


def block_rams(width: int, depth: int, banks: int = 1) -> int:
    """ECP5 block RAMs of a memory of ``depth`` words in ``banks`` equal parts.

    The best of the block's shapes for each bank, as a mapper that uses one shape per memory finds.
    """
    words = -(-depth // banks)
    return banks * min(
        -(-width // block_width) * -(-words // block_depth)
        for block_width, block_depth in _ECP5_SHAPES
    )


def derived_figures(config: Config) -> dict[str, Any]:
    """What follows from a configuration, by name; sizes in bytes, rates per clock cycle."""
    activation = config.activation_depth * config.rows
    weight = config.weight_depth * config.cols
    accumulator_bits = config.accumulator_depth * config.cols * config.accumulator_width
    blocks = {
        "activation": block_rams(8 * config.rows, config.activation_depth, 2),
        "weight": block_rams(8 * config.cols, config.weight_depth),
        "accumulator": block_rams(
            config.cols * config.accumulator_width, config.accumulator_depth, 2
        ),
    }
    return {
        "macs_per_cycle": config.rows * config.cols,
        "partial_sum_width": config.partial_sum_width,
        "axi_bytes_per_cycle": config.axi_bytes,
        "activation_buffer_bytes": activation,
        "weight_buffer_bytes": weight,
        "accumulator_bytes": -(-accumulator_bits // 8),
        "buffer_bytes": activation + weight + -(-accumulator_bits // 8),
        "block_rams_ecp5": {**blocks, "total": sum(blocks.values())},
    }
