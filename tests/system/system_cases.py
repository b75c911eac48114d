# SPDX-License-Identifier: Apache-2.0
"""Configurations, memory images and expectations that all system tests share."""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from weft.compiler.gemm import compile_gemm
from weft.hdl.config import SERIAL_VALUES, Config
from weft.hdl.isa import INSTRUCTION_BYTES, Instruction, Opcode, Unit
from weft.hdl.registers import COUNTERS, register
from weft.sim.accesses import transfer_access
from weft.sim.machine import Fault, Machine, Segment
from weft.sim.random_programs import INPUT, SCRATCH, random_operands, random_program
from weft.sim.simulator import RunResult, Simulator

SERIAL = dict(execution="serial", **SERIAL_VALUES)

CONFIGS = {
    "1x1": dict(
        rows=1, cols=1, axi_width=32, activation_depth=64, weight_depth=32, accumulator_depth=16,
        max_burst_beats=1, read_outstanding=1, write_outstanding=1, queue_depth=2,
        parameter_depth=16, requantize="onnx", axi_address_width=18,
    ),
    "2x3": dict(
        rows=2, cols=3, axi_width=64, activation_depth=32, weight_depth=64, accumulator_depth=32,
        max_burst_beats=4, read_outstanding=2, write_outstanding=2, queue_depth=4,
        max_reduction_depth=1000, accumulator_width=25, vector_lanes=0,
    ),
    "4x4": dict(
        rows=4, cols=4, axi_width=32, activation_depth=64, weight_depth=64, accumulator_depth=32,
        max_burst_beats=16, read_outstanding=4, write_outstanding=4, axi_address_width=40,
        max_reduction_depth=511, accumulator_width=24, vector_lanes=4, parameter_depth=32,
        requantize="onnx",
    ),
    "5x7": dict(
        rows=5, cols=7, axi_width=128, activation_depth=64, weight_depth=64, accumulator_depth=64,
        max_burst_beats=256, read_outstanding=8, write_outstanding=8, vector_lanes=1,
        parameter_depth=32, family="ecp5", multipliers=20,
    ),
    "8x8": dict(
        rows=8, cols=8, axi_width=64, activation_depth=128, weight_depth=64, accumulator_depth=32,
        max_burst_beats=64, vector_lanes=2, parameter_depth=16, requantize="onnx",
    ),
    "16x16": dict(
        rows=16, cols=16, axi_width=128, activation_depth=64, weight_depth=64,
        accumulator_depth=32, vector_lanes=4, parameter_depth=32,
    ),
    "16x4": dict(
        rows=16, cols=4, axi_width=64, activation_depth=64, weight_depth=128,
        accumulator_depth=64, max_burst_beats=8, read_outstanding=16, write_outstanding=4,
        axi_address_width=20, vector_lanes=2, parameter_depth=64, family="nexus",
    ),
    "4x16": dict(
        rows=4, cols=16, axi_width=32, activation_depth=128, weight_depth=32,
        accumulator_depth=32, max_burst_beats=32, queue_depth=2, vector_lanes=4,
        parameter_depth=16, requantize="onnx", family="ice40", multipliers=40,
    ),
    "32x32": dict(
        rows=32, cols=32, axi_width=256, activation_depth=64, weight_depth=64,
        accumulator_depth=32, vector_lanes=8, parameter_depth=32,
    ),
    "12x13": dict(
        rows=12, cols=13, axi_width=128, activation_depth=128, weight_depth=64,
        accumulator_depth=64, max_burst_beats=16, axi_address_width=64, vector_lanes=1,
        parameter_depth=64, requantize="onnx",
    ),
    "64x8": dict(
        rows=64, cols=8, axi_width=256, activation_depth=32, weight_depth=128,
        accumulator_depth=64, vector_lanes=8, parameter_depth=32,
    ),
    "6x9": dict(
        rows=6, cols=9, axi_width=64, activation_depth=64, weight_depth=64,
        accumulator_depth=64, max_burst_beats=8, vector_lanes=3, parameter_depth=16,
        accumulator_width=30, max_reduction_depth=16384,
    ),
    "1x2 serial": dict(
        SERIAL, rows=1, cols=2, activation_depth=64, weight_depth=32, accumulator_depth=16,
        accumulator_width=32, axi_address_width=18,
    ),
    "4x4 serial": dict(
        SERIAL, rows=4, cols=4, activation_depth=64, weight_depth=64, accumulator_depth=32,
        max_reduction_depth=511, accumulator_width=24, axi_address_width=32, family="ice40",
    ),
    "8x4 serial": dict(
        SERIAL, rows=8, cols=4, activation_depth=128, weight_depth=32, accumulator_depth=64,
        axi_address_width=25,
    ),
    "2x16 serial": dict(
        SERIAL, rows=2, cols=16, activation_depth=512, weight_depth=256, accumulator_depth=512,
        axi_address_width=20, family="ecp5",
    ),
}
"""Array sizes of the system tests, each with another AXI port, queues and vector unit."""

