# SPDX-License-Identifier: Apache-2.0
"""Text of expressions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from .expressions import COMPARISONS, Node

__all__ = ["WIDTH", "closed", "items", "packed", "show"]

WIDTH = 110
"""Characters that a line may have."""

_ASSOCIATIVE = frozenset(["&", "|", "^", "+", "&&", "||"])


def show(node: Node) -> str:
    """Return the text of an expression, with no more parentheses than a reader wants."""
    kind, text, args = node.kind, node.text, node.args
    if kind in ("name", "constant"):
        return text
    if kind == "select":
        return f"{text}[{node.high}]" if node.width == 1 else f"{text}[{node.high}:{node.low}]"
    if kind == "index":
        return f"{text}[{show(args[0])}]"
    if kind == "bits":
        return f"{text}[{show(args[0])}][{node.high}:{node.low}]"
    if kind == "part":
        return f"{text}[{show(args[0])} +: {node.high}]"
    if kind == "concat":
        words = list(items(node))
        return words[0] if len(words) == 1 < len(args) else "{" + ", ".join(words) + "}"
    if kind == "repeat":
        inner = show(args[0])
        return f"{{{node.high}{inner if args[0].kind == 'concat' else '{' + inner + '}'}}}"
    if kind == "cast":
        return f"{text}({show(args[0])})"
    if kind == "ternary":
        condition, yes, no = args
        head = _inside(condition, condition.kind == "ternary")
        return f"{head} ? {_inside(yes, yes.kind == 'ternary')} : {show(no)}"
    if len(args) == 1:
        bare = ("name", "constant", "select", "index", "part", "concat", "repeat", "cast")
        return text + _inside(args[0], args[0].kind not in bare)
    left, right = args
    return f"{_operand(left, node)} {text} {_operand(right, node)}"


def items(node: Node) -> Iterator[str]:
    """Yield the texts of the items of a concatenation; what is repeated is counted."""
    for text, group in groupby(map(show, node.args)):
        same = list(group)
        if len(same) > 2:
            yield f"{{{len(same)}{{{text}}}}}"
        else:
            yield from same


def _inside(node: Node, parenthesized: bool) -> str:
    return f"({show(node)})" if parenthesized else show(node)


def _operand(node: Node, parent: Node) -> str:
    bound = ("ternary", "binary", "compare", "shift", "reduce")
    if node.kind not in bound:
        return show(node)
    same = node.kind == parent.kind and node.text == parent.text and node.text in _ASSOCIATIVE
    sum_compared = parent.text in COMPARISONS and node.text in ("+", "-") and node.kind == "binary"
    return _inside(node, not (same or sum_compared))


def packed(words: list[str], indent: str) -> list[str]:
    """Return lines of words with commas between them."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(word) + 3 <= WIDTH:
            lines[-1] += f", {word}"
        else:
            if lines:
                lines[-1] += ","
            lines.append(indent + word)
    return lines


def closed(head: str, value: Node, tail: str) -> list[str]:
    """Return a line, or several if ``value`` is a concatenation that is too long for one."""
    line = f"{head}{show(value)}{tail}"
    if len(line) <= WIDTH or value.kind != "concat":
        return [line]
    indent = " " * (len(head) - len(head.lstrip()))
    lines = packed(list(items(value)), indent + "  ")
    return [f"{head}{{", *lines, f"{indent}}}{tail}"]
