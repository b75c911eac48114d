# SPDX-License-Identifier: Apache-2.0
"""The weight-stationary systolic array."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .mesh import Mesh
from .once import Once
from .skew import Skew
from .tech.allocation import Allocation

__all__ = ["SystolicArray"]

MAXIMUM_SIZE = 256


class SystolicArray(wiring.Component):
    """Multiplies vectors by a ``rows`` x ``cols`` matrix of weights, one vector a cycle.

    ::

                            weights --> [Skew]
                                          v  shadow weights and partial sums flow south
        activations --> [Skew] --> row 0  [PE][PE][PE]
                               --> row 1  [PE][PE][PE]   activations flow east
                                          v  v  v
                                         [Skew reversed] --> o

    A tile of weights is ``rows`` vectors, that of the bottom row first. It shifts into shadow
    registers while the previous tile is at work; an activation vector marked ``first`` starts a
    pass: the shadow weights swap in with it, in a wave that travels with the vector. Row r takes
    part in the shift from the tile's vector r on and all rows end together, so no shadow register
    is overwritten before the wave has passed it, and a shadow is free again in the cycle in which
    its ``first`` is accepted. Passes of at least ``rows`` vectors follow each other without a
    bubble if the weights come in time; shorter ones can start every ``rows`` cycles.

    Nothing inside the array stalls. Latency, from the cycle in which a vector is accepted to the
    cycle of its result::

        latency = 1 + (rows - 1) + (stages - 1) + product_latency + 1
                  |        |             |               |          '- partial sum of the last row
                  |        |             |               '- multiplier of the PE, 2 to 5
                  |        |             '- way east, a cycle for each PE
                  |        '- way south
                  '- input registers

    A PE has one column, or as many as a multiplier block has multipliers (2 on iCE40).

    A tile has to be complete (its last vector accepted) one cycle before its ``first``.

    Parameters
    ----------
    rows : int
        Elements of an activation vector, 1 to 256.
    cols : int
        Elements of a result vector, 1 to 256.
    partial_sum_width : int
        Bits of a result element; must hold ``rows`` products.
    activation_width : int
        Bits of an activation.
    weight_width : int
        Bits of a weight.
    family : str
        FPGA family whose multipliers to use.
    multipliers : int, optional
        How many multipliers there are in blocks; see :class:`~weft.hdl.tech.allocation.Allocation`.

    Members
    -------
    weights : In(stream of ArrayLayout(signed(weight_width), cols))
        Rows of the tile, the last row first. ``ready`` depends on ``activations.valid`` in the same
        cycle.
    activations : In(stream of StructLayout(data=ArrayLayout(signed(activation_width), rows), \
first=1))
        ``first`` marks the first vector of a pass; it is not ready before a tile is complete. Other
        vectors are always ready. Before the first pass there are no weights: results of vectors
        that come without a ``first`` after reset are undefined.
    o : Out(stream of ArrayLayout(signed(partial_sum_width), cols)), always ready
        One result for each activation vector, in order, ``latency`` cycles later.

    Raises
    ------
    ValueError
        If a size or width is out of range.
    """

    def __init__(
        self,
        *,
        rows: int,
        cols: int,
        partial_sum_width: int,
        activation_width: int = 8,
        weight_width: int = 8,
        family: str = "generic",
        multipliers: int | None = None,
    ) -> None:
        for name, value in (("rows", rows), ("cols", cols)):
            if not 1 <= value <= MAXIMUM_SIZE:
                raise ValueError(f"{name} must be from 1 to {MAXIMUM_SIZE}, not {value!r}")
        largest_product = 1 << (activation_width + weight_width - 2)
        needed = (rows * largest_product).bit_length() + 1
        if partial_sum_width < needed:
            raise ValueError(
                f"partial_sum_width must be at least {needed} to hold {rows} products, "
                f"not {partial_sum_width!r}"
            )
        self.rows = rows
        self.cols = cols
        self.activation_width = activation_width
        self.weight_width = weight_width
        self.partial_sum_width = partial_sum_width
        self.family = family
        self.multipliers = multipliers
        activation = data.StructLayout(
            {"data": data.ArrayLayout(signed(activation_width), rows), "first": 1}
        )
        super().__init__(
            {
                "weights": In(stream.Signature(data.ArrayLayout(signed(weight_width), cols))),
                "activations": In(stream.Signature(activation)),
                "o": Out(
                    stream.Signature(
                        data.ArrayLayout(signed(partial_sum_width), cols), always_ready=True
                    )
                ),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the emitted module."""
        return "weft_systolic_array"

    @property
    def _allocation(self) -> Allocation:
        return Allocation(self.family, self.rows, self.cols, self.multipliers)

    @property
    def product_latency(self) -> int:
        """Cycles from an activation at a PE to the cycle in which its product is added."""
        return self._allocation.product_latency

    @property
    def stages(self) -> int:
        """Processing elements of a row."""
        return len(self._allocation.stages)

    @property
    def latency(self) -> int:
        """Cycles from an accepted activation vector to its result."""
        return 1 + (self.rows - 1) + (self.stages - 1) + self.product_latency + 1

    def elaborate(self, platform: Any) -> Module:
        """Build handshakes, skews and mesh."""
        m = Module()
        rows = self.rows

        # Handshakes. A swap frees the shadow registers for the next tile in the same cycle.
        tile_complete = Signal()
        swap = Signal()
        shift = Signal()
        first = self.activations.valid & self.activations.payload.first
        m.d.comb += [
            swap.eq(first & tile_complete),
            shift.eq(self.weights.valid & self.weights.ready),
            self.weights.ready.eq(~tile_complete | swap),
            self.activations.ready.eq(~first | tile_complete),
        ]

        # Rows that take part in the shift of the tile's next weight vector: rows 0 to its number.
        joined = Signal(rows, init=1)
        with m.If(shift):
            m.d.sync += joined.eq(Mux(joined[-1], 1, Cat(1, joined[:-1])))
        with m.If(shift & joined[-1]):
            m.d.sync += tile_complete.eq(1)
        with m.Elif(swap):
            m.d.sync += tile_complete.eq(0)

        # Input registers and skew. The swap moves south a row a cycle, as the activations do.
        row_swap = Signal(rows)
        row_shift = Signal(rows)
        activation = Signal.like(self.activations.payload.data, reset_less=True)
        weight = Signal.like(self.weights.payload, reset_less=True)
        in_flight = Signal(self.latency)
        m.d.sync += [
            row_swap.eq(Cat(swap, row_swap[:-1])),
            row_shift.eq(Mux(shift, joined, 0)),
            activation.eq(self.activations.payload.data),
            weight.eq(self.weights.payload),
            in_flight.eq(Cat(self.activations.valid & self.activations.ready, in_flight[:-1])),
        ]
        m.submodules.activation_skew = activation_skew = Once(
            Skew(count=rows, width=self.activation_width)
        )
        # The columns of a PE move together: they are one element of the skew.
        span = self._allocation.lanes
        m.submodules.weight_skew = weight_skew = Once(
            Skew(count=self.stages, width=span * self.weight_width)
        )
        m.submodules.mesh = mesh = Once(
            Mesh(
                rows=rows,
                cols=self.cols,
                activation_width=self.activation_width,
                weight_width=self.weight_width,
                partial_sum_width=self.partial_sum_width,
                family=self.family,
                multipliers=self.multipliers,
            )
        )
        m.submodules.result_skew = result_skew = Once(
            Skew(count=self.stages, width=span * self.partial_sum_width, reverse=True)
        )
        m.d.comb += [
            activation_skew.i.eq(activation),
            weight_skew.i.as_value().eq(weight.as_value()),
            mesh.activation_i.eq(activation_skew.o),
            mesh.swap_i.eq(row_swap),
            mesh.shift_i.eq(row_shift),
            mesh.weight_i.as_value().eq(weight_skew.o.as_value()),
            mesh.partial_sum_i.eq(0),
            result_skew.i.as_value().eq(mesh.partial_sum_o.as_value()),
            self.o.payload.as_value().eq(result_skew.o.as_value()),
            self.o.valid.eq(in_flight[-1]),
        ]
        return m
