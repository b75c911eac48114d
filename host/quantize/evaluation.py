# SPDX-License-Identifier: Apache-2.0
"""Accuracy of classifiers before and after quantization."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..graph import Graph, ModelError
from ..operators.interpreter import Inputs, Interpreter

__all__ = ["Accuracy", "accuracy", "compare"]


@dataclass(frozen=True)
class Accuracy:
    """Correct answers of a classifier before and after quantization.

    >>> print(Accuracy(before=10, after=9, samples=10))
    accuracy before quantization 100.0 % (10 of 10), after 90.0 % (9 of 10)
    """

    before: int
    after: int
    samples: int

    def __str__(self) -> str:
        first, second = (
            f"{100 * count / self.samples:.1f} % ({count} of {self.samples})"
            for count in (self.before, self.after)
        )
        return f"accuracy before quantization {first}, after {second}"


def accuracy(graph: Graph, inputs: Iterable[Inputs], labels: Sequence[int]) -> int:
    """Number of samples whose largest element of the first output is the one of the label."""
    samples = list(inputs)
    if not samples or len(samples) != len(labels):
        raise ModelError(f"{len(samples)} samples and {len(labels)} labels")
    interpreter = Interpreter(graph)
    output = graph.outputs[0]
    classes = graph.tensors[output].elements
    for label in labels:
        if not 0 <= int(label) < classes:
            raise ModelError(f"label {label}; the model's classes are 0 to {classes - 1}")
    return sum(
        int(np.argmax(interpreter.run(sample)[output])) == int(label)
        for sample, label in zip(samples, labels, strict=True)
    )


def compare(
    before: Graph, after: Graph, inputs: Iterable[Inputs], labels: Sequence[int]
) -> Accuracy:
    """The accuracy of two graphs on the same samples."""
    samples = list(inputs)
    return Accuracy(
        accuracy(before, samples, labels), accuracy(after, samples, labels), len(samples)
    )
