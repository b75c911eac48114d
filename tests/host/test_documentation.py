# SPDX-License-Identifier: Apache-2.0
"""The examples in docstrings run."""

import doctest
import importlib

import pytest

MODULES = [
    "weft", "weft.compiler.assembler", "weft.compiler.checker", "weft.compiler.gemm",
    "weft.compiler.program", "weft.runtime.reference", "weft.sim.reference",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted
    assert not result.failed
