# SPDX-License-Identifier: Apache-2.0
"""The GEMM compiler: right on thousands of products, and never something `check` objects to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import weft
from weft.compiler.checker import check
from weft.compiler.gemm import CompileError, compile_gemm
from weft.sim import reference
from weft.sim.random_programs import random_config, random_operands, random_shape

PRODUCTS = 2000
"""Random products in the default run."""

SHARDS = 20


def multiply(config, a, b, seed, *, checked):
    (m, k), n = a.shape, b.shape[1]
    if checked:
        assert check(config, compile_gemm(config, m, n, k)) == []
    with weft.open("simulator", config, schedule_seed=seed, track=True) as device:
        result = device.matmul(a, b)
        assert device.transport.last_result.read_before_write == []
    assert result.dtype == np.int32
    np.testing.assert_array_equal(result, reference.matmul(a, b))


@pytest.mark.parametrize("shard", range(SHARDS))
def test_random_products(shard):
    """Configurations of every kind, sizes at the edges of tiles, operands at the ends."""
    for seed in range(shard, PRODUCTS, SHARDS):
        config = random_config(seed // 4)
        m, n, k = random_shape(config, seed, largest=32)
        a, b = random_operands(m, n, k, seed)
        try:
            multiply(config, a, b, seed, checked=seed % 8 == 0)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {m}x{n}x{k} on {config}") from error


@pytest.mark.full
@pytest.mark.parametrize("shard", range(100))
def test_ten_thousand_random_products(shard):
    for seed in range(PRODUCTS + shard, PRODUCTS + 10000, 100):
        config = random_config(seed // 4, largest=16)
        m, n, k = random_shape(config, seed, largest=64)
        multiply(config, *random_operands(m, n, k, seed), seed, checked=False)


@given(
    st.integers(1, 40), st.integers(1, 40), st.integers(1, 60), st.integers(0, 400),
    st.integers(0, 2**31),
)
@settings(max_examples=150, deadline=None)
def test_any_product_on_any_configuration(m, n, k, configuration, seed):
    multiply(random_config(configuration), *random_operands(m, n, k, seed), seed, checked=True)


EDGES = [(rows, cols) for rows, cols in ((1, 1), (2, 3), (5, 7), (16, 4), (4, 16))]


@pytest.mark.parametrize(("rows", "cols"), EDGES)
def test_sizes_around_the_array(rows, cols):
    config = weft.Config(rows=rows, cols=cols, activation_depth=32, weight_depth=32,
                         accumulator_depth=16, axi_width=64)
    for m in {1, 2, rows, 17}:
        for n in {1, cols - 1, cols, cols + 1, 2 * cols + 1} - {0}:
            for k in {1, rows - 1, rows, rows + 1, 3 * rows - 1} - {0}:
                a, b = random_operands(m, n, k, m + n + k)
                multiply(config, a, b, None, checked=True)


@pytest.mark.parametrize("value", [-128, 127])
def test_deepest_reduction(value):
    config = weft.Config(rows=8, cols=2, activation_depth=64, weight_depth=64,
                         accumulator_depth=16, max_reduction_depth=65536)
    k = config.max_reduction_depth
    a, b = np.full((2, k), value, np.int8), np.full((k, 3), -128, np.int8)
    multiply(config, a, b, None, checked=False)


def test_too_deep_a_reduction():
    config = weft.Config(max_reduction_depth=100)
    with pytest.raises(CompileError, match=r"k must be at most max_reduction_depth \(100\)"):
        compile_gemm(config, 1, 1, 101)


@pytest.mark.parametrize(
    ("m", "n", "k", "message"),
    [
        (0, 1, 1, "m must be from 1 to 2147483647, not 0"),
        (1, 1 << 31, 1, "n must be from 1 to 2147483647"),
        (1 << 16, 1 << 16, 1, "C takes 17179869184 bytes; a segment holds less than 4294967296"),
    ],
)
def test_sizes_out_of_reach(m, n, k, message):
    with pytest.raises(CompileError, match=message):
        compile_gemm(weft.Config(), m, n, k)


TARGETS = [
    # (m, n, k), least estimated utilization or roofline share
    ((128, 256, 256), 0.95),
    ((256, 256, 256), 0.95),
    ((512, 512, 512), 0.98),
    ((1, 1024, 1024), 0.90),
]


@pytest.mark.parametrize(("shape", "least"), TARGETS)
def test_estimates_reach_the_figures(shape, least):
    """Estimates only: `scripts/bench_gemm.py --target rtl` measures."""
    config = weft.Config()
    program = compile_gemm(config, *shape)
    assert program.info["roofline_cycles"] / program.info["estimated_cycles"] >= least
    assert check(config, program) == []


def test_large_array_and_long_rows():
    config = weft.Config.preset("large")
    a, b = random_operands(70, 300, 200, 1)
    multiply(config, a, b, None, checked=True)
    a, b = random_operands(3, 5000, 40, 2)
    multiply(config, a, b, None, checked=True)
