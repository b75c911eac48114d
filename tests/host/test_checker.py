# SPDX-License-Identifier: Apache-2.0
"""`weft check`: it passes what is right and names what is wrong."""

import re

import numpy as np
import pytest

from weft.compiler.assembler import assemble
from weft.compiler.checker import FINDING_KINDS, check
from weft.compiler.gemm import compile_gemm
from weft.compiler.program import Program, SegmentNeed
from weft.hdl.config import SERIAL_VALUES, Config
from weft.hdl.isa import ErrorCode, Instruction, Opcode
from weft.sim.machine import Machine
from weft.sim.random_programs import random_config, random_program
from weft.sim.simulator import Segment, Simulator

CONFIG = Config(rows=2, cols=2, activation_depth=16, weight_depth=16, accumulator_depth=16,
                max_reduction_depth=8, axi_width=32, queue_depth=2, vector_lanes=0)
SEGMENTS = """
.segment 0 name=in bytes=64 role=input
.segment 1 name=out bytes=64 role=output
.segment 2 name=both bytes=64 role=scratch
"""

CASES = [
    ("illegal", 0, "MATMUL last_rows=3", "last_rows must be at most rows (2), not 3"),
    ("illegal", 0, "STORE memory=weight", "STORE cannot read the weight scratchpad"),
    ("illegal", 0, "VECTOR", "the vector unit is not in this configuration"),
    ("range", 0, "LOAD memory=activation address=15 bytes=3", "activation word 16"),
    ("range", 0, "MATMUL last_rows=2 output_x=3 accumulator_stride_x=8", "accumulator word 16"),
    ("segment", 0, "LOAD segment=5 bytes=1 memory=weight", ("uses segment 5, which the program "
                                                          "does not describe")),
    ("segment", 0, "LOAD offset=63 bytes=2", "a row of 2 bytes at offset 63 leaves segment 0"),
    ("segment", 1, "LOAD bytes=2\nSTORE memory=activation bytes=1", ("stores to segment 0 (in), "
                                                                   "which is an input")),
    ("deadlock", 0, "SYNC unit=load wait={3}", "waits for semaphore 3, which nothing signals"),
    ("deadlock", 0, "SYNC unit=load wait={3} signal={4}\nSYNC unit=store wait={4} signal={3}",
     "signalled next by instruction 1 (SYNC unit=store wait={4} signal={3}), which waits itself"),
    ("deadlock", 0, "SYNC unit=load wait={3}\n" * 3 + "SYNC unit=store signal={3}",
     "signalled next by instruction 3 (SYNC unit=store signal={3}), which is not dispatched"),
    ("deadlock", 1, "SYNC unit=load wait={3}\nSYNC unit=load wait={3}\nSYNC unit=store signal={3}",
     "not signalled often enough"),
    ("overflow", 63, "SYNC unit=load signal={1}\n" * 64, "semaphore 1 can reach 64"),
    ("overflow", 63, "SYNC unit=load signal={1}\n" * 65 + "SYNC unit=store wait={1}",
     "semaphore 1 can reach 65, its maximum is 63"),
    ("two-consumers", 2, ("SYNC unit=load signal={1}\nSYNC unit=matmul wait={1}\n"
     "SYNC unit=store wait={1}\nSYNC unit=load signal={1}"), ("semaphore 1 is taken by MATMUL and "
                                                          "STORE")),
    ("read-before-write", 0, "STORE memory=activation segment=1 bytes=2",
     "reads activation word 0, which nothing has written"),
    ("read-before-write", 1, ("LOAD bytes=2 signal={0}\nMATMUL wait={0} last_rows=2 "
     "weight_stride_row=1"), "reads weight word 0"),
    ("read-before-write", 0, ("LOAD segment=1 bytes=2\nLOAD bytes=4 address=4 signal={0}\n"
     "STORE memory=activation address=4 segment=1 bytes=2 wait={0}"), ("reads segment 1 (out) byte "
                                                                    "0")),
    ("race", 1, "LOAD bytes=2\nSTORE memory=activation segment=1 bytes=2",
     "reads activation word 0, which instruction 0 (LOAD) writes, and nothing makes it wait"),
    ("race", 2, ("LOAD bytes=2 signal={0}\nSTORE memory=activation segment=1 bytes=2 wait={0}\n"
     "LOAD bytes=2 offset=8"), "writes activation word 0, which instruction 1 (STORE) reads"),
    ("race", 3, ("LOAD bytes=2 signal={0}\nLOAD memory=accumulator address=8 bytes=2\n"
     "STORE memory=activation segment=2 bytes=2 wait={0}\nLOAD segment=2 bytes=2 address=4"),
     "reads segment 2 (both) byte 0, which instruction 2 (STORE) writes"),
    ("reduction-depth", 3, ("LOAD memory=weight bytes=4 signal={1}\nLOAD bytes=2 signal={0}\n"
     "MATMUL wait={0,1} last_rows=2 weight_stride_row=1 channel_blocks=4\n"
     "MATMUL accumulate last_rows=1"),
     "accumulates 9 products in a word; max_reduction_depth is 8"),
]

