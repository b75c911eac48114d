# SPDX-License-Identifier: Apache-2.0
"""The bare array behind AXI4-Stream ports."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .array import SystolicArray
from .config import Config
from .once import Once

__all__ = ["StreamArray"]

RESULT_BITS = 32
"""Bits of a result on the stream: a partial sum, sign-extended."""


class StreamArray(wiring.Component):
    """A `SystolicArray` with the standard signal names of AXI4-Stream.

    Every transfer carries one whole vector, element 0 in the low bits. ``rows`` transfers of
    weights make a tile, the first for the bottom row; an activation with ``tuser`` set is the first
    to meet the tile loaded last. Each activation vector gives one result vector, ``latency`` cycles
    later, in order. The results have no TREADY: their receiver must always be ready (a receiver
    that has TREADY must hold it high).

    Signals are those of the AMBA AXI-Stream Protocol Specification, Arm IHI 0051.

    Parameters
    ----------
    config : Config
        ``rows``, ``cols`` and what follows from them.

    Members
    -------
    s_axis_weights_tvalid : In(1)
    s_axis_weights_tready : Out(1)
    s_axis_weights_tdata : In(8 * cols)
        int8 elements.
    s_axis_activations_tvalid : In(1)
    s_axis_activations_tready : Out(1)
    s_axis_activations_tdata : In(8 * rows)
        int8 elements.
    s_axis_activations_tuser : In(1)
        First vector that uses the tile of weights loaded last.
    m_axis_results_tvalid : Out(1)
    m_axis_results_tdata : Out(32 * cols)
        int32 elements.
    """

    module_name = "weft_array"

    def __init__(self, config: Config) -> None:
        self.array = Once(
            SystolicArray(
                rows=config.rows,
                cols=config.cols,
                partial_sum_width=config.partial_sum_width,
                family=config.family,
                multipliers=config.multipliers,
            )
        )
        self.cols = config.cols
        super().__init__(
            {
                "s_axis_weights_tvalid": In(1),
                "s_axis_weights_tready": Out(1),
                "s_axis_weights_tdata": In(8 * config.cols),
                "s_axis_activations_tvalid": In(1),
                "s_axis_activations_tready": Out(1),
                "s_axis_activations_tdata": In(8 * config.rows),
                "s_axis_activations_tuser": In(1),
                "m_axis_results_tvalid": Out(1),
                "m_axis_results_tdata": Out(RESULT_BITS * config.cols),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from an accepted activation vector to its result."""
        return self.array.latency

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.array = array = self.array
        weights, activations, results = array.weights, array.activations, array.o
        m.d.comb += [
            weights.valid.eq(self.s_axis_weights_tvalid),
            weights.payload.as_value().eq(self.s_axis_weights_tdata),
            self.s_axis_weights_tready.eq(weights.ready),
            activations.valid.eq(self.s_axis_activations_tvalid),
            activations.payload.data.as_value().eq(self.s_axis_activations_tdata),
            activations.payload.first.eq(self.s_axis_activations_tuser),
            self.s_axis_activations_tready.eq(activations.ready),
            self.m_axis_results_tvalid.eq(results.valid),
        ]
        for column in range(self.cols):
            field = self.m_axis_results_tdata.word_select(column, RESULT_BITS)
            m.d.comb += field.eq(results.payload[column])
        return m
