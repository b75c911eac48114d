# SPDX-License-Identifier: Apache-2.0
"""Verilog expressions as trees that know their width and sign."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["COMPARISONS", "LEAVES", "Node", "Parser", "UnsupportedError", "tokens"]

_TOKEN = re.compile(
    r"\(\*(?!\)).*?\*\)|/\*.*?\*/|\d*'s?[bdho][0-9a-fA-FxzXZ?_]+|\d+|[A-Za-z_$][\w$]*|\"[^\"\n]*\""
    r"|<<<|>>>|===|!==|\+:|<<|>>|<=|>=|==|!=|&&|\|\||~&|~\||~\^|\S",
    re.S,
)
_CONSTANT = re.compile(r"(\d+)'(s?)([bdho])([0-9a-fxz?_]+)")
_NAME = re.compile(r"[A-Za-z_][\w$]*")

_PRECEDENCE = {
    **dict.fromkeys(["*", "/", "%"], 10),
    **dict.fromkeys(["+", "-"], 9),
    **dict.fromkeys(["<<", ">>", "<<<", ">>>"], 8),
    **dict.fromkeys(["<", "<=", ">", ">="], 7),
    **dict.fromkeys(["==", "!=", "===", "!=="], 6),
    "&": 5,
    **dict.fromkeys(["^", "~^"], 4),
    "|": 3,
    "&&": 2,
    "||": 1,
}
_SHIFTS = frozenset(["<<", ">>", "<<<", ">>>"])
COMPARISONS = frozenset(["<", "<=", ">", ">=", "==", "!=", "===", "!=="])
"""Operators whose operands lend each other their width."""
_ONE_BIT = COMPARISONS | {"&&", "||"}
_UNARY = frozenset(["~", "-", "+", "!", "&", "|", "^", "~&", "~|", "~^"])
_REDUCTIONS = _UNARY - {"~", "-", "+"}

LEAVES = frozenset(["name", "constant", "select"])
"""Kinds of nodes that stand for themselves: no operator inside."""


class UnsupportedError(Exception):
    """The text holds a construct that the pass does not know."""


def tokens(text: str) -> list[str]:
    """Split Verilog into words; white space is dropped, comments are words of their own."""
    return _TOKEN.findall(text)


class Node:
    """One operator, operand or constant.

    Attributes
    ----------
    kind : str
        ``name``, ``constant``, ``select`` (constant bounds), ``index`` (computed), ``part``
        (computed start, fixed width), ``bits`` (slice of a memory word), ``concat``,
        ``repeat``, ``unary``, ``binary``, ``compare`` (and logical ``&&``, ``||``), ``shift``,
        ``reduce``, ``ternary`` or ``cast``.
    text : str
        The name, the constant or the operator.
    args : tuple of Node
        Operands.
    high, low : int
        Bounds of a ``select``; ``high`` is the count of a ``repeat``.
    width, signed : int, bool
        As the language gives them to the expression where nothing around it has a say.
    """

    __slots__ = ("args", "high", "kind", "low", "signed", "text", "width")

    def __init__(
        self,
        kind: str,
        text: str,
        width: int,
        args: tuple[Node, ...] = (),
        *,
        signed: bool = False,
        high: int = 0,
        low: int = 0,
    ) -> None:
        self.kind = kind
        self.text = text
        self.width = width
        self.args = args
        self.signed = signed
        self.high = high
        self.low = low

    def replace(self, args: tuple[Node, ...]) -> Node:
        """Return the same operator with other operands."""
        kind, text = self.kind, self.text
        if kind in ("index", "part", "bits"):
            return Node(kind, text, self.width, args, high=self.high, low=self.low)
        if kind == "concat":
            nested = [arg.args if arg.kind == "concat" else (arg,) for arg in args]
            args = tuple(item for items in nested for item in items)
            return Node(kind, text, sum(arg.width for arg in args), args)
        if kind == "repeat":
            return Node(kind, text, self.high * args[0].width, args, high=self.high)
        if kind == "cast":
            return Node(kind, text, args[0].width, args, signed=text == "$signed")
        if kind == "ternary":
            return ternary(*args)
        return unary(text, args[0]) if len(args) == 1 else binary(text, *args)

    def names(self) -> Iterator[str]:
        """Yield every name inside, as often as it occurs."""
        if self.kind in ("name", "select", "index", "part", "bits"):
            yield self.text
        for arg in self.args:
            yield from arg.names()


def unary(text: str, arg: Node) -> Node:
    """Return a unary operator; reductions of one bit are the bit, or its inverse."""
    if text not in _REDUCTIONS:
        return Node("unary", text, arg.width, (arg,), signed=arg.signed)
    if arg.width == 1 and not arg.signed:
        return unary("~", arg) if text[0] in "~!" else arg
    return Node("reduce", text, 1, (arg,))


def binary(text: str, left: Node, right: Node) -> Node:
    """Return a binary operator."""
    if text in _ONE_BIT:
        return Node("compare", text, 1, (left, right))
    if text in _SHIFTS:
        return Node("shift", text, left.width, (left, right), signed=left.signed)
    signed = left.signed and right.signed
    return Node("binary", text, max(left.width, right.width), (left, right), signed=signed)


def ternary(condition: Node, yes: Node, no: Node) -> Node:
    """Return the conditional operator."""
    signed = yes.signed and no.signed
    return Node("ternary", "?", max(yes.width, no.width), (condition, yes, no), signed=signed)


class Parser:
    """Reads expressions from words.

    Parameters
    ----------
    words : list of str
        From :func:`tokens`.
    """

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.at = 0
        self.widths: dict[str, int] = {}
        self.signs: set[str] = set()
        self.memories: dict[str, int] = {}

    def take(self, *wanted: str) -> str:
        """Return the next word, which must be one of ``wanted`` if any are given."""
        word = self.words[self.at]
        if wanted and word not in wanted:
            raise UnsupportedError(f"{word!r} where {' or '.join(wanted)} is expected")
        self.at += 1
        return word

    def peek(self) -> str:
        """Return the next word without taking it."""
        return self.words[self.at]

    def accept(self, word: str) -> bool:
        """Take the next word if it is ``word``; tell whether it was."""
        found = self.words[self.at] == word
        self.at += found
        return found

    def expression(self, level: int = 0) -> Node:
        """Parse an expression whose operators bind at least as tightly as ``level``."""
        left = self._unary()
        while True:
            word = self.words[self.at]
            rank = _PRECEDENCE.get(word)
            if rank is not None and rank >= level:
                self.at += 1
                left = binary(word, left, self.expression(rank + 1))
            elif word == "?" and level == 0:
                self.at += 1
                yes = self.expression()
                self.take(":")
                left = ternary(left, yes, self.expression())
            else:
                return left

    def _unary(self) -> Node:
        if self.words[self.at] in _UNARY:
            return unary(self.take(), self._unary())
        return self.primary()

    def primary(self) -> Node:
        """Parse an operand: anything that may stand on the left of an assignment, too."""
        word = self.take()
        if match := _CONSTANT.fullmatch(word):
            return _constant(match)
        if word == "(":
            inner = self.expression()
            self.take(")")
            return inner
        if word == "{":
            return self._braces()
        if word in ("$signed", "$unsigned"):
            self.take("(")
            arg = self.expression()
            self.take(")")
            return Node("cast", word, arg.width, (arg,), signed=word == "$signed")
        if not _NAME.fullmatch(word):
            raise UnsupportedError(f"{word!r} in an expression")
        return self._named(word)

    def _named(self, word: str) -> Node:
        if not self.accept("["):
            if word not in self.widths:
                raise UnsupportedError(f"{word!r} is not declared")
            return Node("name", word, self.widths[word], signed=word in self.signs)
        if self.words[self.at].isdigit() and self.words[self.at + 1] in ("]", ":"):
            high = low = int(self.take())
            if word in self.memories:
                self.take("]")
                return Node("index", word, self.memories[word], (_plain(high),))
            if self.accept(":"):
                low = int(self.take())
            self.take("]")
            return Node("select", word, high - low + 1, high=high, low=low)
        where = self.expression()
        if self.accept("+:"):
            width = int(self.take())
            self.take("]")
            return Node("part", word, width, (where,), high=width)
        self.take("]")
        node = Node("index", word, self.memories.get(word, 1), (where,))
        if self.accept("["):
            high = low = int(self.take())
            if self.accept(":"):
                low = int(self.take())
            self.take("]")
            return Node("bits", word, high - low + 1, node.args, high=high, low=low)
        return node

    def _braces(self) -> Node:
        if self.words[self.at].isdigit():
            count = int(self.take())
            inner = self.primary()
            self.take("}")
            return Node("repeat", "{", count * inner.width, (inner,), high=count)
        items = [self.expression()]
        while self.accept(","):
            items.append(self.expression())
        self.take("}")
        return Node("concat", "{", sum(item.width for item in items), tuple(items))


def _plain(value: int) -> Node:
    return Node("constant", str(value), 32)


def _constant(match: re.Match[str]) -> Node:
    size, sign, base, digits = match.groups()
    if base == "h" and not re.search(r"[xz?]", digits):
        digits = digits.lstrip("0") or "0"
        base = "b" if size == "1" else base
    return Node("constant", f"{size}'{sign}{base}{digits}", int(size), signed=bool(sign))
