# SPDX-License-Identifier: Apache-2.0
"""The numeric contract as tests that run on any device, a card above all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..compiler.gemm import SEGMENT_A, SEGMENT_B, compile_gemm
from ..compiler.program import Program, SegmentNeed
from ..graph import Graph, Operator, Quantization, Tensor
from ..hdl.config import Config
from ..runtime.device import ProgramDevice
from ..runtime.errors import DeviceError, MemorySizeError, SegmentLimitError
from ..runtime.reference import ReferenceDevice
from ..runtime.serial import SerialDevice
from ..runtime.simulator import SimulatorDevice
from ..sim.random_products import random_operands, random_shape
from ..sim.random_programs import random_program
from ..sim.reference import matmul

__all__ = ["Outcome", "SelfTestFailure", "self_tests"]

_ROLES = ("input", "scratch", "output", "input")


class SelfTestFailure(Exception):
    """A test found something wrong; the message says what."""


@dataclass(frozen=True)
class Outcome:
    """How a test ended.

    Parameters
    ----------
    name : str
        What was tested.
    state : str
        ``"passed"``, ``"failed"`` or ``"skipped"``.
    detail : str
        Why it failed or was skipped.
    """

    name: str
    state: str
    detail: str = ""


def self_tests(
    device: ProgramDevice, *, products: int, programs: int, seed: int
) -> Iterator[Outcome]:
    """Run all tests, each whatever the others found.

    Parameters
    ----------
    device : ProgramDevice
        What to test.
    products : int
        Random matrix products besides the fixed ones.
    programs : int
        Random programs.
    seed : int
        Seed of everything random.
    """
    for name, test in _tests(device, products, programs, seed):
        try:
            test()
        except MemorySizeError as error:
            yield Outcome(name, "skipped", str(error))
        except (SelfTestFailure, DeviceError) as error:
            yield Outcome(name, "failed", str(error))
        else:
            yield Outcome(name, "passed")


def _tests(
    device: ProgramDevice, products: int, programs: int, seed: int
) -> Iterator[tuple[str, Callable[[], None]]]:
    config = device.config
    rows, cols = config.rows, config.cols
    if isinstance(device, SerialDevice):
        yield "memory: every address line", partial(_address_lines, device, seed)
    for m, n, k in ((1, 1, 1), (3, cols, rows), (2, cols + 1, rows + 1), (5, 2 * cols, 3)):
        operands = random_operands(m, n, k, seed + m)
        yield f"gemm: {m} x {n} x {k}", partial(_product, device, *operands)
    for low, high in ((-128, -128), (-128, 127), (127, 127)):
        a, b = np.full((4, 2 * rows), low, np.int8), np.full((2 * rows, cols), high, np.int8)
        yield f"gemm: all {low} by all {high}", partial(_product, device, a, b)
    for number in range(products):
        m, n, k = random_shape(config, seed + number, largest=24)
        operands = random_operands(m, n, k, seed + number)
        yield f"gemm: random {number}, {m} x {n} x {k}", partial(_product, device, *operands)
    yield "errors: a segment that is too short", partial(_segment_error, device)
    kind = "array, memories and vector unit" if config.lanes else "array and memories"
    for number in range(programs):
        yield f"program: random {number}, {kind}", partial(_program, device, seed + number)
    yield "network: a convolution", partial(_network, device, seed)


def _compare(found: NDArray, expected: NDArray, what: str) -> None:
    wrong = np.argwhere(found != expected)
    if len(wrong):
        at = tuple(int(index) for index in wrong[0])
        raise SelfTestFailure(
            f"{what}: {len(wrong)} of {expected.size} elements differ, the first at {list(at)}: "
            f"{int(found[at])} instead of {int(expected[at])}"
        )


def _product(device: ProgramDevice, a: NDArray[np.int8], b: NDArray[np.int8]) -> None:
    _compare(device.matmul(a, b), matmul(a, b), "the product")


def _address_lines(device: SerialDevice, seed: int) -> None:
    """Words at all powers of two, so that an address line that is stuck or swapped shows."""
    client, size = device.client, device.dram_bytes
    random = np.random.default_rng(seed)
    addresses = [0, *(1 << bit for bit in range(2, size.bit_length() - 1)), size - 4]
    words = {address: random.bytes(4) for address in addresses}
    for address, word in words.items():
        client.write_memory(address, word)
    for address, word in words.items():
        seen = client.read_memory(address, 4)
        if seen != word:
            raise SelfTestFailure(
                f"memory at {address:#x} reads {seen.hex()} instead of {word.hex()}"
            )
    device.transport.forget()


def _segment_error(device: ProgramDevice) -> None:
    """A product whose first operand has no room must stop with the right error, and leave the
    accelerator usable."""
    rows, cols = device.config.rows, device.config.cols
    a, b = random_operands(4, cols, rows, 1)
    program = compile_gemm(device.config, 4, cols, rows)
    try:
        device.run_program(program, {SEGMENT_A: a, SEGMENT_B: b}, {SEGMENT_A: 0})
    except SegmentLimitError as error:
        opcode = program.instructions[error.instruction].opcode.name
        if opcode != "LOAD":
            raise SelfTestFailure(f"the error names a {opcode}, not the LOAD at fault") from error
    else:
        raise SelfTestFailure("an access beyond its segment's limit was not noticed")
    _product(device, a, b)


def _program(device: ProgramDevice, seed: int) -> None:
    made = random_program(device.config, seed, length=24)
    needs = [
        SegmentNeed(number, f"segment {number}", len(data), _ROLES[number])
        for number, data in made.segments.items()
    ]
    program = Program(made.instructions, needs, device.config)
    with SimulatorDevice(device.config) as simulator:
        expected = simulator.run_program(program, made.segments)
    found = device.run_program(program, made.segments)
    for number, data in expected.items():
        _compare(found[number], data, f"segment {number} (seed {seed})")


def _network(device: ProgramDevice, seed: int) -> None:
    graph = _convolution(device.config, seed)
    values = np.random.default_rng(seed).integers(-128, 128, (1, 6, 5, 3), dtype=np.int8)
    with ReferenceDevice(device.config) as reference:
        expected = reference.run(graph, [values]).outputs[0]
    _compare(device.run(graph, [values]).outputs[0], expected, "the output")


def _convolution(config: Config, seed: int) -> Graph:
    """A convolution 3 x 3 with 3 channels in and one more than the array's columns out."""
    random = np.random.default_rng(seed)
    channels = config.cols + 1
    scale = random.uniform(0.001, 0.01, channels).astype(np.float32)
    int8, int32 = np.dtype(np.int8), np.dtype(np.int32)
    weights = random.integers(-127, 128, (channels, 3, 3, 3)).astype(np.int8)
    bias = random.integers(-5000, 5000, channels).astype(np.int32)
    tensors = [
        Tensor("x", (1, 6, 5, 3), int8, Quantization(np.array([0.05], np.float32), np.array([7]))),
        Tensor(
            "weights", weights.shape, int8,
            Quantization(scale, np.zeros(channels, np.int64), 0), weights,
        ),
        Tensor("bias", bias.shape, int32, None, bias),
        Tensor(
            "y", (1, 6, 5, channels), int8,
            Quantization(np.array([0.08], np.float32), np.array([-11])),
        ),
    ]
    operator = Operator(
        "CONV_2D", ("x", "weights", "bias"), ("y",),
        {"stride": (1, 1), "dilation": (1, 1), "pads": (1, 1, 1, 1), "activation": "RELU"},
        "convolution",
    )
    return Graph("self-test", {item.name: item for item in tensors}, [operator], ("x",), ("y",))