VECTOR_CONFIG = CONFIG.replace(rows=4, cols=4, vector_lanes=2, parameter_depth=16)
LOADED = "LOAD bytes=4 count_x=8 signal={0}\nSYNC unit=vector wait={0}\n"
WEIGHTS = "LOAD memory=weight bytes=4 count_x=4 signal={2}\nSYNC unit=matmul wait={2}\n"
VECTOR_CASES = [
    ("illegal", 0, "VECTOR source_element=1", "source_element must be a multiple of lanes (2)"),
    ("illegal", 0, "VECTOR add", "the flags add and maximum need the accumulator"),
    ("illegal", 0, "STORE memory=table", "STORE cannot read the table memory"),
    ("range", 0, "VECTOR destination_address=15 chunks=3", "activation word 16"),
    ("range", 0, "VECTOR requantize parameter_address=15 chunks=2", "parameter word 16"),
    ("range", 0, "LOAD memory=table address=255 bytes=2", "table word 256"),
    ("read-before-write", 0, "VECTOR", "reads activation word 0 element 0, which nothing has"),
    ("read-before-write", 3, (LOADED + "VECTOR destination_address=9\n"
                              "VECTOR source_address=9 chunks=2"), "activation word 9 element 2"),
    ("read-before-write", 3, LOADED + "VECTOR destination_address=9 signal={1}\n"
     "STORE memory=activation address=9 bytes=3 segment=1 wait={1}", "activation word 9 element 2"),
    ("read-before-write", 2, LOADED + "VECTOR destination_memory=accumulator maximum",
     "reads accumulator word 0 element 0"),
    ("read-before-write", 2, LOADED + "VECTOR requantize", "reads parameter word 0"),
    ("read-before-write", 2, LOADED + "VECTOR table clamp_low=3 clamp_high=4",
     "reads table word 131"),
    ("read-before-write", 3, LOADED + "LOAD memory=table address=131 bytes=1 signal={0}\n"
     "VECTOR table clamp_low=3 clamp_high=4 wait={0}", "reads table word 132"),
    ("race", 1, "LOAD bytes=4\nVECTOR destination_address=1", "which instruction 0 (LOAD) writes"),
    ("race", 3, LOADED + "VECTOR destination_address=1\nLOAD bytes=4",
     "writes activation word 0 element 0, which instruction 2 (VECTOR) reads"),
    ("race", 3, LOADED + "LOAD memory=parameter bytes=24\nVECTOR requantize",
     "reads parameter word 0, which instruction 2 (LOAD) writes"),
    ("race", 5, LOADED + WEIGHTS + "VECTOR destination_address=1 destination_element=2\n"
     "MATMUL activation_address=1 weight_stride_row=1 last_rows=4",
     "reads activation word 1 element 2, which instruction 4 (VECTOR) writes"),
    ("race", 4, LOADED + "VECTOR destination_address=9\nVECTOR destination_address=9 "
     "destination_element=2 signal={1}\nSTORE memory=activation address=9 bytes=2 segment=1",
     "reads activation word 9 element 0, which instruction 2 (VECTOR) writes"),
    ("race", 4, LOADED + "VECTOR destination_address=9 signal={1}\nVECTOR destination_address=9 "
     "destination_element=2\nSTORE memory=activation address=9 bytes=2 segment=1 wait={1}",
     "reads activation word 9 element 2, which instruction 3 (VECTOR) writes"),
    ("undefined", 2, LOADED + "VECTOR destination_element=2 chunks=4", "that it has written"),
    ("undefined", 4, LOADED + "LOAD memory=accumulator bytes=16 signal={0}\n"
     "SYNC unit=vector wait={0}\nVECTOR destination_memory=accumulator count_x=2 add",
     "updates a destination element twice"),
]


