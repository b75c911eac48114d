# SPDX-License-Identifier: Apache-2.0
"""What a VECTOR does to the memories of a `weft.sim.machine.Machine`, bit for bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..hdl.config import PARAMETER_LANE_BYTES
from ..hdl.isa import (
    ADD_FLAG,
    MAXIMUM_FLAG,
    REQUANTIZE_FLAG,
    SUM_FLAG,
    TABLE_FLAG,
    ErrorCode,
    ErrorSource,
    Instruction,
    Memory,
)
from .accesses import fault_address
from .fault import Fault
from .reference import wrap
from .requantize import scale_fixed_point, scale_float
from .vector_access import VectorAccess, vector_access

if TYPE_CHECKING:
    from .machine import Machine

__all__ = ["PARAMETERS", "execute", "parameter_words", "scale"]

IntArray = NDArray[np.int64]

PARAMETERS = np.dtype(
    [("bias", "<i4"), ("multiplier", "<i4"), ("left", "u1"), ("right", "u1"), ("unused", "<u2")]
)
"""One lane of a parameter word as it lies in memory; ``multiplier`` holds a float32 scale's bits
under convention ``onnx``."""

assert PARAMETERS.itemsize == PARAMETER_LANE_BYTES


def parameter_words(
    bias: NDArray[np.int32],
    multiplier: NDArray[np.int32] | NDArray[np.float32],
    left: NDArray[np.int64] | int = 0,
    right: NDArray[np.int64] | int = 0,
) -> NDArray[np.uint8]:
    """Parameters of channels as LOAD takes them: uint8 ``[channels * 12]``.

    Parameters
    ----------
    bias : numpy.ndarray
        int32 ``[channels]``.
    multiplier : numpy.ndarray
        int32 Q31 multipliers or float32 scales ``[channels]``.
    left, right : numpy.ndarray or int
        Shifts, 0 to 31.
    """
    words = np.zeros(len(bias), PARAMETERS)
    words["bias"] = bias
    words["multiplier"] = np.asarray(multiplier).view("<i4")
    words["left"] = left
    words["right"] = right
    return words.view(np.uint8)


def scale(convention: str, values: IntArray, lanes: NDArray[np.void]) -> IntArray:
    """Scaled values under a convention of `Config.requantize`.

    Parameters
    ----------
    values : numpy.ndarray
        Sums with their bias ``[..., chunks, lanes]``.
    lanes : numpy.ndarray
        `PARAMETERS` ``[chunks, lanes]``. A scale that is infinite or no number, which no compiler
        makes, multiplies like the largest float32 of its sign.
    """
    if convention == "tflite":
        left, right = lanes["left"] & 31, lanes["right"] & 31
        return scale_fixed_point(values, lanes["multiplier"], left, right).astype(np.int64)
    factor = np.ascontiguousarray(lanes["multiplier"]).view("<f4")
    largest = np.copysign(np.finfo(np.float32).max, factor)
    factor = np.where(np.isfinite(factor), factor, largest)
    return scale_float(values, factor).astype(np.int64)


def execute(machine: Machine, i: Instruction, index: int) -> None:
    """Run the legal VECTOR ``i``; raises `weft.sim.fault.Fault` and then changes nothing."""
    config = machine.config
    access = vector_access(config, i)
    fault = access.fault(config)
    if fault is not None:
        raise Fault(
            ErrorCode.MEMORY_RANGE, ErrorSource.VECTOR, index, fault_address(*fault)
        )
    machine.note_read(index, access.source, access.reads() if machine.track else slice(0))
    machine.note_read(index, Memory.PARAMETER, access.parameters)
    if access.updates:
        machine.note_read(index, access.destination, access.writes())
    lanes = None
    if i.flags & REQUANTIZE_FLAG:
        words = machine.words[Memory.PARAMETER][access.parameters]
        lanes = words.view(PARAMETERS).reshape(access.chunks, config.lanes)
    source, target = _elements(machine, access.source), _elements(machine, access.destination)
    for sources, destinations in access.blocks(config.lanes):
        values = _reduce(source, access, sources, bool(i.flags & SUM_FLAG))
        if lanes is not None:
            values = wrap(values + lanes["bias"], 32)
            values = scale(config.requantize, values, lanes)
        if access.destination is Memory.ACTIVATION:
            target[destinations] = _narrow(machine, i, index, values)
        else:
            old = target[destinations]
            target[destinations] = wrap(_update(i, values, old), config.accumulator_width)
        machine.written[access.destination][destinations] = True


def _elements(machine: Machine, memory: Memory) -> NDArray[np.int8] | NDArray[np.int32]:
    """The memory chunk by chunk, ``[chunks, lanes]``, sharing its bytes."""
    array = machine.activation if memory is Memory.ACTIVATION else machine.accumulator
    return array.reshape(-1, machine.config.lanes)


def _reduce(
    source: NDArray[np.int8] | NDArray[np.int32],
    access: VectorAccess,
    starts: IntArray,
    is_sum: bool,
) -> IntArray:
    """Sums (wrapping int32) or maxima of the windows, ``[points, chunks, lanes]``."""
    result = source[starts + access.window[0] * access.source_chunks].astype(np.int64)
    for offset in access.window[1:]:
        values = source[starts + offset * access.source_chunks]
        if is_sum:
            result += values
        else:
            np.maximum(result, values, out=result)
    return wrap(result, 32)


def _narrow(machine: Machine, i: Instruction, index: int, values: IntArray) -> IntArray:
    """From scaled values to int8: zero point, clamp, table."""
    if i.flags & REQUANTIZE_FLAG:
        values = values + i["zero_point"]
    values = np.minimum(np.maximum(values, i["clamp_low"]), i["clamp_high"])
    if i.flags & TABLE_FLAG:
        machine.note_read(index, Memory.TABLE, values.reshape(-1) + 128)
        values = machine.words[Memory.TABLE].view(np.int8)[values + 128, 0].astype(np.int64)
    return values


def _update(i: Instruction, values: IntArray, old: NDArray[np.signedinteger]) -> IntArray:
    """The new value of an int32 destination."""
    if i.flags & ADD_FLAG:
        return wrap(values + old, 32)
    if i.flags & MAXIMUM_FLAG:
        return np.maximum(values, old)
    return values