DEFAULT_SIZES = ("1x1", "2x3", "4x4", "5x7", "8x8", "16x16", "16x4", "4x16")
SERIAL_SIZES = ("1x2 serial", "4x4 serial", "8x4 serial", "2x16 serial")
FULL_SIZES = ("32x32", "12x13", "64x8", "6x9")

WATCHDOG = 20_000


def system_config(name: str) -> Config:
    """The configuration called ``name``."""
    return Config(**CONFIGS[name])


@dataclass
class Case:
    """A program in its memory, and what must come of it.

    Attributes
    ----------
    name : str
        For messages; says how to make it again.
    memory, expected : numpy.ndarray
        DRAM before, and after as the instruction-level simulator says.
    program_address, length : int
        Where the program lies.
    segments : dict[int, Segment]
        The segment table.
    instructions : list[Instruction]
        The program, without what cannot be decoded.
    result : RunResult
        The simulator's account.
    error : Fault or None
        What must stop it.
    exact : bool
        Whether data races are excluded up to the error.
    read_errors, write_errors : list[tuple[int, int]]
        DRAM ranges that answer with SLVERR.
    """

    name: str
    config: Config
    memory: np.ndarray
    program_address: int
    length: int
    segments: dict[int, Segment]
    instructions: list[Instruction]
    watchdog: int = WATCHDOG
    expected: np.ndarray = field(init=False)
    result: RunResult = field(init=False)
    error: Fault | None = None
    exact: bool = True
    read_errors: list[tuple[int, int]] = field(default_factory=list)
    write_errors: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.predict()

    def predict(self) -> None:
        """Run the simulator."""
        self.expected = self.memory.copy()
        simulator = Simulator(self.config)
        self.result = simulator.run(
            self.expected, self.program_address, self.length, self.segments
        )
        self.error = self.result.error

    def register_writes(self, base: int = 0) -> dict[str, int]:
        """Registers by name, START not among them; DRAM begins at address ``base``."""
        address = self.program_address + base
        values = {
            "IRQ_STATUS": 3,
            "IRQ_ENABLE": 3,
            "WATCHDOG": self.watchdog,
            "PROGRAM_ADDRESS_LOW": address & 0xFFFF_FFFF,
            "PROGRAM_ADDRESS_HIGH": address >> 32,
            "PROGRAM_LENGTH": self.length,
        }
        for number in range(8):
            segment = self.segments.get(number)
            start = 0 if segment is None else segment.base + base
            values[f"SEGMENT{number}_BASE_LOW"] = start & 0xFFFF_FFFF
            values[f"SEGMENT{number}_BASE_HIGH"] = start >> 32
            values[f"SEGMENT{number}_LIMIT"] = 0 if segment is None else segment.limit
        return values

    def rows_stored(self) -> Iterator[tuple[int, np.ndarray]]:
        """Address and bytes of every row that the program stores, as if nothing failed."""
        machine = Machine(self.config, self.memory.copy(), self.segments)
        for index, item in enumerate(self.instructions):
            rows: list[tuple[int, np.ndarray]] = []
            if item.opcode is Opcode.STORE and item["memory"] in (0, 2):
                access = transfer_access(self.config, item)
                words = machine.words[access.memory]
                data = words[access.address : access.address + access.words].copy()
                base = self.segments.get(item["segment"], Segment(0, 0)).base
                if len(data) == access.words:
                    data = data.reshape(access.offsets.size, -1)[:, : access.bytes]
                    places = (base + access.offsets.reshape(-1)).tolist()
                    rows = list(zip(places, data, strict=True))
            try:
                machine.execute(item, index)
            except Fault:
                continue
            yield from rows

    def stored(self) -> np.ndarray:
        """Which DRAM bytes some STORE of the program addresses, as a mask."""
        mask = np.zeros(self.memory.size, np.bool_)
        for item in self.instructions:
            if item.opcode is not Opcode.STORE or item["memory"] not in (0, 2):
                continue
            segment = self.segments.get(item["segment"])
            if segment is None:
                continue
            access = transfer_access(self.config, item)
            for offset in access.offsets.reshape(-1):
                if 0 <= offset and offset + access.bytes <= segment.limit:
                    start = segment.base + int(offset)
                    mask[start : start + access.bytes] = True
        return mask


