# SPDX-License-Identifier: Apache-2.0
"""What every multiplier of a processing element does, whatever it is made of."""

from __future__ import annotations

from typing import ClassVar

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Multiplier"]


class Multiplier(wiring.Component):
    """A multiplier with its operand registers: the base class of those of each family.

    ::

        activation_i --> [activation] --+--------------> activation_o
                                        |
                                        x --> [ ... ] --> product_o
                                        |
        weight_i ------> [weight] ------'
                            | load_i

    The activation and the weight enter their registers together. An activation that comes with
    ``load_i`` is the first to be multiplied by the ``weight_i`` of its cycle. There is one product
    a cycle, and no register has a reset.

    A block of several multipliers has several *lanes*: as many products of one activation in the
    same cycle. ``weight_i`` and ``product_o`` are then ``data.ArrayLayout`` of what is said below.

    Parameters
    ----------
    activation_width : int
        Bits of a two's complement activation.
    weight_width : int
        Bits of a two's complement weight.

    Members
    -------
    activation_i : In(signed(activation_width))
    load_i : In(1)
        The weight register takes ``weight_i``.
    weight_i : In(signed(weight_width))
    activation_o : Out(signed(activation_width))
        ``activation_i`` one cycle later.
    product_o : Out(signed(activation_width + weight_width))
        ``latency`` cycles after its activation.

    Raises
    ------
    ValueError
        If a width is below 2 or more than the block takes.
    """

    latency: ClassVar[int]
    """Cycles from ``activation_i`` to ``product_o`` of the same lane."""

    lanes: ClassVar[int] = 1
    """Products a cycle."""

    kind: ClassVar[str] = ""
    """End of the module's name, for other than a family's usual multiplier."""

    widest: ClassVar[int | None] = None
    """Bits of the widest operand, if there is a limit."""

    def __init__(self, *, activation_width: int = 8, weight_width: int = 8) -> None:
        self.check_widths(activation_width, weight_width)
        self.activation_width = activation_width
        self.weight_width = weight_width
        activation, weight = signed(activation_width), signed(weight_width)
        product = signed(activation_width + weight_width)
        several = self.lanes > 1
        super().__init__(
            {
                "activation_i": In(activation),
                "load_i": In(1),
                "weight_i": In(data.ArrayLayout(weight, self.lanes) if several else weight),
                "activation_o": Out(activation),
                "product_o": Out(data.ArrayLayout(product, self.lanes) if several else product),
            }
        )

    @classmethod
    def check_widths(cls, activation_width: int, weight_width: int) -> None:
        """Raise ``ValueError`` if the multiplier does not take operands of these widths."""
        for name, width in (("activation_width", activation_width), ("weight_width", weight_width)):
            if width < 2:
                raise ValueError(f"{name} must be at least 2, not {width!r}")
            if cls.widest is not None and width > cls.widest:
                raise ValueError(
                    f"{name} must be at most {cls.widest} for {cls.__name__}, not {width!r}"
                )

    def _operands(self, m: Module) -> tuple[Signal, Signal]:
        """The registers of the activation, for ``activation_o`` too, and of the weight, outside of
        any block."""
        activation = Signal(signed(self.activation_width), reset_less=True)
        weight = Signal(signed(self.weight_width), reset_less=True)
        m.d.sync += activation.eq(self.activation_i)
        with m.If(self.load_i):
            m.d.sync += weight.eq(self.weight_i)
        m.d.comb += self.activation_o.eq(activation)
        return activation, weight

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return f"weft_multiplier{self.kind}"