@pytest.mark.parametrize(("kind", "index", "text", "message"), VECTOR_CASES)
def test_finding_about_vectors(kind, index, text, message):
    findings = check(VECTOR_CONFIG, assemble(SEGMENTS + text))
    found = [(f.kind, f.index, f.what) for f in findings]
    assert any(f[:2] == (kind, index) and message in f[2] for f in found), found


def test_vectors_of_different_elements_share_words():
    text = LOADED + WEIGHTS + """
    LOAD memory=parameter bytes=24 count_x=4 signal={0}
    LOAD memory=table bytes=32 count_x=8 signal={0}
    SYNC unit=vector wait={0}
    VECTOR destination_address=8 chunks=3 requantize table wait={0}
    VECTOR destination_address=9 destination_element=2 source_element=2 chunks=3
    VECTOR destination_memory=accumulator chunks=4 source_address=8
    VECTOR destination_memory=accumulator chunks=4 add requantize uniform signal={3}
    MATMUL activation_address=8 output_x=3 activation_stride_x=1 accumulator_stride_x=0 \
weight_stride_row=1 last_rows=4 accumulate wait={3} signal={4}
    STORE memory=accumulator bytes=32 segment=1 wait={4}
    """.replace("\\\n", "")
    findings = check(VECTOR_CONFIG.replace(max_reduction_depth=64), assemble(SEGMENTS + text))
    assert [f for f in findings if f.kind != "segment"] == [], [str(f) for f in findings]


@pytest.mark.parametrize(("kind", "index", "text", "message"), CASES)
def test_finding(kind, index, text, message):
    findings = check(CONFIG, assemble(SEGMENTS + text))
    match = [f for f in findings if f.kind == kind and f.index == index]
    assert match, [str(finding) for finding in findings]
    assert any(re.search(re.escape(message), finding.what) for finding in match), match
    assert all(finding.fix for finding in findings)


SERIAL_CONFIG = CONFIG.replace(execution="serial", **SERIAL_VALUES)
SERIAL_CASES = [
    ("deadlock", 0, "SYNC unit=load wait={3}\nSYNC unit=store signal={3}",
     "signalled next by instruction 1 (SYNC unit=store signal={3}), which is later in the program"),
    ("deadlock", 1, "SYNC unit=load signal={3}\nSYNC unit=load wait={2,3}", "nothing signals"),
    ("overflow", 64, "SYNC unit=load\n" + "SYNC unit=load signal={1}\n" * 64,
     "semaphore 1 can reach 64"),
    ("overflow", 66, "SYNC unit=load signal={1}\nSYNC unit=load wait={1}\nSYNC unit=store\n"
     + "SYNC unit=load signal={1}\n" * 64 + "SYNC unit=store wait={1}", "semaphore 1 can reach 64"),
]


@pytest.mark.parametrize(("kind", "index", "text", "message"), SERIAL_CASES)
def test_finding_with_serial_execution(kind, index, text, message):
    findings = check(SERIAL_CONFIG, assemble(SEGMENTS + text))
    assert [(f.kind, f.index) for f in findings] == [(kind, index)], findings
    assert message in findings[0].what


def test_serial_execution_needs_no_semaphores_and_takes_signals_from_anyone():
    text = """
    LOAD bytes=2
    LOAD memory=weight bytes=2
    MATMUL last_rows=1
    STORE memory=accumulator bytes=8 segment=1 signal={1}
    SYNC unit=load signal={1}
    SYNC unit=load wait={1}
    SYNC unit=store wait={1}
    """
    assert check(SERIAL_CONFIG, assemble(SEGMENTS + text)) == []
    kinds = {finding.kind for finding in check(CONFIG, assemble(SEGMENTS + text))}
    assert kinds == {"race", "two-consumers"}


@pytest.mark.parametrize("sizes", [(1, 1, 1), (9, 7, 5), (40, 3, 33), (17, 64, 64)])
def test_compiled_products_are_in_an_order_that_serial_execution_can_run(sizes):
    config = SERIAL_CONFIG.replace(
        rows=4, cols=4, activation_depth=32, weight_depth=32, max_reduction_depth=64
    )
    assert check(config, compile_gemm(config, *sizes)) == []


def test_every_kind_has_a_case():
    assert {case[0] for case in CASES + VECTOR_CASES} == set(FINDING_KINDS)


