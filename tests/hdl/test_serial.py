# SPDX-License-Identifier: Apache-2.0
"""The microprogram of serial execution and its assembler. What it does is in the system tests."""

import itertools

import pytest

from weft.hdl.config import SERIAL_VALUES, Config
from weft.hdl.registers import register
from weft.hdl.serial.microcode import (
    ADDRESS_BITS,
    INDEXED_VARIABLES,
    Assembler,
    Condition,
    Host,
    Operation,
    Output,
    Port,
    Source,
    Wait,
    encode,
)
from weft.hdl.serial.microprogram import microprogram


def config(**values):
    return Config(execution="serial", **{"max_reduction_depth": 1000, **SERIAL_VALUES, **values})


@pytest.mark.parametrize(
    ("rows", "address_width", "counters"),
    list(itertools.product((1, 4, 256), (16, 25, 32), (0, 1))),
)
def test_microprograms_fit(rows, address_width, counters):
    words, entries = microprogram(
        config(rows=rows, cols=rows, axi_address_width=address_width, weight_depth=32768,
               performance_counters=counters)
    )
    assert len(words) <= 1 << ADDRESS_BITS and all(word in range(1 << 16) for word in words)
    assert set(entries) == {"boot", "run", "trap"}
    assert entries["boot"] < entries["run"] < entries["trap"] < len(words)
    for word in words:
        operation = Operation(word >> 12)
        if operation in (Operation.JUMP, Operation.JUMP_TOO, Operation.CALL):
            assert word & ((1 << ADDRESS_BITS) - 1) < len(words)
        if operation is Operation.OUTPUT and Output(word & 0xFF) in (Output.UNIT, Output.LEGAL):
            assert counters


def test_every_output_port_and_condition_is_used():
    words, _ = microprogram(config(rows=4, cols=4, axi_address_width=32))
    outputs, ports, conditions, waits = set(), set(), set(), set()
    for word in words:
        operation, upper, lower = Operation(word >> 12), word >> 8 & 15, word & 0xFF
        if operation is Operation.OUTPUT:
            outputs.add(Output(lower))
        if operation <= Operation.AND and upper >> 1 == Source.PORT:
            ports.add(Port(lower))
        if operation in (Operation.JUMP, Operation.JUMP_TOO):
            conditions.add(Condition(upper >> 2 | 4 * (operation is Operation.JUMP_TOO)))
        if operation is Operation.WAIT:
            waits.add(Wait(lower))
    assert outputs == set(Output) and ports == set(Port) and waits == set(Wait)
    assert conditions == set(Condition)


def test_assembler():
    a = Assembler()
    a.jump("end", Condition.FAILED)
    a.label("again")
    a.load(a.variable("x"))
    a.add(0x1200)
    a.subtract(7, carry=True)
    a.store("y", "x")
    a.load(Host("SEGMENT_LIMIT", high=True))
    a.mask(Port.TARGET)
    a.take(16, "z")
    a.constant(0x1234)
    a.call("again")
    a.label("end")
    a.back()
    assert a.words() == [
        Operation.JUMP_TOO << 12 | 2 << ADDRESS_BITS | 12,
        encode(Operation.LOAD, Source.VARIABLE << 1, 0),
        encode(Operation.ADD, Source.HIGH << 1, 0x12),
        encode(Operation.SUB, Source.LOW << 1 | 1, 7),
        encode(Operation.STORE, 0, 1),
        encode(Operation.STORE, 0, 0),
        encode(Operation.LOAD, Source.HOST_HIGH << 1, register("SEGMENT0_LIMIT").offset // 4),
        encode(Operation.AND, Source.PORT << 1, Port.TARGET),
        encode(Operation.TAKE, 15, 2),
        encode(Operation.LOAD, Source.LOW << 1, 0x34),
        encode(Operation.ADD, Source.HIGH << 1, 0x12),
        Operation.CALL << 12 | 1,
        encode(Operation.RETURN),
    ]
    assert a.place("end") == 12


def test_assembler_refuses():
    a = Assembler()
    for operand in (0x101, -1, "x", 1 << 16 | 1):
        with pytest.raises(ValueError, match="an operand cannot be"):
            a.load(operand)
    with pytest.raises(ValueError, match="TAKE takes 4 and 8 bits, not 16 and 0"):
        a.take(17, "x")
    a.label("here")
    with pytest.raises(ValueError, match="the label 'here' exists already"):
        a.label("here")
    for number in range(INDEXED_VARIABLES):
        a.variable(str(number))
    with pytest.raises(ValueError, match="241 variables are more than 1024 and 240"):
        a.words()
