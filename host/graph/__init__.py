# SPDX-License-Identifier: Apache-2.0
"""The graph that importers make: tensors, operators and checks."""

from .errors import ModelError
from .ir import CONVENTIONS, Graph, Operator
from .tensor import DTYPES, MAXIMUM_BYTES, Quantization, Tensor

__all__ = [
    "CONVENTIONS",
    "DTYPES",
    "MAXIMUM_BYTES",
    "Graph",
    "ModelError",
    "Operator",
    "Quantization",
    "Tensor",
]
