# SPDX-License-Identifier: Apache-2.0
"""One row of processing elements."""

from __future__ import annotations

from collections.abc import Callable

from .chain import Chain
from .pe.integer import PE
from .tech.allocation import Allocation

__all__ = ["Row"]


class Row(Chain):
    """``cols`` processing elements side by side.

    The activation and the control bits enter PE 0 and move east one PE a cycle. Weights and partial
    sums cross the row from north to south, each PE a cycle behind the one to its west. A PE has as
    many columns as a multiplier block has multipliers; the last one may have fewer.

    Parameters
    ----------
    cols : int
        Processing elements.
    activation_width, weight_width, partial_sum_width : int
        As in :class:`~weft.hdl.pe.integer.PE`.
    family : str
        FPGA family whose multipliers to use.
    multipliers : int, optional
        How many multipliers there are in blocks; see :class:`~weft.hdl.tech.allocation.Allocation`.
    product_latency : int, optional
        Cycles from an activation to the cycle in which its product meets ``partial_sum_i``. By
        default as few as the multipliers in use allow.

    Members
    -------
    activation_i : In(signed(activation_width))
    swap_i : In(1)
        The shadow weights become the weights, from the activation of this cycle on.
    shift_i : In(1)
        The shadow registers take ``weight_i``.
    weight_i : In(ArrayLayout(signed(weight_width), cols))
    partial_sum_i : In(ArrayLayout(signed(partial_sum_width), cols))
        That of PE 0 ``product_latency`` cycles after its activation.
    activation_o, swap_o, shift_o : Out
        ``activation_i``, ``swap_i`` and ``shift_i`` later, to the east: by a cycle for each PE.
    weight_o : Out(ArrayLayout(signed(weight_width), cols))
        The shadow registers, to the south.
    partial_sum_o : Out(ArrayLayout(signed(partial_sum_width), cols))
        One cycle after ``partial_sum_i``, to the south.

    Raises
    ------
    ValueError
        If the PE refuses a parameter.
    """

    def __init__(
        self,
        *,
        cols: int,
        activation_width: int = 8,
        weight_width: int = 8,
        partial_sum_width: int,
        family: str = "generic",
        multipliers: int | None = None,
        product_latency: int | None = None,
    ) -> None:
        allocation = Allocation(family, 1, cols, multipliers)
        self.product_latency = product_latency or allocation.product_latency

        def maker(hard: bool, span: int) -> Callable[[], PE]:
            return lambda: PE(
                activation_width=activation_width,
                weight_width=weight_width,
                partial_sum_width=partial_sum_width,
                family=family,
                hard=hard,
                span=span,
                product_latency=self.product_latency,
            )

        kinds = {stage: maker(*stage) for stage in allocation.stages}
        most = Allocation(family, 1, cols).blocks
        super().__init__(
            [kinds[stage] for stage in allocation.stages],
            module_name="weft_row" + f"_{allocation.blocks}_blocks" * (allocation.blocks < most),
            prefix="pe",
            links={
                "activation_i": "activation_o",
                "swap_i": "swap_o",
                "shift_i": "shift_o",
            },
        )
