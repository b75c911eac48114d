# SPDX-License-Identifier: Apache-2.0
"""Which operators of a graph can be run, and why the others cannot."""

from __future__ import annotations

from ..graph import Graph
from . import kernels
from .registry import UnsupportedError, prepare

__all__ = ["check_graph", "kernels"]


def check_graph(graph: Graph) -> None:
    """Prepare every operator and note in it why it is unsupported, if it is.

    Raises
    ------
    ModelError
        If an operator's tensors and attributes contradict each other.
    """
    for operator in graph.operators:
        try:
            prepare(graph, operator)
            operator.unsupported = None
        except UnsupportedError as reason:
            operator.unsupported = operator.unsupported or str(reason)
