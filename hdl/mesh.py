# SPDX-License-Identifier: Apache-2.0
"""The rectangle of processing elements inside a systolic array."""

from __future__ import annotations

from collections.abc import Callable

from .chain import Chain
from .row import Row
from .tech.allocation import Allocation

__all__ = ["Mesh"]


class Mesh(Chain):
    """``rows`` rows of ``cols`` processing elements: the datapath of a systolic array.

    Activations and control bits move east one PE a cycle, weights and partial sums south one row a
    cycle. A PE has as many columns as a multiplier block of the family has multipliers.

    Parameters
    ----------
    rows, cols : int
        Processing elements in each direction.
    activation_width, weight_width, partial_sum_width : int
        As in :class:`~weft.hdl.pe.integer.PE`.
    family : str
        FPGA family whose multipliers to use.
    multipliers : int, optional
        How many multipliers there are in blocks; see :class:`~weft.hdl.tech.allocation.Allocation`.

    Members
    -------
    activation_i : In(ArrayLayout(signed(activation_width), rows))
        Row r is r cycles behind row 0.
    swap_i : In(ArrayLayout(1, rows))
        For each row, the shadow weights become the weights with the activation of this cycle.
    shift_i : In(ArrayLayout(1, rows))
        For each row, the shadow registers take the weight to the north.
    weight_i : In(ArrayLayout(signed(weight_width), cols))
        A column is as many cycles behind column 0 as there are PEs between the two, as for the
        partial sums.
    partial_sum_i : In(ArrayLayout(signed(partial_sum_width), cols))
        ``product_latency`` cycles after the activation of row 0.
    activation_o, swap_o, shift_o : Out
        ``activation_i``, ``swap_i`` and ``shift_i`` a cycle later for each PE, at the east edge.
    weight_o : Out(ArrayLayout(signed(weight_width), cols))
        The shadow registers of the last row.
    partial_sum_o : Out(ArrayLayout(signed(partial_sum_width), cols))
        ``rows`` cycles after ``partial_sum_i``, at the south edge.
    """

    def __init__(
        self,
        *,
        rows: int,
        cols: int,
        activation_width: int = 8,
        weight_width: int = 8,
        partial_sum_width: int,
        family: str = "generic",
        multipliers: int | None = None,
    ) -> None:
        allocation = Allocation(family, rows, cols, multipliers)
        self.product_latency = allocation.product_latency
        """Cycles from an activation to the cycle in which its product meets ``partial_sum_i``."""

        def maker(blocks: int) -> Callable[[], Row]:
            return lambda: Row(
                cols=cols,
                activation_width=activation_width,
                weight_width=weight_width,
                partial_sum_width=partial_sum_width,
                family=family,
                multipliers=blocks * allocation.lanes,
                product_latency=self.product_latency,
            )

        kinds = {blocks: maker(blocks) for blocks in set(allocation.row_blocks)}
        super().__init__(
            [kinds[blocks] for blocks in allocation.row_blocks],
            module_name="weft_mesh",
            prefix="row",
            links={"weight_i": "weight_o", "partial_sum_i": "partial_sum_o"},
        )
