# SPDX-License-Identifier: Apache-2.0
"""Integer processing element of a weight-stationary array."""

from __future__ import annotations

from typing import Any, ClassVar

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["PE"]


class PE(wiring.Component):
    """One multiply-accumulate of a weight-stationary array.

    ::

        weight_i --> [shadow] --------------------------------------> weight_o
                        | swap_i
                        v
                     [weight] --.
                                 x --> [product] --> + --> [partial_sum] --> partial_sum_o
        activation_i --> [activation] --.            |
                                '-------+----------- | -------------> activation_o
                              partial_sum_i ---------'

    The activation and the weight enter their registers together, so the two, the product register
    and the multiplier map to one DSP block with input and output registers. An activation that
    comes with ``swap_i`` is the first to be multiplied by the weight in the shadow register. The
    shadow register takes ``weight_i`` in every cycle with ``shift_i``; when both come in one cycle,
    the weight register gets the old shadow.

    No register has a reset: whatever is in flight at a reset moves on to the east and is gone when
    the first tile and pass after it arrive, as these travel the same way.

    Parameters
    ----------
    activation_width : int
        Bits of a two's complement activation.
    weight_width : int
        Bits of a two's complement weight.
    partial_sum_width : int
        Bits of a partial sum; at least one product wide.

    Members
    -------
    activation_i : In(signed(activation_width))
    swap_i : In(1)
        The shadow weight becomes the weight, from the activation of this cycle on.
    shift_i : In(1)
        The shadow register takes ``weight_i``.
    weight_i : In(signed(weight_width))
        From the PE to the north.
    partial_sum_i : In(signed(partial_sum_width))
        From the PE to the north, ``product_latency`` cycles after its activation.
    activation_o, swap_o, shift_o : Out
        ``activation_i``, ``swap_i`` and ``shift_i`` one cycle later, for the PE to the east.
    weight_o : Out(signed(weight_width))
        The shadow register, for the PE to the south.
    partial_sum_o : Out(signed(partial_sum_width))
        ``partial_sum_i`` plus the product, one cycle after ``partial_sum_i``.

    Raises
    ------
    ValueError
        If a width is below 2, or a partial sum does not hold a product.
    """

    product_latency: ClassVar[int] = 2
    """Cycles from an activation to the cycle in which its product meets ``partial_sum_i``."""

    def __init__(
        self, *, activation_width: int = 8, weight_width: int = 8, partial_sum_width: int
    ) -> None:
        for name, width in (("activation_width", activation_width), ("weight_width", weight_width)):
            if width < 2:
                raise ValueError(f"{name} must be at least 2, not {width!r}")
        if partial_sum_width < activation_width + weight_width:
            raise ValueError(
                f"partial_sum_width must be at least {activation_width + weight_width} to hold "
                f"a product, not {partial_sum_width!r}"
            )
        self.activation_width = activation_width
        self.weight_width = weight_width
        self.partial_sum_width = partial_sum_width
        super().__init__(
            {
                "activation_i": In(signed(activation_width)),
                "swap_i": In(1),
                "shift_i": In(1),
                "weight_i": In(signed(weight_width)),
                "partial_sum_i": In(signed(partial_sum_width)),
                "activation_o": Out(signed(activation_width)),
                "swap_o": Out(1),
                "shift_o": Out(1),
                "weight_o": Out(signed(weight_width)),
                "partial_sum_o": Out(signed(partial_sum_width)),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return "weft_pe"

    def elaborate(self, platform: Any) -> Module:
        """Build the registers, the multiplier and the adder."""
        m = Module()

        swap = Signal(reset_less=True)
        shift = Signal(reset_less=True)
        activation = Signal(signed(self.activation_width), reset_less=True)
        shadow = Signal(signed(self.weight_width), reset_less=True)
        weight = Signal(signed(self.weight_width), reset_less=True)
        product = Signal(signed(self.activation_width + self.weight_width), reset_less=True)
        partial_sum = Signal(signed(self.partial_sum_width), reset_less=True)

        m.d.sync += [
            swap.eq(self.swap_i),
            shift.eq(self.shift_i),
            activation.eq(self.activation_i),
            product.eq(activation * weight),
            partial_sum.eq(self.partial_sum_i + product),
        ]
        with m.If(self.swap_i):
            m.d.sync += weight.eq(shadow)
        with m.If(self.shift_i):
            m.d.sync += shadow.eq(self.weight_i)

        m.d.comb += [
            self.swap_o.eq(swap),
            self.shift_o.eq(shift),
            self.activation_o.eq(activation),
            self.weight_o.eq(shadow),
            self.partial_sum_o.eq(partial_sum),
        ]
        return m