def test_a_multiple_producer_semaphore_orders_only_what_it_must():
    """One count from either of two units: the consumer knows of neither."""
    text = """
    LOAD bytes=2 signal={0}
    SYNC unit=store signal={0}
    MATMUL wait={0} last_rows=1
    """
    load_weights = "LOAD memory=weight bytes=2 signal={1}\nSYNC unit=matmul wait={1}\n"
    kinds = {f.kind for f in check(CONFIG, assemble(SEGMENTS + load_weights + text))}
    assert "race" in kinds
    both = text.replace("MATMUL wait={0}", "SYNC unit=matmul wait={0}\nMATMUL wait={0}")
    assert check(CONFIG, assemble(SEGMENTS + load_weights + both)) == []


@pytest.mark.parametrize("seed", range(80))
def test_passes_random_programs_and_catches_a_removed_wait(seed):
    """Without one of its waits a program deadlocks nowhere but races, or did not need the wait."""
    config = random_config(seed, vector=seed % 2 == 0)
    made = random_program(config, seed)
    roles = ["input", "scratch", "output", "input"]
    needs = [SegmentNeed(n, roles[n], len(data), roles[n]) for n, data in made.segments.items()]
    program = Program(made.instructions, needs, config)
    assert [f for f in check(config, program) if f.kind != "reduction-depth"] == []
    random = np.random.default_rng(seed)
    waiting = [n for n, i in enumerate(program.instructions) if i.wait]
    victim = int(random.choice(waiting))
    changed = list(program.instructions)
    old = changed[victim]
    changed[victim] = type(old)(old.opcode, old.values, 0, old.signal, old.flags)
    weaker = Program(changed, needs, config)
    if any(f.kind in ("race", "read-before-write") for f in check(config, weaker)):
        return
    outputs = {run(config, program, made, schedule) for schedule in (None, 1)}
    outputs |= {run(config, weaker, made, schedule) for schedule in range(6)}
    assert len(outputs) == 1


@pytest.mark.parametrize("seed", range(60))
def test_finds_every_read_before_write_that_the_simulator_meets(seed):
    """With one of the LOADs gone that fill the memories."""
    config = random_config(500 + seed, vector=True)
    made = random_program(config, seed, length=16)
    roles = ["input", "scratch", "output", "input"]
    needs = [SegmentNeed(n, roles[n], len(data), roles[n]) for n, data in made.segments.items()]
    instructions = list(made.instructions)
    old = instructions[seed % 5]
    assert old.opcode is Opcode.LOAD
    unit = {"unit": old.unit.value}
    instructions[seed % 5] = Instruction(Opcode.SYNC, unit, old.wait, old.signal)
    program = Program(instructions, needs, config)
    findings = {f.index for f in check(config, program, limit=500) if f.kind == "read-before-write"}
    machine = Machine(config, np.zeros(1 << 15, np.uint8), place(made, 0)[0], track=True)
    for index, instruction in enumerate(instructions):
        machine.execute(instruction, index)
    met = {read.index for read in machine.read_before_write}
    assert met <= findings
    lookups = {n for n, i in enumerate(instructions) if i.opcode is Opcode.VECTOR}
    assert findings - met <= (lookups if seed % 5 == 4 else set())


def place(made, position):
    segments = {}
    for number, data in made.segments.items():
        segments[number] = Segment(position, len(data))
        position += len(data)
    return segments, position


def run(config, program, made, schedule):
    code = program.to_bytes()
    memory = np.zeros(1 << 15, np.uint8)
    memory[: len(code)] = np.frombuffer(code, np.uint8)
    segments, _ = place(made, len(code))
    for number, data in made.segments.items():
        memory[segments[number].base :][: len(data)] = data
    result = Simulator(config, schedule_seed=schedule).run(memory, 0, len(program), segments)
    assert result.error is None or result.error.code is not ErrorCode.NO_PROGRESS
    return memory[len(code) :].tobytes()


def test_limit():
    text = "SYNC unit=vector\n" * 100
    assert len(check(CONFIG, assemble(text), limit=7)) == 7


def test_removing_any_wait_of_a_product_is_noticed():
    config = Config(rows=2, cols=2, activation_depth=16, weight_depth=16, accumulator_depth=16,
                    axi_width=32)
    program = compile_gemm(config, 9, 9, 9)
    assert check(config, program) == []
    waits = [n for n, i in enumerate(program.instructions) if i.wait]
    assert len(waits) > 20
    for victim in waits:
        changed = list(program.instructions)
        old = changed[victim]
        changed[victim] = type(old)(old.opcode, old.values, 0, old.signal, old.flags)
        findings = check(config, Program(changed, program.segments, config))
        assert findings, victim
