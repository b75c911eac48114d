# SPDX-License-Identifier: Apache-2.0
"""Dispatch, the table of legal instructions, and the semaphores."""

import pytest

from weft.hdl.control.dispatch import Dispatch
from weft.hdl.control.legality import InstructionRules
from weft.hdl.control.semaphores import Semaphores
from weft.hdl.isa import ErrorCode, Instruction, Opcode, Unit
from weft.sim.bench.runner import run_bench


@pytest.mark.parametrize("rows", [4, 256])
def test_dispatch(simulator, rows):
    if simulator == "verilator" and rows == 256:
        pytest.skip("on Icarus only, to save build time")
    result = run_bench(
        Dispatch(rules=InstructionRules(rows=rows, vector=False)),
        name="dispatch",
        test_module="bench_control_dispatch",
        simulator=simulator,
        parameters={"rows": rows},
    )
    assert result.tests == 7


@pytest.mark.parametrize(("requests", "sources"), [(3, 3), (4, 4), (2, 7)])
def test_semaphores(simulator, requests, sources):
    if simulator == "verilator" and sources == 7:
        pytest.skip("on Icarus only, to save build time")
    result = run_bench(
        Semaphores(requests=requests, sources=sources),
        name="semaphores",
        test_module="bench_control_semaphores",
        simulator=simulator,
        parameters={"requests": requests, "sources": sources},
    )
    assert result.tests == 7


def test_semaphores_refuse_nonsense():
    with pytest.raises(ValueError, match="sources must be from 1 to 63, not 64"):
        Semaphores(requests=3, sources=64)


def test_rules_with_a_vector_unit():
    rules = InstructionRules(rows=16, vector=True)
    assert rules.units() == tuple(Unit)
    for opcode, values, code in (
        (Opcode.VECTOR, {}, ErrorCode.NONE),
        (Opcode.SYNC, {"unit": Unit.VECTOR.value}, ErrorCode.NONE),
        (Opcode.LOAD, {"memory": 3}, ErrorCode.NONE),
        (Opcode.STORE, {"memory": 3}, ErrorCode.ILLEGAL_INSTRUCTION),
    ):
        assert rules.check(Instruction(opcode, values).encode()) is code
    with_vector = Dispatch(rules=rules)
    assert "vector" in with_vector.signature.members
