# SPDX-License-Identifier: Apache-2.0
"""Random VECTOR instructions that use every field, and parameters for them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..hdl.config import Config
from ..hdl.isa import (
    ADD_FLAG,
    MAXIMUM_FLAG,
    REQUANTIZE_FLAG,
    SUM_FLAG,
    TABLE_FLAG,
    UNIFORM_FLAG,
    Instruction,
    Opcode,
)
from .vector import parameter_words
from .vector_access import VectorAccess, vector_access

__all__ = ["random_parameters", "random_vector"]


def random_vector(
    config: Config,
    random: np.random.Generator,
    number: Callable[[int, int], int],
    *,
    accept: Callable[[VectorAccess], bool] | None = None,
) -> Instruction | None:
    """A random legal VECTOR, or None if that which was drawn is not acceptable.

    Parameters
    ----------
    number : Callable[[int, int], int]
        Draws a number between two, both included.
    accept : Callable[[VectorAccess], bool], optional
        What is acceptable. By default an instruction that reaches beyond no memory and whose result
        is defined.
    """
    values: dict[str, int] = {}
    for side in ("source", "destination"):
        memory = int(random.integers(0, 2))
        depth = config.accumulator_depth if memory else config.activation_depth
        width = config.cols if memory else config.rows
        values |= {
            f"{side}_memory": memory,
            f"{side}_address": number(0, depth - 1),
            f"{side}_element": config.lanes * number(0, width // config.lanes - 1),
            f"{side}_stride_y": number(0, 24),
            f"{side}_stride_x": number(0, 4),
        }
    if random.random() < 0.1:
        # In place.
        for name in ("memory", "address", "element", "stride_y", "stride_x"):
            values[f"destination_{name}"] = values[f"source_{name}"]
    values |= {
        "chunks": number(1, 12),
        "count_y": number(1, 4),
        "count_x": number(1, 12),
        **_random_window(random, number),
        "parameter_address": number(0, config.parameter_depth - 1),
        "zero_point": int(random.integers(-128, 128)),
    }
    if random.random() < 0.5:
        low, high = sorted(int(value) for value in random.integers(-128, 128, 2))
        values |= {"clamp_low": low, "clamp_high": high}
    flags = 0
    for bit in (SUM_FLAG, REQUANTIZE_FLAG, UNIFORM_FLAG, TABLE_FLAG):
        flags |= bit if random.random() < 0.5 else 0
    if values["destination_memory"]:
        flags &= ~TABLE_FLAG
        flags |= (0, ADD_FLAG, MAXIMUM_FLAG)[int(random.integers(0, 3))]
    instruction = Instruction(Opcode.VECTOR, values, flags=flags)
    access = vector_access(config, instruction)
    if accept is None:
        good = access.fault(config) is None and access.undefined(config) is None
    else:
        good = accept(access)
    return instruction if good else None


def _random_window(
    random: np.random.Generator, number: Callable[[int, int], int]
) -> dict[str, int]:
    """Mostly no window or a small one, now and then one of many words, most of them the same."""
    style = random.random()
    if style < 0.05:
        sides, strides = [(64, 2), (2, 64), (64, 1), (1, 64), (33, 5)], [(0, 0), (0, 1), (1, 0)]
        side, stride = (items[int(random.integers(len(items)))] for items in (sides, strides))
        return {"window_y": side[0], "window_x": side[1], "window_stride_y": stride[0],
                "window_stride_x": stride[1]}
    return {
        "window_y": number(1, 3) if style < 0.5 else 1,
        "window_x": number(1, 3) if random.random() < 0.5 else 1,
        "window_stride_y": number(0, 8),
        "window_stride_x": number(0, 3),
    }


def random_parameters(config: Config, random: np.random.Generator) -> NDArray[np.uint8]:
    """Parameters of as many channels as the memory holds, and some more, as LOAD takes them.

    Half the scales bring accumulators into the range of int8, the others are anything finite.
    """
    count = config.lanes * (config.parameter_depth + 3)
    bias = random.integers(-(1 << 31), 1 << 31, count) >> random.integers(0, 31, count)
    usual = random.random(count) < 0.5
    if config.requantize == "onnx":
        anything = random.integers(-60, 120, count)
        exponents = np.where(usual, random.integers(-20, 1, count), anything)
        scale = np.ldexp(random.uniform(1, 2, count), exponents).astype(np.float32)
        scale = np.where(usual | (random.random(count) < 0.5), scale, -scale)
        return parameter_words(bias.astype(np.int32), scale)
    anything = random.integers(-(1 << 31), 1 << 31, count)
    multiplier = np.where(usual, random.integers(1 << 30, 1 << 31, count), anything)
    left = np.where(usual, 0, random.integers(0, 32, count))
    right = np.where(usual, random.integers(0, 20, count), random.integers(0, 32, count))
    return parameter_words(bias.astype(np.int32), multiplier.astype(np.int32), left, right)
