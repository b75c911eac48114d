# SPDX-License-Identifier: Apache-2.0
"""Statements inside ``always`` blocks: read, merge, write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from .expression_text import WIDTH, closed, show
from .expressions import Node, Parser, UnsupportedError

__all__ = [
    "Assign",
    "Case",
    "If",
    "Statement",
    "merge",
    "outline",
    "parse",
    "rewrite",
    "walk",
    "write",
]


@dataclass
class Assign:
    """``target = value;`` or ``target <= value;``."""

    target: Node
    value: Node
    nonblocking: bool


@dataclass
class If:
    """Branches in order of test; the condition of an ``else`` is ``None``."""

    branches: list[tuple[Node | None, list[Statement]]]


@dataclass
class Case:
    """Labels as text (``None`` for ``default``) and what they select."""

    keyword: str
    subject: Node
    items: list[tuple[str | None, list[Statement]]]


Statement = Assign | If | Case


def parse(parser: Parser) -> list[Statement]:
    """Read one statement, which may be a block of many."""
    word = parser.peek()
    if word.startswith(("/*", "(*")):
        if not word.startswith(("/* empty", "(* full_case =")):
            raise UnsupportedError(word)
        parser.take()
        # What Yosys marks as complete has an else or a default, which say the same.
        return parse(parser)
    if parser.accept(";"):
        return []
    if parser.accept("begin"):
        found: list[Statement] = []
        while not parser.accept("end"):
            found += parse(parser)
        return found
    if word == "if":
        return [_parse_if(parser)]
    if word in ("case", "casez"):
        return [_parse_case(parser)]
    target = parser.primary()
    nonblocking = parser.take("=", "<=") == "<="
    value = parser.expression()
    parser.take(";")
    return [Assign(target, value, nonblocking)]


def _parse_if(parser: Parser) -> If:
    branches: list[tuple[Node | None, list[Statement]]] = []
    while True:
        parser.take("if")
        parser.take("(")
        condition = parser.expression()
        parser.take(")")
        branches.append((condition, parse(parser)))
        if not parser.accept("else"):
            return If(branches)
        if parser.peek() != "if":
            branches.append((None, parse(parser)))
            return If(branches)


def _parse_case(parser: Parser) -> Case:
    parser.take()
    parser.take("(")
    subject = parser.expression()
    parser.take(")")
    items: list[tuple[str | None, list[Statement]]] = []
    wild = False
    while not parser.accept("endcase"):
        if parser.accept("default"):
            parser.accept(":")
            items.append((None, parse(parser)))
            continue
        labels = [parser.take()]
        while parser.accept(","):
            labels.append(parser.take())
        parser.take(":")
        wild = wild or any(set(label.partition("'")[2]) & set("?zZxX") for label in labels)
        items.append((", ".join(labels), parse(parser)))
    return Case("casez" if wild else "case", subject, items)


def walk(body: list[Statement]) -> Iterator[Statement]:
    """Yield all statements, outer ones before those inside."""
    for statement in body:
        yield statement
        if isinstance(statement, If):
            for _, inner in statement.branches:
                yield from walk(inner)
        elif isinstance(statement, Case):
            for _, inner in statement.items:
                yield from walk(inner)


def rewrite(
    body: list[Statement],
    assignment: Callable[[Assign], Assign | None],
    condition: Callable[[Node], Node],
) -> list[Statement]:
    """Return a copy with every assignment and every condition replaced."""
    result: list[Statement] = []
    for statement in body:
        if isinstance(statement, Assign):
            changed = assignment(statement)
            result += [changed] if changed else []
        elif isinstance(statement, If):
            result.append(
                If(
                    [
                        (test and condition(test), rewrite(inner, assignment, condition))
                        for test, inner in statement.branches
                    ]
                )
            )
        else:
            changed_items = [
                (label, rewrite(inner, assignment, condition)) for label, inner in statement.items
            ]
            result.append(
                replace(statement, subject=condition(statement.subject), items=changed_items)
            )
    return result


def outline(body: list[Statement]) -> tuple[str, ...]:
    """Return a key that is equal for blocks which :func:`merge` may be able to join."""
    key = []
    for statement in body:
        if isinstance(statement, If):
            key.append(show(statement.branches[0][0] or statement_error()))
        elif isinstance(statement, Case):
            key.append("case " + show(statement.subject))
    return tuple(key)


def statement_error() -> Node:
    """Refuse an ``else`` without an ``if``."""
    raise UnsupportedError("else without if")


def merge(one: list[Statement], two: list[Statement]) -> list[Statement] | None:
    """Join two blocks of non-blocking assignments to different registers.

    Returns
    -------
    list or None
        A block that does what both do, or ``None`` if their conditions differ.
    """
    if outline(one) != outline(two):
        return None
    result: list[Statement] = []
    rest = list(two)
    for statement in one:
        while rest and isinstance(rest[0], Assign):
            if not isinstance(statement, Assign):
                result.append(rest.pop(0))
            else:
                break
        if isinstance(statement, Assign):
            result.append(statement)
            continue
        other = rest.pop(0)
        joined: Statement | None = None
        if isinstance(statement, If) and isinstance(other, If):
            joined = _merge_if(statement, other)
        elif isinstance(statement, Case) and isinstance(other, Case):
            joined = _merge_case(statement, other)
        if joined is None:
            return None
        result.append(joined)
    return result + rest


def _merge_if(one: If, two: If) -> If | None:
    branches: list[tuple[Node | None, list[Statement]]] = []
    for number in range(max(len(one.branches), len(two.branches))):
        if number >= min(len(one.branches), len(two.branches)):
            branches.append((one if number < len(one.branches) else two).branches[number])
            continue
        condition, body = one.branches[number]
        other, more = two.branches[number]
        if (condition is None) != (other is None):
            return None
        if condition is not None and other is not None and show(condition) != show(other):
            return None
        joined = merge(body, more) if body and more else body + more
        if joined is None:
            return None
        branches.append((condition, joined))
    return If(branches)


def _merge_case(one: Case, two: Case) -> Case | None:
    if [label for label, _ in one.items] != [label for label, _ in two.items]:
        return None
    items: list[tuple[str | None, list[Statement]]] = []
    for (label, body), (_, more) in zip(one.items, two.items, strict=True):
        joined = merge(body, more) if body and more else body + more
        if joined is None:
            return None
        items.append((label, joined))
    return Case(one.keyword, one.subject, items)


def write(body: list[Statement], indent: str) -> list[str]:
    """Return the lines of a block."""
    lines: list[str] = []
    for statement in body:
        if isinstance(statement, Assign):
            wrapped = statement.nonblocking and statement.value.kind == "compare"
            head = f"{indent}{show(statement.target)} {'<=' if statement.nonblocking else '='} "
            left, right = ("(", ")") if wrapped else ("", "")
            lines += closed(head + left, statement.value, right + ";")
        elif isinstance(statement, If):
            lines += _write_if(statement, indent)
        else:
            items = statement.items
            if statement.keyword == "case" and all(label for label, _ in items):
                items = [item for item in items if item[1]]
            if not items:
                continue
            lines.append(f"{indent}{statement.keyword} ({show(statement.subject)})")
            for label, inner in items:
                lines += _attach(f"{indent}  {label or 'default'}:", inner, indent + "  ")
            lines.append(f"{indent}endcase")
    return lines


def _write_if(statement: If, indent: str) -> list[str]:
    lines: list[str] = []
    head = indent
    for condition, body in statement.branches:
        head += "if (" + show(condition) + ")" if condition else ""
        lines += _attach(head.rstrip() or indent, body, indent, empty=" begin end")
        head = indent + "else "
    # "end" and "else" share a line.
    joined: list[str] = []
    for line in lines:
        if joined and joined[-1] == f"{indent}end" and line.startswith(f"{indent}else"):
            joined[-1] += " " + line[len(indent) :]
        else:
            joined.append(line)
    return joined


def _attach(head: str, body: list[Statement], indent: str, empty: str = " ;") -> list[str]:
    """Return ``head`` and what it governs, on one line if that is short."""
    if not body:
        return [head + empty]
    inner = write(body, indent + "  ")
    if len(inner) == 1 and isinstance(body[0], Assign):
        line = f"{head} {inner[0].lstrip()}"
        return [line] if len(line) <= WIDTH else [head, inner[0]]
    return [f"{head} begin", *inner, f"{indent}end"]
