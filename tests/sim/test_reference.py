# SPDX-License-Identifier: Apache-2.0
"""The reference arithmetic against plain Python integers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.sim import reference


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_matmul_is_the_sum_of_products(m, n, k, seed):
    random = np.random.default_rng(seed)
    a = random.integers(-128, 128, (m, k), dtype=np.int8)
    b = random.integers(-128, 128, (k, n), dtype=np.int8)
    expected = [
        [sum(int(a[i, t]) * int(b[t, j]) for t in range(k)) for j in range(n)] for i in range(m)
    ]
    assert reference.matmul(a, b).tolist() == expected


def test_deepest_reduction_is_exact():
    k = 131071
    a, b = np.full((1, k), -128, np.int8), np.full((k, 1), -128, np.int8)
    assert reference.matmul(a, b).tolist() == [[k * 16384]]


@given(st.integers(-(2**40), 2**40), st.integers(2, 33))
def test_wrap_is_twos_complement(value, width):
    wrapped = int(reference.wrap(np.array([value]), width)[0])
    assert -(1 << (width - 1)) <= wrapped < 1 << (width - 1)
    assert (wrapped - value) % (1 << width) == 0


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.int8), "operands must be int8, not uint8"),
        (np.zeros((2, 3), np.int8), np.zeros((2, 2), np.int8), "have no matrix product"),
    ],
)
def test_refuses_what_has_no_result(a, b, message):
    with pytest.raises(reference.ReferenceError, match=message):
        reference.matmul(a, b)
