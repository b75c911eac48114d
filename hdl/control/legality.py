# SPDX-License-Identifier: Apache-2.0
"""Which instructions are legal: one table, read by the hardware and by its model."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

from amaranth.hdl import Const, Value
from amaranth.lib import data

from ..config import Config
from ..isa import FORMATS, INSTRUCTION_WIDTH, ErrorCode, Format, Memory, Opcode, Unit
from ..slots import is_legal_element

__all__ = ["ElementRule", "FieldRule", "InstructionRules", "PatternRule"]


@dataclass(frozen=True)
class FieldRule:
    """Field values that a format does not take.

    Parameters
    ----------
    opcode : Opcode
        Format the rule belongs to.
    field : str
        Field of the format.
    first, last : int
        Stored bits from ``first`` to ``last`` are refused.
    code : ErrorCode
        What they are refused with.
    """

    opcode: Opcode
    field: str
    first: int
    last: int
    code: ErrorCode


@dataclass(frozen=True)
class PatternRule:
    """Field values that do not go together; refused with ILLEGAL_INSTRUCTION.

    Parameters
    ----------
    opcode : Opcode
        Format the rule belongs to.
    fields : tuple of (str, int, int)
        Field, mask, and what the masked stored bits of every field must equal to be refused.
    """

    opcode: Opcode
    fields: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class ElementRule:
    """The first element of a VECTOR, on one side, in one memory; refused unless it is a multiple
    of ``lanes`` below ``elements``.

    Parameters
    ----------
    side : str
        ``"source"`` or ``"destination"``.
    memory : int
        Value of the side's memory field that the rule belongs to.
    lanes, elements : int
        Lanes of the vector unit, and elements of a word.
    """

    side: str
    memory: int
    lanes: int
    elements: int


def _flag(name: str) -> int:
    return FORMATS[Opcode.VECTOR].flags[name][0]


class InstructionRules:
    """The legality of instructions in one configuration.

    An instruction is refused with ILLEGAL_INSTRUCTION if its opcode is unknown, a reserved bit or
    an undefined flag is set, or a field has a value that its format never takes; else with
    NOT_CONFIGURED if it needs what this configuration leaves out.

    Parameters
    ----------
    rows : int
        Rows of the array.
    vector : bool
        Whether there is a vector unit.
    cols : int, optional
        Columns of the array; ``rows`` if left out.
    lanes : int
        Lanes of the vector unit, if there is one.
    """

    def __init__(
        self, *, rows: int, vector: bool, cols: int | None = None, lanes: int = 1
    ) -> None:
        self.rows = rows
        self.cols = rows if cols is None else cols
        self.vector = vector
        self.lanes = lanes

    @classmethod
    def of(cls, config: Config) -> InstructionRules:
        """The rules of a configuration."""
        return cls(
            rows=config.rows, cols=config.cols, vector=config.lanes > 0, lanes=config.lanes
        )

    @property
    def field_rules(self) -> tuple[FieldRule, ...]:
        """The rules on field values; those that cannot fail are left out."""
        illegal, missing = ErrorCode.ILLEGAL_INSTRUCTION, ErrorCode.NOT_CONFIGURED
        weight, parameter = Memory.WEIGHT.value, Memory.PARAMETER.value
        table, none = Memory.TABLE.value, (1 << FORMATS[Opcode.LOAD].layout["memory"].width) - 1
        rules = [
            FieldRule(Opcode.STORE, "memory", weight, weight, illegal),
            FieldRule(Opcode.LOAD, "memory", table + 1, none, illegal),
            FieldRule(Opcode.STORE, "memory", table + 1, none, illegal),
        ]
        last_rows = next(
            field for field in FORMATS[Opcode.MATMUL].fields if field.name == "last_rows"
        )
        if self.rows < last_rows.high:
            rules.append(
                FieldRule(
                    Opcode.MATMUL,
                    last_rows.name,
                    last_rows.encode(self.rows + 1),
                    last_rows.encode(last_rows.high),
                    illegal,
                )
            )
        if self.vector:
            rules.append(FieldRule(Opcode.STORE, "memory", parameter, table, illegal))
        else:
            rules += [
                FieldRule(Opcode.LOAD, "memory", parameter, table, missing),
                FieldRule(Opcode.STORE, "memory", parameter, table, missing),
                FieldRule(Opcode.SYNC, "unit", Unit.VECTOR.value, Unit.VECTOR.value, missing),
            ]
        return tuple(rules)

    @property
    def pattern_rules(self) -> tuple[PatternRule, ...]:
        """The rules on fields together."""
        if not self.vector:
            return ()
        both = _flag("add") | _flag("maximum")
        patterns = [
            (("flags", both, both),),
            (("flags", _flag("table"), _flag("table")), ("destination_memory", 1, 1)),
            (("flags", _flag("add"), _flag("add")), ("destination_memory", 1, 0)),
            (("flags", _flag("maximum"), _flag("maximum")), ("destination_memory", 1, 0)),
        ]
        return tuple(PatternRule(Opcode.VECTOR, fields) for fields in patterns)

    @property
    def element_rules(self) -> tuple[ElementRule, ...]:
        """The rules on first elements."""
        if not self.vector:
            return ()
        return tuple(
            ElementRule(side, memory, self.lanes, elements)
            for side in ("source", "destination")
            for memory, elements in enumerate((self.rows, self.cols))
        )

    @property
    def missing_opcodes(self) -> tuple[Opcode, ...]:
        """Opcodes whose unit this configuration leaves out."""
        return () if self.vector else (Opcode.VECTOR,)

    @staticmethod
    def zero_mask(form: Format) -> int:
        """The bits of the whole instruction that a format wants zero: reserved and flags."""
        position, mask = 0, ((1 << INSTRUCTION_WIDTH) - 1) & ~((1 << form.used_width) - 1)
        for field in form.all_fields:
            if field.name == "flags":
                mask |= (((1 << field.width) - 1) & ~form.flag_mask) << position
            position += field.width
        return mask

    @staticmethod
    def _field(opcode: Opcode, name: str, word: int) -> int:
        position = 0
        for field in FORMATS[opcode].all_fields:
            if field.name == name:
                return (word >> position) & ((1 << field.width) - 1)
            position += field.width
        raise KeyError(name)

    def check(self, word: int) -> ErrorCode:
        """Model of the hardware: why a 256-bit word is refused, or ``ErrorCode.NONE``."""
        try:
            opcode = Opcode(word & 0xFF)
        except ValueError:
            return ErrorCode.ILLEGAL_INSTRUCTION
        if word & self.zero_mask(FORMATS[opcode]):
            return ErrorCode.ILLEGAL_INSTRUCTION
        broken = {
            rule.code
            for rule in self.field_rules
            if rule.opcode is opcode
            and rule.first <= self._field(opcode, rule.field, word) <= rule.last
        }
        if opcode in self.missing_opcodes:
            broken.add(ErrorCode.NOT_CONFIGURED)
        for pattern in self.pattern_rules:
            if pattern.opcode is opcode and all(
                self._field(opcode, name, word) & mask == value
                for name, mask, value in pattern.fields
            ):
                broken.add(ErrorCode.ILLEGAL_INSTRUCTION)
        if opcode is Opcode.VECTOR:
            for element_rule in self.element_rules:
                element = self._field(opcode, f"{element_rule.side}_element", word)
                memory = self._field(opcode, f"{element_rule.side}_memory", word)
                legal = element % element_rule.lanes == 0 and element < element_rule.elements
                if memory == element_rule.memory and not legal:
                    broken.add(ErrorCode.ILLEGAL_INSTRUCTION)
        for code in (ErrorCode.ILLEGAL_INSTRUCTION, ErrorCode.NOT_CONFIGURED):
            if code in broken:
                return code
        return ErrorCode.NONE

    @property
    def examined_mask(self) -> int:
        """The bits that `broken` looks at."""
        result = 0
        names = [(rule.opcode, rule.field) for rule in self.field_rules]
        names += [
            (pattern.opcode, name)
            for pattern in self.pattern_rules
            for name, mask, _ in pattern.fields
        ]
        names += [
            (Opcode.VECTOR, f"{rule.side}_{what}")
            for rule in self.element_rules
            for what in ("element", "memory")
        ]
        for opcode, name in names:
            position = 0
            for field in FORMATS[opcode].all_fields:
                if field.name == name:
                    result |= ((1 << field.width) - 1) << position
                position += field.width
        return result

    def broken(
        self, instruction: Value, matches: Mapping[Opcode, Value]
    ) -> dict[ErrorCode, Value]:
        """Hardware: per code, whether ``instruction``, of which only the bits of `examined_mask`
        count and whose opcode is the one that ``matches``, breaks a rule of it. Bits that have to
        be zero (`zero_mask`) are not looked at."""
        result: dict[ErrorCode, list[Value]] = {
            ErrorCode.ILLEGAL_INSTRUCTION: [~reduce(operator.or_, matches.values())],
            ErrorCode.NOT_CONFIGURED: [matches[opcode] for opcode in self.missing_opcodes],
        }
        for rule in self.field_rules:
            view = data.View(FORMATS[rule.opcode].layout, instruction)
            stored = view[rule.field].as_unsigned()
            if rule.first == rule.last:
                hit = stored == rule.first
            else:
                hit = stored >= rule.first
                if rule.last < (1 << len(stored)) - 1:
                    hit &= stored <= rule.last
            result[rule.code].append(matches[rule.opcode] & hit)
        for pattern in self.pattern_rules:
            view = data.View(FORMATS[pattern.opcode].layout, instruction)
            terms = [
                (Value.cast(view[name]) & mask) == value for name, mask, value in pattern.fields
            ]
            result[ErrorCode.ILLEGAL_INSTRUCTION].append(
                matches[pattern.opcode] & reduce(operator.and_, terms)
            )
        vector = data.View(FORMATS[Opcode.VECTOR].layout, instruction)
        for element_rule in self.element_rules:
            legal = is_legal_element(
                vector[f"{element_rule.side}_element"], element_rule.lanes, element_rule.elements
            )
            result[ErrorCode.ILLEGAL_INSTRUCTION].append(
                matches[Opcode.VECTOR]
                & (vector[f"{element_rule.side}_memory"] == element_rule.memory)
                & ~legal
            )
        return {
            code: reduce(operator.or_, terms) if terms else Const(0, 1)
            for code, terms in result.items()
        }

    def units(self) -> tuple[Unit, ...]:
        """The execution units of this configuration, in the order of their numbers."""
        return tuple(unit for unit in Unit if unit is not Unit.VECTOR or self.vector)
