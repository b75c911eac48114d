# SPDX-License-Identifier: Apache-2.0
"""Between a payload's bits and Python values, as its Amaranth layout says."""

from __future__ import annotations

import enum
from typing import Any

from amaranth import Shape
from amaranth.lib import data

__all__ = ["Codec"]


class Codec:
    """Packs and unpacks values of a shape.

    Structures are dicts, arrays are lists, enumerations are their members (or an int where no
    member has the value), everything else is an int with the sign that the shape has.

    Parameters
    ----------
    shape : ShapeLike
        ``signed(8)``, a layout, an enumeration, ...
    """

    def __init__(self, shape: Any) -> None:
        cast = Shape.cast(shape)
        self.width = cast.width
        self._signed = cast.signed
        self._enum = shape if isinstance(shape, enum.EnumMeta) else None
        self._fields: dict[Any, tuple[int, Codec]] | None = None
        self._array = False
        self._union = False
        if self._enum is None:
            try:
                layout = data.Layout.cast(shape)
            except TypeError:
                return
            self._array = isinstance(layout, data.ArrayLayout)
            self._union = isinstance(layout, data.UnionLayout)
            element = Codec(layout.elem_shape) if self._array else None
            self._fields = {
                key: (field.offset, element or Codec(field.shape)) for key, field in layout
            }

    def pack(self, value: Any) -> int:
        """Return the bits of a value as an unsigned integer.

        Raises
        ------
        ValueError
            If a number does not fit, an array has another length, or a field is missing.
        """
        if self._fields is None:
            number = int(value.value if isinstance(value, enum.Enum) else value)
            low, high = -(1 << (self.width - 1)) if self._signed else 0, 1 << self.width
            if not low <= number < (high >> self._signed):
                raise ValueError(
                    f"value {number} does not fit {'signed' if self._signed else 'unsigned'} "
                    f"{self.width} bits"
                )
            return number & (high - 1)
        if self._array:
            if len(value) != len(self._fields):
                raise ValueError(f"array takes {len(self._fields)} elements, not {len(value)}")
            value = dict(enumerate(value))
        elif set(value) - set(self._fields) or (
            not self._union and len(value) != len(self._fields)
        ):
            raise ValueError(f"fields must be {list(self._fields)}, not {list(value)}")
        bits = 0
        for key, item in value.items():
            offset, codec = self._fields[key]
            bits |= codec.pack(item) << offset
        return bits

    def unpack(self, bits: int) -> Any:
        """Return the value that an unsigned integer's bits hold."""
        bits &= (1 << self.width) - 1
        if self._fields is not None:
            values = {key: codec.unpack(bits >> at) for key, (at, codec) in self._fields.items()}
            return list(values.values()) if self._array else values
        if self._signed and bits >> (self.width - 1):
            bits -= 1 << self.width
        if self._enum is not None:
            try:
                return self._enum(bits)
            except ValueError:
                return bits
        return bits
