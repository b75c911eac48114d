# SPDX-License-Identifier: Apache-2.0
"""Which chunk of a word an element starts."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Value

from .multiple import constant_multiple

__all__ = ["ELEMENT_WIDTH", "element_slot", "is_legal_element"]

ELEMENT_WIDTH = 8
"""Bits of an element's number in an instruction."""


def _split(lanes: int) -> tuple[int, int, int]:
    """``lanes`` as a power of two and an odd part: exponent, bits above it, inverse of the odd."""
    shift = (lanes & -lanes).bit_length() - 1
    width = max(1, ELEMENT_WIDTH - shift)
    return shift, width, pow(lanes >> shift, -1, 1 << width)


def element_slot(element: Any, lanes: int) -> Value:
    """Hardware: ``element / lanes`` for a multiple of ``lanes``; up to 8 bits.

    Exact division: by the power of two in ``lanes`` as a shift, by the odd rest as a multiplication
    with its inverse modulo a power of two (T. Jebelean, An algorithm for exact division, 1993).
    """
    shift, width, inverse = _split(lanes)
    element = Value.cast(element).as_unsigned()
    if shift >= ELEMENT_WIDTH:
        return Const(0, 1)
    return Value.cast(constant_multiple(element[shift:], inverse))[:width].as_unsigned()


def is_legal_element(element: Any, lanes: int, elements: int) -> Value:
    """Hardware: whether ``element`` is a multiple of ``lanes`` below ``elements``, itself one.

    Every residue times the inverse is a different number, the multiples of the odd part in order
    from zero on, so comparing with the number of chunks decides both.
    """
    shift, _, _ = _split(lanes)
    element = Value.cast(element).as_unsigned()
    aligned = ~element[:shift].any() if shift else Const(1, 1)
    return aligned & (element_slot(element, lanes) < elements // lanes)
