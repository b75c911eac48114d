# SPDX-License-Identifier: Apache-2.0
"""Dispatch, the table of legal instructions, and the semaphores."""

from random import Random

import pytest

from weft.hdl.config import Config
from weft.hdl.control.dispatch import Dispatch
from weft.hdl.control.legality import InstructionRules
from weft.hdl.control.semaphores import Semaphores
from weft.hdl.isa import FORMATS, ErrorCode, Instruction, Opcode, Unit
from weft.sim.accesses import legality
from weft.sim.bench.runner import run_bench

VECTORS = [(16, 8, 4), (12, 18, 6), (256, 256, 1)]
"""Rows, columns and lanes of configurations with a vector unit."""


@pytest.mark.parametrize(
    "sizes",
    [{"rows": 4, "vector": False}, {"rows": 256, "vector": False}]
    + [{"rows": r, "cols": c, "lanes": n, "vector": True} for r, c, n in VECTORS],
    ids=lambda sizes: "-".join(str(value) for value in sizes.values()),
)
def test_dispatch(simulator, sizes):
    if simulator == "verilator" and (sizes["rows"] == 256 or sizes.get("lanes") == 4):
        pytest.skip("on Icarus only, to save build time")
    width = {4: 32, 12: 64, 16: 128, 256: 256}[sizes["rows"]]
    result = run_bench(
        Dispatch(rules=InstructionRules(**sizes), data_width=width),
        name="dispatch",
        test_module="bench_control_dispatch",
        simulator=simulator,
        parameters={**sizes, "data_width": width},
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


@pytest.mark.parametrize("rows, cols, lanes", VECTORS)
def test_rules_equal_those_of_the_simulator(rows, cols, lanes):
    config = Config(rows=rows, cols=cols, vector_lanes=lanes, weight_depth=1024)
    rules, random = InstructionRules.of(config), Random(rows)
    found = set()
    for _ in range(4000):
        opcode = random.choice(list(Opcode))
        values = {
            field.name: random.choice((field.low, field.high))
            if random.random() < 0.5
            else random.randint(field.low, field.high)
            for field in FORMATS[opcode].fields
        }
        if random.random() < 0.7 and opcode is Opcode.VECTOR:
            values["source_element"] = values["destination_element"] = lanes * random.randrange(2)
        instruction = Instruction(
            opcode, values, flags=random.getrandbits(8) & FORMATS[opcode].flag_mask
        )
        refusal = legality(config, instruction)
        code = ErrorCode.NONE if refusal is None else refusal[0]
        assert rules.check(instruction.encode()) is code, instruction
        found.add((opcode, code))
    assert (Opcode.VECTOR, ErrorCode.NONE) in found


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
        (Opcode.LOAD, {"memory": 4}, ErrorCode.NONE),
        (Opcode.LOAD, {"memory": 5}, ErrorCode.ILLEGAL_INSTRUCTION),
    ):
        assert rules.check(Instruction(opcode, values).encode()) is code