def place(
    generator: random.Random,
    code: bytes,
    contents: dict[int, np.ndarray],
    *,
    start: int = 0,
    last: int | None = None,
) -> tuple[np.ndarray, int, dict[int, Segment]]:
    """Lay out program and segments at odd addresses in random order, random bytes between them.

    Returns DRAM, program address and segment table. ``last`` is the segment that ends with DRAM.
    """
    order: list[int] = [*contents, -1]
    generator.shuffle(order)
    if last is not None:
        order.remove(last)
        order.append(last)
    end = start
    where: dict[int, int] = {}
    for number in order:
        size = len(code) if number == -1 else len(contents[number])
        address = end + generator.choice((1, 7, 64, 200)) + generator.randrange(64)
        if generator.random() < 0.4 and size > 1:  # across a 4 KB boundary, by a few bytes
            page = -(-address // 4096) * 4096
            address = max(address, page - generator.randrange(1, min(size, 100)))
        if number == -1:
            address = -(-address // INSTRUCTION_BYTES) * INSTRUCTION_BYTES
        where[number] = address
        end = address + size
    if last is None:
        end = -(-(end + 64) // 64) * 64
    memory = np.random.default_rng(generator.getrandbits(32)).integers(0, 256, end, dtype=np.uint8)
    memory[where[-1] : where[-1] + len(code)] = np.frombuffer(code, np.uint8)
    segments = {}
    for number, data in contents.items():
        memory[where[number] : where[number] + len(data)] = data
        segments[number] = Segment(where[number], len(data))
    return memory, where[-1], segments


def encode(instructions: Sequence[Instruction]) -> bytes:
    """Instructions as they lie in DRAM."""
    return b"".join(item.to_bytes() for item in instructions)


def gemm_case(
    config: Config, m: int, n: int, k: int, seed: int, *,
    operands: tuple[np.ndarray, np.ndarray] | None = None, start: int = 0,
) -> Case:
    """A compiled matrix product, checked against NumPy on the way."""
    generator = random.Random(seed)
    program = compile_gemm(config, m, n, k)
    a, b = operands or random_operands(m, n, k, seed)
    result = np.random.default_rng(seed).integers(0, 256, 4 * m * n, dtype=np.uint8)
    contents = {0: a.view(np.uint8).reshape(-1), 1: b.view(np.uint8).reshape(-1), 2: result}
    memory, address, segments = place(generator, program.to_bytes(), contents, start=start)
    case = Case(
        f"gemm {m}x{n}x{k} seed {seed}", config, memory, address, len(program), segments,
        program.instructions,
    )
    assert case.error is None, case.error
    base = segments[2].base
    c = case.expected[base : base + 4 * m * n].copy().view("<i4").reshape(m, n)
    assert np.array_equal(c, a.astype(np.int64) @ b.astype(np.int64)), case.name
    return case


def program_case(
    config: Config, seed: int, length: int = 24, vectors: float = 0.4, *, extreme: bool = False
) -> Case:
    """A random program; ``vectors`` is the share of VECTOR where there is a vector unit.

    ``extreme`` operands are int32 at the ends of the range, so that sums wrap and results saturate.
    """
    made = random_program(config, seed, length=length, vectors=vectors)
    if extreme:
        draw = np.random.default_rng(seed)
        ends = np.array([-(1 << 31), (1 << 31) - 1, -1, 0, -(1 << 31) + 1, 1 << 30], "<i4")
        for number in (INPUT, SCRATCH):
            size = len(made.segments[number])
            values = draw.choice(ends, -(-size // 4), p=(0.3, 0.3, 0.1, 0.1, 0.1, 0.1))
            made.segments[number] = values.view(np.uint8)[:size].copy()
    memory, address, segments = place(
        random.Random(seed), encode(made.instructions), made.segments
    )
    case = Case(
        f"program seed {seed} length {length} vectors {vectors} extreme {extreme}",
        config, memory, address, len(made.instructions), segments, made.instructions,
    )
    assert case.error is None, case.error
    return case


def edge_sizes(config: Config) -> tuple[list[int], list[int], list[int]]:
    """Interesting M, N and K."""
    rows, cols = config.rows, config.cols

    def edges(*units: int) -> list[int]:
        found = {1, 2}
        for unit in units:
            found |= {unit - 1, unit, unit + 1, 2 * unit, 2 * unit + 1}
        return sorted(size for size in found if 1 <= size <= 70)

    return edges(rows), edges(cols), edges(rows)


def gemm_specifications(config: Config, generator: random.Random, count: int) -> list[list[int]]:
    """``count`` times ``[m, n, k, seed]`` from the edges."""
    sizes = edge_sizes(config)
    return [
        [*(generator.choice(axis) for axis in sizes), generator.getrandbits(30)]
        for _ in range(count)
    ]


def deepest_reduction(config: Config) -> int:
    """The longest reduction worth simulating: that of the configuration or of its buffers."""
    words = min(config.activation_depth, config.weight_depth // config.rows)
    return min(config.max_reduction_depth, 4 * words * config.rows)


def adversarial_case(config: Config, style: int, seed: int) -> Case:
    """The deepest reduction of operands at the ends of the range."""
    k = deepest_reduction(config)
    m, n = min(3, config.rows + 1), config.cols
    low, high = np.int8(-128), np.int8(127)
    signs = np.where(np.indices((m, k)).sum(0) % 2, low, high)
    operands = [
        (np.full((m, k), low), np.full((k, n), low)),
        (np.full((m, k), high), np.full((k, n), high)),
        (np.full((m, k), low), np.full((k, n), high)),
        (signs, np.where(np.indices((k, n)).sum(0) % 2, low, high)),
    ][style % 4]
    return gemm_case(config, m, n, k, seed, operands=operands)


ERROR_REGISTERS = (
    "ERROR_CODE", "ERROR_INSTRUCTION", "ERROR_ADDRESS_LOW", "ERROR_ADDRESS_HIGH",
)
ARRAY_COUNTERS = tuple(f"COUNTER_{name}" for name, _ in COUNTERS if name.startswith("ARRAY_"))
CHECKED_REGISTERS = (
    "STATUS", "IRQ_STATUS", *ERROR_REGISTERS, "COUNTER_CYCLES", *ARRAY_COUNTERS,
    "COUNTER_READ_BEATS", "COUNTER_WRITE_BEATS", "COUNTER_INSTRUCTIONS",
    *(f"COUNTER_{unit.name}_{what}" for unit in Unit for what in ("BUSY", "WAIT_MEMORY")),
)
"""What is read after every program."""

ADDRESSED_ERRORS = ("READ_RESPONSE", "WRITE_RESPONSE", "FETCH_RESPONSE", "PROGRAM_ADDRESS")
"""Errors whose address is one of DRAM, not one of a segment or an on-chip memory."""


def check_outcome(
    case: Case, values: dict[str, int], memory: np.ndarray, base: int = 0
) -> None:
    """Compare registers and DRAM with the simulator; ``base`` is the address of DRAM."""
    error = case.error
    assert values["STATUS"] == (0b010 if error is None else 0b100), (
        f"{case.name}: STATUS is {values['STATUS']:#07b}, "
        f"errors {[hex(values[name]) for name in ERROR_REGISTERS]}, expected {error}"
    )
    assert values["IRQ_STATUS"] == (1 if error is None else 2), case.name
    expected = dict.fromkeys(ERROR_REGISTERS, 0)
    if error is not None:
        shift = base if error.code.name in ADDRESSED_ERRORS else 0
        address = error.address + shift
        expected = {
            "ERROR_CODE": error.code.value | error.source.value << 8,
            "ERROR_INSTRUCTION": error.index,
            "ERROR_ADDRESS_LOW": address & 0xFFFF_FFFF,
            "ERROR_ADDRESS_HIGH": address >> 32,
        }
    actual = {name: values[name] for name in ERROR_REGISTERS}
    assert actual == expected, f"{case.name}: {actual} instead of {expected} ({error})"
    total = sum(values[name] for name in ARRAY_COUNTERS)
    assert total == values["COUNTER_CYCLES"], (
        f"{case.name}: array counters sum to {total}, not {values['COUNTER_CYCLES']}"
    )
    for unit in Unit:
        assert (
            values[f"COUNTER_{unit.name}_WAIT_MEMORY"]
            <= values[f"COUNTER_{unit.name}_BUSY"]
            <= values["COUNTER_CYCLES"]
        ), f"{case.name}: counters of {unit.name}: {values}"
    if not case.config.lanes:
        assert not values["COUNTER_VECTOR_BUSY"], case.name
    if error is None:
        if any(item.opcode is Opcode.VECTOR for item in case.instructions):
            assert values["COUNTER_VECTOR_BUSY"], case.name
        check_counters(case, values)
        compare_memory(case, memory, case.expected)
    else:
        check_interrupted_memory(case, memory)


def check_counters(case: Case, values: dict[str, int]) -> None:
    """Beats and instructions are what the simulator counts."""
    result = case.result
    for name, expected in (
        ("READ_BEATS", result.read_beats), ("WRITE_BEATS", result.write_beats),
        ("INSTRUCTIONS", result.instructions),
    ):
        actual = values[f"COUNTER_{name}"]
        assert actual == expected, f"{case.name}: COUNTER_{name} is {actual}, not {expected}"


def compare_memory(case: Case, memory: np.ndarray, expected: np.ndarray) -> None:
    """All of DRAM is as expected."""
    wrong = np.flatnonzero(memory != expected)
    if not len(wrong):
        return
    places = {number: (s.base, s.base + s.limit) for number, s in case.segments.items()}
    first = int(wrong[0])
    raise AssertionError(
        f"{case.name}: {len(wrong)} bytes differ, the first at {first:#x} "
        f"({memory[first]:#04x} instead of {expected[first]:#04x}); segments {places}"
    )


def check_interrupted_memory(case: Case, memory: np.ndarray) -> None:
    """After an error: canaries intact, and stored bytes old or new."""
    outside = ~case.stored()
    wrong = np.flatnonzero(outside & (memory != case.memory))
    assert not len(wrong), f"{case.name}: canary at {int(wrong[0]):#x} changed"
    if case.exact:
        known = memory == case.memory
        for address, row in case.rows_stored():
            place = slice(address, address + len(row))
            known[place] |= memory[place] == row[: known[place].size]
        wrong = np.flatnonzero(~known)
        assert not len(wrong), (
            f"{case.name}: byte at {int(wrong[0]):#x} is {memory[wrong[0]]:#04x}, which no "
            "STORE of the program writes there"
        )


def choose_seed() -> int:
    """A seed, printed; WEFT_SEED repeats it."""
    seed = int(os.environ.get("WEFT_SEED") or secrets.randbits(30))
    print(f"WEFT_SEED={seed}")
    return seed


def offset(name: str) -> int:
    """Byte offset of a register."""
    return register(name).offset
