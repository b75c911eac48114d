# SPDX-License-Identifier: Apache-2.0
"""Put the expressions of helper wires where the wires are used.

In Verilog the place of an expression decides the width and the sign with which it is computed:
``a + b`` has a carry where nine bits are wanted and none where eight are. A wire may only make
room for its expression where both give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from .expression_text import show
from .expressions import LEAVES, Node

__all__ = ["Inliner", "slice_of"]

_SELF_CONTAINED = LEAVES | {"index", "part", "bits", "concat", "repeat", "compare", "reduce"}
_ITEM = 90
"""Longest item of a concatenation that may have a line for each item."""

_SHORT = 30
"""Longest expression that may be repeated instead of having a wire."""


def _extends(node: Node) -> bool:
    """Tell whether computing with more bits only adds zeros above."""
    if node.signed:
        return False
    if node.kind in _SELF_CONTAINED:
        return True
    if node.kind == "ternary":
        return _extends(node.args[1]) and _extends(node.args[2])
    if node.kind == "shift":
        return node.text == ">>" and _extends(node.args[0])
    return node.kind == "binary" and node.text in "&|^" and all(map(_extends, node.args))


def _truncates(node: Node) -> bool:
    """Tell whether the low bits depend on the low bits of the operands only."""
    if node.kind in _SELF_CONTAINED or node.kind == "cast":
        return True
    if node.kind == "ternary":
        return _truncates(node.args[1]) and _truncates(node.args[2])
    if node.kind == "shift":
        return node.text in ("<<", "<<<") and _truncates(node.args[0])
    return (node.kind == "unary" or (node.kind == "binary" and node.text not in "/%")) and all(
        map(_truncates, node.args)
    )


def _bound(node: Node) -> int | None:
    """Return a value that an unsigned expression does not exceed if no carry is lost."""
    if node.signed or (node.kind == "binary" and node.text in "-/%~^"):
        return None
    if node.kind in _SELF_CONTAINED:
        return (1 << node.width) - 1
    parts = node.args[1:] if node.kind == "ternary" else node.args
    if node.kind not in ("binary", "ternary"):
        return None
    bounds = [_bound(part) for part in parts]
    left, right = bounds
    if left is None or right is None:
        return None
    if node.kind == "ternary":
        return max(left, right)
    if node.text == "+":
        return left + right
    return left * right if node.text == "*" else (1 << node.width) - 1


def slice_of(node: Node, high: int, low: int) -> Node | None:
    """Return bits of an operand or concatenation, or ``None`` if they have no simple text."""
    if (low, high) == (0, node.width - 1):
        return node
    if node.kind in ("name", "select") and not node.signed:
        base = node.low if node.kind == "select" else 0
        return Node("select", node.text, high - low + 1, high=base + high, low=base + low)
    if node.kind == "constant" and not node.signed:
        digits = node.text.partition("'")[2]
        if digits[0] not in "bh" or not set(digits[1:]) <= set("0123456789abcdef"):
            return None
        width = high - low + 1
        value = int(digits[1:], 2 if digits[0] == "b" else 16) >> low & (1 << width) - 1
        return Node("constant", f"{width}'{'b' if width == 1 else 'h'}{value:x}", width)
    if node.kind == "concat":
        return _slice_of_concat(node, high, low)
    return None


def _slice_of_concat(node: Node, high: int, low: int) -> Node | None:
    found: list[Node] = []
    end = node.width
    for item in node.args:
        start = end - item.width
        if start <= high and low < end:
            part = slice_of(item, min(high, end - 1) - start, max(low, start) - start)
            if part is None:
                return None
            found.append(part)
        end = start
    return found[0] if len(found) == 1 else Node("concat", "{", high - low + 1, tuple(found))


class Inliner:
    """Expands expressions.

    Parameters
    ----------
    definitions : dict of str to Node
        Helper wires and what they are assigned.
    widths : dict of str to int
        Width of each helper wire.
    uses : callable
        Returns how often a helper wire is read.
    """

    def __init__(
        self, definitions: dict[str, Node], widths: dict[str, int], uses: Callable[[str], int]
    ) -> None:
        self._definitions = definitions
        self._widths = widths
        self._uses = uses
        self._lengths: dict[str, int] = {}
        self._room = 0
        self._forbidden: Collection[str] = ()
        self._open: list[str] = []

    def assigned(self, node: Node, width: int, room: int, forbidden: Collection[str] = ()) -> Node:
        """Expand the right side of an assignment to ``width`` bits.

        Parameters
        ----------
        node : Node
            The right side.
        width : int
            Bits of the left side.
        room : int
            Characters that the text may have.
        forbidden : collection of str
            Names that must not be read where they are not read now: the targets of the block of
            blocking assignments in which the expression stands.
        """
        self._forbidden = forbidden
        if node.kind == "concat" and width == node.width:
            return self._items(node)
        self._room = room - len(show(node))
        return self._expand(node, max(width, node.width), firm=width >= node.width, whole=True)

    def alone(self, node: Node, room: int, forbidden: Collection[str] = ()) -> Node:
        """Expand an expression whose width nothing around it changes: a condition, a port."""
        self._room = room - len(show(node))
        self._forbidden = forbidden
        return self._alone(node)

    def _items(self, node: Node) -> Node:
        """Expand a concatenation that may have a line for each item."""
        items = []
        for arg in node.args:
            self._room = _ITEM - len(show(arg))
            items.append(self._alone(arg))
        return node.replace(tuple(items))

    def _alone(self, node: Node) -> Node:
        return self._expand(node, node.width, firm=False, whole=True)

    def _expand(self, node: Node, width: int, *, firm: bool, whole: bool) -> Node:
        """Expand ``node`` where it is computed with ``width`` bits.

        ``firm`` says that ``width`` stays if the node gets narrower, ``whole`` that its sign is
        nobody else's concern.
        """
        if node.kind == "name":
            return self._name(node, width, firm=firm, whole=whole)
        if node.kind == "select":
            return self._select(node, width, firm=firm, whole=whole)
        if not node.args:
            return node
        if node.kind == "compare":
            common = max(arg.width for arg in node.args)
            if node.text in ("&&", "||"):
                return node.replace(tuple(map(self._alone, node.args)))
            return node.replace(
                tuple(self._expand(arg, common, firm=False, whole=False) for arg in node.args)
            )
        if node.kind in ("binary", "unary"):
            return node.replace(
                tuple(self._expand(arg, width, firm=firm, whole=False) for arg in node.args)
            )
        if node.kind == "ternary":
            condition, *branches = node.args
            inner = [self._alone(condition)]
            inner += [self._expand(arg, width, firm=firm, whole=False) for arg in branches]
            return node.replace(tuple(inner))
        if node.kind == "shift":
            left = self._expand(node.args[0], width, firm=firm, whole=False)
            return node.replace((left, self._alone(node.args[1])))
        return node.replace(tuple(map(self._alone, node.args)))

    def _wanted(self, name: str, value: Node) -> bool:
        if name in self._open or any(word in self._forbidden for word in value.names()):
            return False
        if self._uses(name) == 1 or value.kind in LEAVES:
            return True
        simple = all(arg.kind in LEAVES and arg.text not in self._definitions for arg in value.args)
        if not simple or self._length(name) > _SHORT:
            return False
        return value.kind == "unary" or (
            value.kind in ("binary", "compare", "reduce")
            and value.width == 1
            and self._uses(name) <= 3
        )

    def _length(self, name: str) -> int:
        length = self._lengths.get(name)
        if length is None:
            length = self._lengths[name] = len(show(self._definitions[name]))
        return length

    def _enter(self, node: Node, value: Node, width: int, *, firm: bool, whole: bool) -> Node:
        cost = self._length(node.text) + 2 - len(show(node))
        if cost > self._room:
            return node
        self._room -= cost
        self._open.append(node.text)
        result = self._expand(value, width, firm=firm, whole=whole)
        self._open.pop()
        return result

    def _name(self, node: Node, width: int, *, firm: bool, whole: bool) -> Node:
        value = self._definitions.get(node.text)
        if value is None or not self._wanted(node.text, value):
            return node
        if value.signed:
            same = whole and width == node.width
        else:
            same = width == node.width or _extends(value)
            if not same and firm:
                bound = _bound(value)
                same = bound is not None and bound < 1 << node.width
        if value.width != node.width:
            same = same and firm and value.width < node.width
        if not same:
            return node
        return self._enter(node, value, width, firm=firm, whole=whole)

    def _select(self, node: Node, width: int, *, firm: bool, whole: bool) -> Node:
        value = self._definitions.get(node.text)
        if value is None:
            return node
        if value.width == self._widths[node.text] and node.text not in self._open:
            part = slice_of(value, node.high, node.low)
            if (
                part is not None
                and not part.signed
                and (part.kind in LEAVES or self._uses(node.text) == 1)
                and (width == node.width or _extends(part))
                and not any(word in self._forbidden for word in part.names())
            ):
                self._open.append(node.text)
                result = self._expand(part, width, firm=firm, whole=whole)
                self._open.pop()
                return result
        low_bits = node.low == 0 and width == node.width and firm
        if (
            low_bits
            and value.width <= width
            and (whole or not value.signed)
            and _truncates(value)
            and self._wanted(node.text, value)
        ):
            return self._enter(node, value, width, firm=firm, whole=whole)
        return node
