# SPDX-License-Identifier: Apache-2.0
"""Programs, their files, their text."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.compiler.assembler import AssemblyError, assemble, disassemble, format_instruction
from weft.compiler.gemm import compile_gemm
from weft.compiler.program import Builder, Program, ProgramError, SegmentNeed
from weft.hdl.config import Config
from weft.hdl.isa import FORMATS, Instruction, Memory, Unit


@st.composite
def instructions(draw):
    form = draw(st.sampled_from(list(FORMATS.values())))
    values = {
        field.name: draw(st.one_of(st.just(field.default),
                                   st.integers(max(field.low, 0) if field.name == "unit"
                                               else field.low, field.high)))
        for field in form.fields
    }
    mask = st.integers(0, 0xFFFF)
    flags = draw(st.integers(0, 0xFF)) & form.flag_mask
    return Instruction(form.opcode, values, draw(mask), draw(mask), flags)


@given(st.lists(instructions(), max_size=6))
@settings(max_examples=150, deadline=None)
def test_text_and_bytes_round_trip(items):
    program = Program(items, [SegmentNeed(3, "in", 99), SegmentNeed(4, "out", 7, "output")])
    for numbers in (False, True):
        again = assemble(disassemble(program, numbers=numbers))
        assert again.instructions == items
        assert again.segments == program.segments
    assert Program.from_bytes(program.to_bytes()).instructions == items
    assert Program.from_file_bytes(program.to_file_bytes()) == program


def test_file(tmp_path):
    program = compile_gemm(Config.preset("tiny"), 5, 6, 7)
    path = tmp_path / "product.weft"
    program.save(path)
    again = Program.load(path)
    assert again == program
    assert again.config == Config.preset("tiny")
    assert again.info["k"] == 7


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"nothing", "not a Weft program: the file does not start with 'WEFTPROG'"),
        (b"WEFTPROG\x09\0\0\0\0\0\0\0", "program file version must be 1, not 9"),
        (b"WEFTPROG\x01\0\0\0\xff\0\0\0", "the program file ends within its description"),
        (b"WEFTPROG\x01\0\0\0\x02\0\0\0{}", "description is damaged: 'config'"),
        (b"WEFTPROG\x01\0\0\0\x02\0\0\0[]", "description is damaged"),
    ],
)
def test_damaged_files(content, message):
    with pytest.raises(ProgramError, match=message):
        Program.from_file_bytes(content)


def test_damaged_code_names_the_instruction():
    code = Builder(Config()).sync(Unit.LOAD).to_bytes()
    with pytest.raises(ProgramError, match="instruction 1: opcode must be one of"):
        Program.from_bytes(code + bytes(32))
    with pytest.raises(ProgramError, match="code must be a multiple of 32 bytes, not 33"):
        Program.from_bytes(code + b"\0")


def test_text_is_forgiving_about_layout():
    program = assemble(
        "\n# a comment\n  load  memory=WEIGHT address=0x10 bytes=0b11 wait={0, 3} ; why\n"
        "matmul accumulate signal={15}\nSYNC unit=2\n.segment 1 bytes=0x20\n"
    )
    first, second, third = program.instructions
    assert (first["memory"], first["address"], first["bytes"], first.wait) == (1, 16, 3, 9)
    assert (second.flags, second.signal) == (1, 0x8000)
    assert third.unit is Unit.VECTOR
    assert program.segments == [SegmentNeed(1, "segment1", 32)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\nJUMP", ("line 2: the operation must be one of LOAD, MATMUL, VECTOR, STORE, SYNC, not "
                   "'JUMP'")),
        ("LOAD adress=3", "line 1: LOAD has no field 'adress'"),
        ("LOAD address=70000", "line 1: address must be from 0 to 65535, not 70000"),
        ("LOAD address=x", "line 1: address must be a number, not 'x'"),
        ("LOAD memory=dram", ("memory must be one of activation, weight, accumulator, parameter, "
                             "table, not 'dram'")),
        ("LOAD address=1 address=2", "address is given twice"),
        ("LOAD accumulate", "LOAD has no flag 'accumulate' (flags: none)"),
        ("MATMUL fast", "MATMUL has no flag 'fast' (flags: accumulate)"),
        ("SYNC wait=3", "wait must be a set of semaphores as {0,3}, not '3'"),
        ("SYNC wait={16}", "a semaphore must be from 0 to 15, not 16"),
        ("STORE bytes=0", "bytes must be from 1 to 65536, not 0"),
        (".segment", "line 1: .segment needs a number"),
        (".segment 1 size=3", ".segment takes name=, bytes= and role=, and needs bytes="),
        (".segment 8 bytes=3", "a segment number must be from 0 to 7, not 8"),
        (".segment 1 bytes=3 role=io", "role must be 'input', 'output' or 'scratch', not 'io'"),
    ],
)
def test_text_errors(text, message):
    with pytest.raises(AssemblyError, match=re.escape(message)):
        assemble(text)


def test_builder_names_semaphores():
    builder = Builder(Config.preset("tiny"))
    loaded, done = builder.semaphore("loaded"), builder.semaphore("done")
    assert builder.semaphore("loaded") is loaded
    builder.load(Memory.WEIGHT, 0, bytes=4, count_x=4, signal=[loaded])
    builder.matmul(wait=[loaded], signal=[done], accumulate=True)
    builder.store(Memory.ACCUMULATOR, 0, bytes=16, wait=[done])
    builder.sync(Unit.MATMUL, signal=[loaded, done])
    assert [format_instruction(i) for i in builder.instructions] == [
        "LOAD memory=weight bytes=4 count_x=4 signal={0}",
        "MATMUL last_rows=4 accumulate wait={0} signal={1}",
        "STORE memory=accumulator bytes=16 wait={1}",
        "SYNC unit=matmul signal={0,1}",
    ]
    for number in range(14):
        builder.semaphore(f"s{number}")
    with pytest.raises(ProgramError, match="a program has 16 semaphores; 'more' is one more"):
        builder.semaphore("more")


def test_builder_makes_vectors():
    builder = Builder(Config.preset("tiny"))
    ready = builder.semaphore("ready")
    text = [
        ("VECTOR source_memory=accumulator destination_memory=activation chunks=2 zero_point=-3 "
         "requantize table wait={0}"),
        "VECTOR source_memory=activation destination_memory=accumulator sum add signal={0}",
    ]
    builder.vector(source=Memory.ACCUMULATOR, flags=["table", "requantize"], chunks=2,
                   zero_point=-3, wait=[ready])
    builder.vector(destination=Memory.ACCUMULATOR, flags=["sum", "add"], signal=[ready])
    assert [format_instruction(i) for i in builder.instructions] == text
    assert assemble("\n".join(text)).instructions == builder.instructions
    with pytest.raises(ProgramError, match="source must be the activation scratchpad or the acc"):
        builder.vector(source=Memory.WEIGHT)
    with pytest.raises(ProgramError, match="a flag must be one of sum, requantize, uniform, table, "
                                           "add, maximum, not 'fast'"):
        builder.vector(flags=["fast"])


def test_memories_without_a_name_stay_numbers():
    line = "LOAD memory=6 bytes=4"
    assert format_instruction(assemble(line).instructions[0]) == line
    with pytest.raises(AssemblyError, match="source_memory must be one of activation, accumulator"):
        assemble("VECTOR source_memory=weight")
