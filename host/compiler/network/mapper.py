# SPDX-License-Identifier: Apache-2.0
"""What is known about a graph while its operators are mapped."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...graph import Graph, Operator
from ...hdl.config import Config
from ...operators.registry import Call
from .forms import Form, form_of

__all__ = ["Mapper", "Refusal"]


class Refusal(Exception):
    """Why an operator cannot run on the accelerator."""


@dataclass
class Mapper:
    """What is known while operators are mapped in order.

    Parameters
    ----------
    graph : Graph
        The model.
    config : Config
        The accelerator.
    roots : dict of str to str
        Per tensor: the tensor whose bytes it shares.
    forms : dict of str to Form
        Per root that the accelerator computes: the form in which it does.
    padded : dict of str to tuple
        Results of PAD operators: (operator, amounts top, left, bottom, right).
    refused : dict of Operator to str
        Operators that are known not to fit, and why.
    """

    graph: Graph
    config: Config
    roots: dict[str, str] = field(default_factory=dict)
    forms: dict[str, Form] = field(default_factory=dict)
    padded: dict[str, tuple[Operator, tuple[int, int, int, int]]] = field(default_factory=dict)
    refused: dict[Operator, str] = field(default_factory=dict)

    def root(self, name: str) -> str:
        """The tensor whose bytes ``name`` has."""
        return self.roots.get(name, name)

    def natural(self, name: str) -> Form:
        """The form in which a tensor is computed."""
        form = form_of(self.graph.tensors[name].shape)
        return self.forms.get(self.root(name), form)

    def call(self, operator: Operator) -> Call:
        """An operator with its tensors."""
        return Call(operator, self.graph.operands(operator), self.graph.results(operator))

    def name(self, operator: Operator, index: int) -> str:
        """The name of an operand that is computed."""
        name = operator.inputs[index]
        if name is None or self.graph.tensors[name].constant:
            raise Refusal("operates on a constant")
        return name

    def require_convention(self) -> None:
        """Refuse what has to be rescaled by another convention than the accelerator's."""
        if self.graph.convention != self.config.requantize:
            raise Refusal(
                f"needs the {self.graph.convention} convention; this configuration rescales by "
                f"the {self.config.requantize} one"
            )
