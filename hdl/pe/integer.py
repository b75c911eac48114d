# SPDX-License-Identifier: Apache-2.0
"""Integer processing element of a weight-stationary array."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Shape, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..once import Once
from ..tech.technology import TECHNOLOGIES

__all__ = ["PE"]


class PE(wiring.Component):
    """One multiply-accumulate of a weight-stationary array, or as many as a block multiplies.

    ::

        weight_i --> [shadow] -----------------------------------------------> weight_o
                        |
                        v weight
        swap_i -----> [Multiplier] -- product --> [delay] --> + --> [partial_sum] --> partial_sum_o
        activation_i --> |                                    |
                         '----------------------------------- | -------------> activation_o
                              partial_sum_i ------------------'

    The multiplier is one of :mod:`weft.hdl.tech`. An activation that comes with ``swap_i`` is the
    first to be multiplied by the weight in the shadow register. The shadow register takes
    ``weight_i`` in every cycle with ``shift_i``; when both come in one cycle, the multiplier gets
    the old shadow.

    A PE may have several columns, west to east, which work in the same cycle. ``weight_i``,
    ``weight_o``, ``partial_sum_i`` and ``partial_sum_o`` are then ``data.ArrayLayout`` of what is
    said below.

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
    family : str
        Whose multiplier to use, a key of :data:`weft.hdl.tech.technology.TECHNOLOGIES`.
    hard : bool
        Use the family's multiplier block, not look-up tables.
    span : int, optional
        Columns, a multiple of the multiplier's lanes; by default those lanes.
    product_latency : int, optional
        Cycles from an activation to the cycle in which its product meets ``partial_sum_i``. By
        default those of the multiplier, which is the least.

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
        ``activation_i``, ``swap_i`` and ``shift_i`` a cycle later, for the PE to the east.
    weight_o : Out(signed(weight_width))
        The shadow register, for the PE to the south.
    partial_sum_o : Out(signed(partial_sum_width))
        ``partial_sum_i`` plus the product, one cycle after ``partial_sum_i``.

    Raises
    ------
    ValueError
        If a width is out of the multiplier's range, a partial sum does not hold a product, the
        latency is below the multiplier's, or ``span`` no multiple of its lanes.
    """

    def __init__(
        self,
        *,
        activation_width: int = 8,
        weight_width: int = 8,
        partial_sum_width: int,
        family: str = "generic",
        hard: bool = True,
        span: int | None = None,
        product_latency: int | None = None,
    ) -> None:
        self._technology = TECHNOLOGIES[family]
        kind = self._technology.hard if hard else self._technology.soft
        kind.check_widths(activation_width, weight_width)
        if partial_sum_width < activation_width + weight_width:
            raise ValueError(
                f"partial_sum_width must be at least {activation_width + weight_width} to hold "
                f"a product, not {partial_sum_width!r}"
            )
        if product_latency is None:
            product_latency = kind.latency
        if product_latency < kind.latency:
            raise ValueError(
                f"product_latency must be at least {kind.latency}, that of "
                f"{kind.__name__}, not {product_latency!r}"
            )
        span = kind.lanes if span is None else span
        if span < 1 or span % kind.lanes:
            raise ValueError(
                f"span must be a multiple of {kind.lanes}, the lanes of {kind.__name__}, "
                f"not {span!r}"
            )
        self.activation_width = activation_width
        self.weight_width = weight_width
        self.partial_sum_width = partial_sum_width
        self.family = family
        self.product_latency = product_latency
        self.span = span
        self._multiplier = kind
        weight = self._layout(signed(weight_width))
        partial_sum = self._layout(signed(partial_sum_width))
        super().__init__(
            {
                "activation_i": In(signed(activation_width)),
                "swap_i": In(1),
                "shift_i": In(1),
                "weight_i": In(weight),
                "partial_sum_i": In(partial_sum),
                "activation_o": Out(signed(activation_width)),
                "swap_o": Out(1),
                "shift_o": Out(1),
                "weight_o": Out(weight),
                "partial_sum_o": Out(partial_sum),
            }
        )

    def _layout(self, shape: Shape) -> Any:
        """The shape of a port with a field for each column."""
        return shape if self.span == 1 else data.ArrayLayout(shape, self.span)

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        columns = f"_{self.span}" if self.span > self._multiplier.lanes else ""
        return f"weft_pe{self._multiplier.kind}{columns}"

    def _field(self, port: Any, column: int) -> Any:
        """What of a port belongs to a column."""
        return port if self.span == 1 else port[column]

    def elaborate(self, platform: Any) -> Module:
        """Build the control registers, and for each column its shadow register and adder."""
        m = Module()
        lanes = self._multiplier.lanes
        multipliers: list[Any] = []
        for number in range(self.span // lanes):
            multiplier = Once(
                self._multiplier(
                    activation_width=self.activation_width, weight_width=self.weight_width
                )
            )
            m.submodules["multiplier" + f"_{number}" * (self.span > lanes)] = multiplier
            m.d.comb += [
                multiplier.activation_i.eq(self.activation_i),
                multiplier.load_i.eq(self.swap_i),
            ]
            multipliers.append(multiplier)
        swap, shift = Signal(reset_less=True), Signal(reset_less=True)
        m.d.sync += [swap.eq(self.swap_i), shift.eq(self.shift_i)]
        m.d.comb += [
            self.activation_o.eq(multipliers[0].activation_o),
            self.swap_o.eq(swap),
            self.shift_o.eq(shift),
        ]
        for column in range(self.span):
            multiplier, lane = multipliers[column // lanes], column % lanes
            self._column(
                m,
                column,
                multiplier.weight_i if lanes == 1 else multiplier.weight_i[lane],
                multiplier.product_o if lanes == 1 else multiplier.product_o[lane],
            )
        return m

    def _column(self, m: Module, column: int, weight: Any, product: Any) -> None:
        """Build one column between the ports of its multiplier."""
        end = f"_{column}" if self.span > 1 else ""
        shadow = Signal(signed(self.weight_width), name=f"shadow{end}", reset_less=True)
        partial_sum = Signal(
            signed(self.partial_sum_width), name=f"partial_sum{end}", reset_less=True
        )
        for cycle in range(self._multiplier.latency, self.product_latency):
            later = Signal.like(product, name=f"product{end}_{cycle + 1}", reset_less=True)
            m.d.sync += later.eq(product)
            product = later
        m.d.sync += partial_sum.eq(
            self._technology.add(
                m,
                f"accumulate{end}",
                self._field(self.partial_sum_i, column),
                product,
                self.partial_sum_width,
            )
        )
        with m.If(self.shift_i):
            m.d.sync += shadow.eq(self._field(self.weight_i, column))
        m.d.comb += [
            weight.eq(shadow),
            self._field(self.weight_o, column).eq(shadow),
            self._field(self.partial_sum_o, column).eq(partial_sum),
        ]
