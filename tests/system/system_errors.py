# SPDX-License-Identifier: Apache-2.0
"""Programs that must fail, with the error that each must give."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from system_cases import Case, encode, place

from weft.hdl.config import Config
from weft.hdl.isa import (
    FORMATS,
    INSTRUCTION_BYTES,
    ErrorCode,
    ErrorSource,
    Instruction,
    Memory,
    Opcode,
    Unit,
)
from weft.sim.accesses import matmul_access, memory_depth, transfer_access, word_bytes
from weft.sim.machine import Fault, Segment
from weft.sim.random_programs import INPUT, OUTPUT, PARAMETERS, random_program

LENGTH = 12
"""Random instructions around the faulty one."""


class ErrorCases:
    """Makes failing programs; every method yields cases."""

    def __init__(self, config: Config, seed: int) -> None:
        self.config = config
        self.seed = seed
        self.random = random.Random(seed)

    def all(self) -> Iterator[Case]:
        """Every kind once or more."""
        for kind in self.kinds():
            for case in kind():
                assert case.error is not None, case.name
                yield case

    def kinds(self) -> Sequence[Callable[[], Iterator[Case]]]:
        """What makes the cases."""
        return (
            self.illegal, self.reserved_bits, self.not_configured, self.ranges, self.segments,
            self.both, self.several, self.program_addresses, self.read_responses,
            self.write_responses, self.fetch_responses, self.overflows, self.deadlocks,
            self.beyond_memory,
        )

    # Parts.

    def _program(self) -> tuple[list[Instruction], dict[int, np.ndarray]]:
        made = random_program(self.config, self.random.getrandbits(30), length=LENGTH)
        return made.instructions, made.segments

    def _case(
        self, name: str, instructions: list[Instruction], contents: dict[int, np.ndarray],
        *, code: bytes | None = None, last: int | None = None, **options: object,
    ) -> Case:
        memory, address, segments = place(
            self.random, code or encode(instructions), contents, last=last
        )
        length = len(code or encode(instructions)) // INSTRUCTION_BYTES
        return Case(
            f"{name} (seed {self.seed})", self.config, memory, address, length, segments,
            instructions, **options,  # type: ignore[arg-type]
        )

    def _replaced(self, name: str, word: int, code: ErrorCode) -> Case:
        """A program in which one instruction is the given word."""
        instructions, contents = self._program()
        index = self.random.randrange(len(instructions))
        words = encode(instructions)
        start = index * INSTRUCTION_BYTES
        words = (
            words[:start] + word.to_bytes(INSTRUCTION_BYTES, "little")
            + words[start + INSTRUCTION_BYTES :]
        )
        case = self._case(name, instructions, contents, code=words)
        assert case.error is not None and case.error.code is code, (name, case.error)
        assert case.error.index == index
        return case

    def _with(self, name: str, fault: Instruction, code: ErrorCode | None) -> Case:
        """A random program with one more instruction, which nothing waits for."""
        instructions, contents = self._program()
        # After the LOADs that fill the memories: those must not be cut short unseen.
        filled = sum(memory_depth(self.config, memory) > 0 for memory in Memory)
        index = self.random.randrange(filled, len(instructions) + 1)
        instructions = [*instructions[:index], fault, *instructions[index:]]
        case = self._case(name, instructions, contents)
        # What it does before it fails may disturb what others compute.
        case.exact = fault["count_x"] * fault["count_y"] == 1 if "count_x" in fault.values else True
        if fault.opcode is Opcode.MATMUL or fault.values.get("chunks", 1) > 1:
            case.exact = False
        assert case.error is not None, name
        assert code is None or case.error.code is code, (name, case.error)
        assert case.error.index == index
        return case

    # Kinds.

    def illegal(self) -> Iterator[Case]:
        """Unknown opcodes and field values that no configuration takes."""
        code = ErrorCode.ILLEGAL_INSTRUCTION
        for opcode in (0, 6, self.random.randrange(7, 255), 255):
            word = self.random.getrandbits(248) << 8 | opcode
            yield self._replaced(f"opcode {opcode}", word, code)
        store = Instruction(Opcode.STORE, {"memory": Memory.WEIGHT.value})
        yield self._replaced("STORE from weights", store.encode(), code)
        if self.config.rows < 256:
            for rows in {self.config.rows + 1, 256}:
                word = Instruction(Opcode.MATMUL, {"last_rows": rows}).encode()
                yield self._replaced(f"last_rows {rows}", word, code)

    def reserved_bits(self) -> Iterator[Case]:
        """Reserved bits and undefined flags, the ends and one between of each."""
        for opcode in FORMATS:
            if opcode is Opcode.VECTOR and not self.config.lanes:
                continue
            form = FORMATS[opcode]
            bits = [8 + bit for bit in range(8) if not form.flag_mask >> bit & 1]
            if opcode is not Opcode.LOAD:
                bits = [bits[0], bits[-1]]
            if form.used_width < 256:
                bits += [form.used_width, 255]
                bits.append(self.random.randrange(form.used_width, 256))
            for bit in bits:
                word = Instruction(opcode, {}).encode() | 1 << bit
                yield self._replaced(
                    f"{opcode.name} bit {bit}", word, ErrorCode.ILLEGAL_INSTRUCTION
                )

    def not_configured(self) -> Iterator[Case]:
        """What this configuration leaves out."""
        if self.config.lanes:
            return
        parameter = {"memory": Memory.PARAMETER.value}
        for instruction in (
            Instruction(Opcode.VECTOR, {}),
            Instruction(Opcode.SYNC, {"unit": Unit.VECTOR.value}),
            Instruction(Opcode.LOAD, parameter),
            Instruction(Opcode.STORE, parameter),
        ):
            yield self._replaced(
                f"{instruction.opcode.name} not configured", instruction.encode(),
                ErrorCode.NOT_CONFIGURED,
            )

    def ranges(self) -> Iterator[Case]:
        """One word beyond each memory, and far beyond."""
        config, code = self.config, ErrorCode.MEMORY_RANGE
        for memory in Memory:
            depth, width = memory_depth(config, memory), word_bytes(config, memory)
            if not depth:
                continue
            places = {"memory": memory.value, "segment": INPUT, "bytes": width}
            shapes = [
                {"address": depth - 2, "count_x": 3},
                {"address": depth - 1, "bytes": width + 1},
                {"address": depth},
                {"address": 65535, "count_x": 2, "count_y": 2},
            ]
            for shape in shapes:
                fault = Instruction(Opcode.LOAD, places | shape)
                yield self._with(f"LOAD {memory.name} {shape}", fault, code)
                if memory in (Memory.ACTIVATION, Memory.ACCUMULATOR):
                    fault = Instruction(Opcode.STORE, places | shape | {"segment": OUTPUT})
                    yield self._with(f"STORE {memory.name} {shape}", fault, code)
            for shape in (
                {"address": depth - 1, "pad_before": 2, "bytes": 0},
                {"address": depth - 1, "pad_after": 1, "bytes": 0},
                {"address": 0, "count_x": 4096, "count_y": 4096, "bytes": 0},
            ):
                fault = Instruction(Opcode.LOAD, places | shape)
                yield self._with(f"LOAD {memory.name} {shape}", fault, code)
        rows = config.rows
        everything = {"last_rows": rows}
        for shape in (
            {"activation_address": config.activation_depth},
            {"activation_address": config.activation_depth - 1, "output_x": 2,
             "activation_stride_x": 1},
            {"activation_stride_y": 16383, "output_y": 1024},
            {"weight_address": config.weight_depth - rows + 1, "weight_stride_row": 1}
            if rows > 1 else {"weight_address": config.weight_depth},
            {"channel_blocks": 2, "weight_stride_block": config.weight_depth},
            {"accumulator_address": config.accumulator_depth},
            {"accumulator_address": config.accumulator_depth - 1, "output_x": 2,
             "accumulator_stride_x": 1},
            {"kernel_y": 16, "kernel_x": 16, "channel_blocks": 2,
             "activation_stride_kernel_y": config.activation_depth // 8,
             "output_x": 2},
        ):
            fault = Instruction(Opcode.MATMUL, everything | shape)
            yield self._with(f"MATMUL {shape}", fault, code)

    def segments(self) -> Iterator[Case]:
        """Rows that leave their segment by a byte, and by wrapping around."""
        code = ErrorCode.SEGMENT_LIMIT
        instructions, contents = self._program()
        sizes = {number: len(data) for number, data in contents.items()}
        for opcode, segment in ((Opcode.LOAD, INPUT), (Opcode.STORE, OUTPUT)):
            limit = sizes[segment]
            places = {"segment": segment, "memory": Memory.ACTIVATION.value}
            width = word_bytes(self.config, Memory.ACTIVATION)
            for shape in (
                {"offset": limit - width + 1, "bytes": width},
                {"offset": limit, "bytes": 1},
                {"offset": limit - 2 * width + 1, "bytes": width, "count_x": 2,
                 "stride_x": width},
                {"offset": 0, "bytes": 1, "count_x": 2, "stride_x": -1},
                {"offset": width, "bytes": width, "count_y": 3, "stride_y": -width},
                {"offset": 0xFFFF_FFFF, "bytes": 1},
                {"offset": 0xFFFF_FFFF, "bytes": 2},
                {"offset": 4, "bytes": 4, "count_x": 3, "stride_x": -(1 << 31)},
                {"offset": 0, "bytes": 1, "count_x": 4, "stride_x": (1 << 31) - 1},
            ):
                fault = Instruction(opcode, places | shape)
                yield self._with(f"{opcode.name} {shape} limit {limit}", fault, code)
            unused = Instruction(opcode, {"segment": 7, "bytes": 1})
            yield self._with(f"{opcode.name} without segment", unused, code)
            yield from self._beyond_addresses(opcode)

    def _beyond_addresses(self, opcode: Opcode) -> Iterator[Case]:
        """Rows beyond the address space in a segment whose limit allows everything."""
        space = 1 << self.config.axi_address_width
        places = {"segment": 7, "memory": Memory.ACTIVATION.value}
        for shape in (
            {"offset": space - 1, "bytes": 2},
            {"offset": space, "bytes": 1},
            {"offset": 3 * space + 5, "bytes": 1},
            {"bytes": 1, "count_y": 2, "stride_y": space},
            {"bytes": 1, "count_x": 2, "stride_x": 2 * space + 1},
            {"bytes": 1, "count_x": 2, "stride_x": -space - 5},
        ):
            if max(map(abs, shape.values())) >= 1 << 31:
                continue
            instructions, contents = self._program()
            case = self._case(
                f"{opcode.name} {shape} beyond the address space",
                [*instructions, Instruction(opcode, places | shape)], contents,
            )
            case.segments[7] = Segment(0, 0xFFFF_FFFF)
            case.exact = False
            case.predict()
            assert case.error is not None and case.error.code is ErrorCode.SEGMENT_LIMIT, case.name
            yield case

    def both(self) -> Iterator[Case]:
        """Transfers that leave memory and segment: what comes first row by row is reported."""
        for opcode, segment in ((Opcode.LOAD, INPUT), (Opcode.STORE, OUTPUT)) * 6:
            _, contents = self._program()
            memory = self.random.choice((Memory.ACTIVATION, Memory.ACCUMULATOR))
            depth, width = memory_depth(self.config, memory), word_bytes(self.config, memory)
            size = self.random.randrange(1, 2 * width + 1)
            rows = self.random.randrange(1, 6)
            values = {
                "memory": memory.value, "segment": segment, "bytes": size,
                "address": depth - self.random.randrange(0, 12),
                "offset": len(contents[segment]) - size * self.random.randrange(0, 9),
                "stride_x": size, "count_x": rows, "count_y": 9, "stride_y": size * rows,
            }
            if opcode is Opcode.LOAD:
                values |= {name: self.random.randrange(4) for name in ("pad_before", "pad_after")}
            yield self._with(f"{opcode.name} {values}", Instruction(opcode, values), None)

    def several(self) -> Iterator[Case]:
        """MATMULs that leave several memories: the first in the order of computing is reported."""
        config, number = self.config, self.random.randrange
        made = 0
        while made < 8:
            values = {
                "activation_address": number(config.activation_depth),
                "weight_address": number(config.weight_depth),
                "accumulator_address": number(config.accumulator_depth),
                "kernel_y": number(1, 4), "kernel_x": number(1, 4),
                "channel_blocks": number(1, 4), "output_y": number(1, 6), "output_x": number(1, 9),
                "activation_stride_kernel_y": number(config.activation_depth // 2),
                "activation_stride_kernel_x": number(config.activation_depth // 4),
                "activation_stride_channel": number(config.activation_depth // 4),
                "activation_stride_y": number(config.activation_depth // 4),
                "activation_stride_x": number(3),
                "weight_stride_row": number(4), "weight_stride_block": number(2 * config.rows),
                "accumulator_stride_y": number(config.accumulator_depth // 3),
                "accumulator_stride_x": number(4),
                "last_rows": number(1, config.rows + 1),
            }
            fault = Instruction(Opcode.MATMUL, values)
            if matmul_access(config, fault).fault(config) is None:
                continue
            made += 1
            yield self._with(f"MATMUL {values}", fault, ErrorCode.MEMORY_RANGE)

    def program_addresses(self) -> Iterator[Case]:
        """Misaligned programs and programs that pass the end of the address space."""
        for shift in (1, 16, 31):
            instructions, contents = self._program()
            case = self._case(f"program address + {shift}", instructions, contents)
            case.program_address += shift
            case.predict()
            yield case

    def read_responses(self) -> Iterator[Case]:
        """An error at the first, a middle and the last beat of a LOAD's row."""
        for _ in range(3):
            for where in (0.0, 0.5, 1.0):
                yield self._response(Opcode.LOAD, where)

    def write_responses(self) -> Iterator[Case]:
        """An error at the first, a middle and the last beat of a STORE's row."""
        for _ in range(3):
            for where in (0.0, 0.5, 1.0):
                yield self._response(Opcode.STORE, where)

    def _response(self, opcode: Opcode, where: float) -> Case:
        segments = (INPUT, PARAMETERS) if opcode is Opcode.LOAD else (OUTPUT,)
        while True:
            instructions, contents = self._program()
            victims = [
                item for item in instructions
                if item.opcode is opcode and item["segment"] in segments and item["bytes"]
            ]
            if not victims:
                continue
            case = self._case(f"{opcode.name} response", instructions, contents)
            victim = self.random.choice(victims)
            access = transfer_access(self.config, victim)
            row = int(self.random.choice(access.offsets.reshape(-1).tolist()))
            segment = victim["segment"]
            byte = case.segments[segment].base + row + int(where * (access.bytes - 1))
            # The other side must not touch the range, else two errors race.
            window = (byte - byte % self.config.axi_bytes, byte + 1)
            beat = range(window[0], window[0] + self.config.axi_bytes)
            others = [
                (entry.base, entry.base + entry.limit)
                for number, entry in case.segments.items() if number != segment
            ]
            code = case.program_address
            others.append((code, code + INSTRUCTION_BYTES * case.length))
            if any(start < beat.stop and beat.start < stop for start, stop in others):
                continue
            target = case.read_errors if opcode is Opcode.LOAD else case.write_errors
            target.append(window)
            case.name += f" at byte {byte:#x}"
            case.error = self._first_response(case, opcode, window)
            return case

    def bursts(self, address: int, size: int) -> Iterator[tuple[int, int]]:
        """Start and end of the bursts of a row; blocks are the longest burst, at most 4 KB."""
        beat = self.config.axi_bytes
        block = min(beat * self.config.max_burst_beats, 4096)
        position, end = address - address % beat, address + size
        while position < end:
            stop = min((position // block + 1) * block, -(-end // beat) * beat)
            yield position, stop
            position = stop

    def _first_response(self, case: Case, opcode: Opcode, window: tuple[int, int]) -> Fault:
        code, source = (
            (ErrorCode.READ_RESPONSE, ErrorSource.LOAD) if opcode is Opcode.LOAD
            else (ErrorCode.WRITE_RESPONSE, ErrorSource.STORE)
        )
        for index, item in enumerate(case.instructions):
            if item.opcode is not opcode or not item["bytes"]:
                continue
            base = case.segments[item["segment"]].base
            access = transfer_access(self.config, item)
            for row in access.offsets.reshape(-1):
                for start, stop in self.bursts(base + int(row), access.bytes):
                    if start < window[1] and window[0] < stop:
                        return Fault(code, source, index, start)
        raise AssertionError("no instruction touches the range")

    def fetch_responses(self) -> Iterator[Case]:
        """An error at a beat of the first, a middle and the last instruction."""
        beat = self.config.axi_bytes
        chunk = min(self.config.max_burst_beats * beat, 8 * INSTRUCTION_BYTES)
        for where in (0, None, -1):
            instructions, contents = self._program()
            case = self._case("fetch response", instructions, contents)
            index = self.random.randrange(case.length) if where is None else where % case.length
            byte = case.program_address + INSTRUCTION_BYTES * index
            byte += self.random.randrange(0, INSTRUCTION_BYTES, min(beat, INSTRUCTION_BYTES))
            case.read_errors.append((byte, byte + 1))
            start = max(case.program_address, byte // chunk * chunk)
            case.error = Fault(ErrorCode.FETCH_RESPONSE, ErrorSource.FETCH, index, start)
            case.name += f" at byte {byte:#x}"
            yield case

    def overflows(self) -> Iterator[Case]:
        """The 64th count of a semaphore, from a SYNC and from a LOAD."""
        opcodes = [Opcode.SYNC, Opcode.LOAD, Opcode.STORE]
        for opcode in [*opcodes, Opcode.VECTOR] if self.config.lanes else opcodes:
            semaphore = self.random.randrange(16)
            mask = 1 << semaphore
            unit = Unit.LOAD if opcode is Opcode.SYNC else Unit[opcode.name]
            sync = Instruction(Opcode.SYNC, {"unit": unit.value}, signal=mask)
            values = {} if opcode is Opcode.VECTOR else {"bytes": 4, "segment": 0}
            last = sync if opcode is Opcode.SYNC else Instruction(opcode, values, signal=mask)
            if opcode in (Opcode.STORE, Opcode.VECTOR):
                wait = 1 << (semaphore + 1) % 16
                first = [
                    Instruction(Opcode.LOAD, {"bytes": 4, "count_x": 8}, signal=wait),
                    Instruction(Opcode.SYNC, {"unit": unit.value}, wait=wait),
                ]
            else:
                first = []
            instructions = [*first, *[sync] * 63, last, sync]
            case = self._case(
                f"overflow by {opcode.name}", instructions, {0: np.arange(64, dtype=np.uint8)}
            )
            assert case.error is not None
            assert case.error.index == len(first) + 63, case.error
            yield case

    def deadlocks(self) -> Iterator[Case]:
        """Waits that nothing ends."""
        load = Instruction(Opcode.LOAD, {"bytes": 1})
        contents = {0: np.arange(64, dtype=np.uint8)}
        units = [unit.value for unit in Unit if unit is not Unit.VECTOR or self.config.lanes]
        sync = [Instruction(Opcode.SYNC, {"unit": unit}) for unit in units]

        def stuck(opcode: Opcode, unit: int, wait: int) -> Instruction:
            values = {Opcode.SYNC: {"unit": unit}, Opcode.LOAD: {"bytes": 1}}.get(opcode, {})
            return Instruction(opcode, values, wait=wait)

        programs = [
            [load, stuck(Opcode.LOAD, 0, 1)],
            [load, stuck(Opcode.SYNC, 3, 2), stuck(Opcode.LOAD, 0, 4)],
            [*sync, stuck(Opcode.SYNC, 1, 0x8000), load, load],
            [load, *[stuck(Opcode.SYNC, 3, 1)] * (self.config.queue_depth + 5), load],
        ]
        if self.config.lanes:
            programs += [
                [load, stuck(Opcode.VECTOR, 2, 1), stuck(Opcode.SYNC, 2, 2)],
                [load, *[stuck(Opcode.VECTOR, 2, 8)] * (self.config.queue_depth + 5), load],
            ]
        for number, instructions in enumerate(programs):
            case = self._case(f"deadlock {number}", instructions, contents, watchdog=700)
            assert case.error is not None and case.error.code is ErrorCode.NO_PROGRESS
            yield case

    def beyond_memory(self) -> Iterator[Case]:
        """Segments that reach beyond DRAM: DECERR."""
        for opcode, segment in ((Opcode.LOAD, INPUT), (Opcode.STORE, OUTPUT)):
            instructions, contents = self._program()
            beat = self.config.axi_bytes
            memory, address, segments = place(
                self.random, encode(instructions), contents, last=segment
            )
            # Cut DRAM at a beat within the segment, so that whole beats are missing.
            end = segments[segment].base + len(contents[segment]) - 3 * beat
            end -= end % beat
            case = Case(
                f"{opcode.name} beyond DRAM", self.config, memory[:end].copy(), address,
                len(instructions), segments,
                instructions,
            )
            if case.error is None:
                width = word_bytes(self.config, Memory.ACTIVATION)
                fault = Instruction(opcode, {
                    "segment": segment, "offset": len(contents[segment]) - width, "bytes": width,
                })
                instructions = [*instructions, fault]
                memory, address, segments = place(
                    self.random, encode(instructions), contents, last=segment
                )
                end = segments[segment].base + len(contents[segment]) - width
                end -= end % beat
                if end < segments[segment].base:
                    continue
                case = Case(
                    f"{opcode.name} beyond DRAM", self.config, memory[:end].copy(), address,
                    len(instructions), segments, instructions, exact=False,
                )
            case.exact = False
            yield case
