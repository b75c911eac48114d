# SPDX-License-Identifier: Apache-2.0
"""`weft check`: proves things about a program before it runs.

Checked: legality in this configuration, on-chip ranges, segment limits and roles, deadlock,
semaphore overflow, semaphores with two consumers, reads of words nothing has written, data races
between units, VECTORs whose result depends on their pipeline, and reductions deeper than the
accumulator is wide for.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..hdl.config import Config
from ..hdl.isa import Opcode, Unit
from ..sim.accesses import legality, matmul_access, transfer_access
from ..sim.vector_access import vector_access
from .assembler import format_instruction
from .causality import Execution, execute
from .program import Program
from .races import MemoryChecker

__all__ = ["Finding", "FINDING_KINDS", "check"]

FINDING_KINDS = (
    "illegal", "range", "segment", "deadlock", "overflow", "two-consumers", "read-before-write",
    "race", "undefined", "reduction-depth",
)
"""What `Finding.kind` can be."""


@dataclass(frozen=True)
class Finding:
    """Something wrong with a program.

    Parameters
    ----------
    kind : str
        One of `FINDING_KINDS`.
    index : int
        Instruction.
    what : str
        What is wrong.
    fix : str
        What to do about it.
    """

    kind: str
    index: int
    what: str
    fix: str

    def __str__(self) -> str:
        return f"instruction {self.index}: {self.kind}: {self.what}; {self.fix}"


def check(config: Config, program: Program, *, limit: int = 50) -> list[Finding]:
    """Everything wrong with ``program`` on ``config``, at most ``limit`` findings.

    A program without findings ends, with the same result whatever the timing, and without an error
    of the accelerator, provided that memory answers and the segments are as large as it says.

    Parameters
    ----------
    program : Program
        Its ``segments`` give limits and roles.

    >>> from .assembler import assemble
    >>> [str(finding) for finding in check(Config(), assemble("SYNC unit=load wait={3}"))]
    ['instruction 0: deadlock: LOAD queue waits for semaphore 3, which nothing signals; add the \
signal or remove the wait']
    """
    findings: list[Finding] = []
    for index in range(len(program)):
        findings += _instruction_findings(config, program, index)
        if len(findings) >= limit:
            return findings[:limit]
    execution = execute(config, program)
    findings += _semaphore_findings(config, program, execution)
    broken = {finding.index for finding in findings if finding.kind in ("illegal", "range")}
    memories = MemoryChecker(config, program, execution)
    for index in execution.order:
        if index not in broken:
            for kind, what, fix in memories.visit(index):
                findings.append(Finding(kind, index, what, fix))
        if len(findings) >= limit:
            break
    return findings[:limit]


def _instruction_findings(config: Config, program: Program, index: int) -> list[Finding]:
    """Legality, ranges and segments of one instruction."""
    i = program.instructions[index]
    refusal = legality(config, i)
    if refusal is not None:
        return [Finding("illegal", index, refusal[1], "compile for this configuration")]
    if i.opcode in (Opcode.MATMUL, Opcode.VECTOR):
        access_of = matmul_access if i.opcode is Opcode.MATMUL else vector_access
        fault = access_of(config, i).fault(config)
        if fault is None:
            return []
        memory, word = fault
        return [Finding("range", index, f"reaches {memory.name.lower()} word {word}, which does "
                        "not exist", "reduce counts, strides or the first address")]
    if i.opcode not in (Opcode.LOAD, Opcode.STORE):
        return []
    access = transfer_access(config, i)
    findings = []
    beyond = access.range_fault(config)
    if beyond is not None:
        findings.append(Finding("range", index, f"reaches {access.memory.name.lower()} word "
                                f"{beyond}, which does not exist",
                                "reduce counts or the first address"))
    if not access.bytes:
        return findings
    need = next((need for need in program.segments if need.number == i["segment"]), None)
    if need is None:
        return [*findings, Finding("segment", index, f"uses segment {i['segment']}, which the "
                                   "program does not describe", "describe it with its size")]
    offset = access.segment_fault(min(need.bytes, 1 << config.axi_address_width))
    if offset is not None:
        findings.append(Finding("segment", index, f"a row of {access.bytes} bytes at offset "
                                f"{offset} leaves segment {need.number} ({need.name}, "
                                f"{need.bytes} bytes)", "correct offset, strides or counts"))
    if i.opcode is Opcode.STORE and need.role == "input":
        findings.append(Finding("segment", index, f"stores to segment {need.number} "
                                f"({need.name}), which is an input", "give it the role output"))
    return findings


def _semaphore_findings(
    config: Config, program: Program, execution: Execution
) -> list[Finding]:
    findings = []
    for semaphore, consumers in enumerate(execution.consumers):
        if len(consumers) > 1 and not config.is_serial:
            names = " and ".join(Unit(unit).name for unit in sorted(consumers))
            unit = max(consumers, key=lambda unit: execution.streams[unit][consumers[unit][0]])
            findings.append(Finding(
                "two-consumers", execution.streams[unit][consumers[unit][0]],
                f"semaphore {semaphore} is taken by {names}, so timing decides who gets a count",
                "use one semaphore for each consumer",
            ))
    for unit, (index, *lacking) in sorted(execution.blocked.items()):
        for semaphore in lacking:
            findings.append(Finding(
                "deadlock", index,
                f"{Unit(unit).name} queue waits for semaphore {semaphore}, "
                f"{_missing(config, program, execution, semaphore)}",
                "put the signal before it" if config.is_serial
                else "add the signal or remove the wait",
            ))
    for overflow in execution.overflows():
        findings.append(Finding(
            "overflow", overflow.index,
            f"semaphore {overflow.semaphore} can reach {overflow.count}, its maximum is 63",
            "let the signalling unit wait for its consumer, or signal less often",
        ))
    return findings


def _missing(
    config: Config, program: Program, execution: Execution, semaphore: int
) -> str:
    """Why a signal does not come."""
    for unit, ordinals in execution.producers[semaphore].items():
        for ordinal in ordinals:
            index = execution.streams[unit][ordinal]
            if index in execution.clocks:
                continue
            text = format_instruction(program.instructions[index])
            if index >= execution.dispatched and config.is_serial:
                return (f"signalled next by instruction {index} ({text}), which is later in the "
                        f"program: execution is serial")
            if index >= execution.dispatched:
                return (f"signalled next by instruction {index} ({text}), which is not dispatched "
                        f"because a queue of the instructions before it is full")
            return f"signalled next by instruction {index} ({text}), which waits itself"
    return "which nothing signals" if not execution.producers[semaphore] else (
        "which is not signalled often enough")
