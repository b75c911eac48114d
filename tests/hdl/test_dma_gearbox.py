# SPDX-License-Identifier: Apache-2.0
"""The gearbox at easy and awkward ratios."""

import pytest

from weft.hdl.dma.gearbox import Gearbox
from weft.hdl.dma.packer import Packer
from weft.sim.bench.runner import run_bench

RATIOS = [(4, 1), (4, 4), (8, 32), (4, 3), (8, 12), (16, 7), (12, 8), (28, 16), (1, 4)]
FULL = [(width, word) for width in (4, 8, 16, 32) for word in (1, 2, 3, 5, 6, 7, 9, 20, 28, 64)]
FULL += [(word, width) for width, word in FULL] + [(16, 1020), (1020, 16)]


def bench(width, word, simulator):
    run_bench(
        Gearbox(width, word),
        name="gearbox",
        test_module="bench_gearbox",
        simulator=simulator,
        parameters={"input": width, "output": word},
    )


@pytest.mark.parametrize("width, word", RATIOS)
def test_on_icarus(width, word):
    bench(width, word, "icarus")


@pytest.mark.parametrize("width, word", [(8, 12)])
def test_on_verilator(width, word):
    bench(width, word, "verilator")


@pytest.mark.full
@pytest.mark.parametrize("width, word", FULL)
def test_long(width, word, simulator):
    bench(width, word, simulator)


@pytest.mark.parametrize("width", [0, 1025])
def test_refuses_widths_out_of_range(width):
    with pytest.raises(ValueError, match=f"input_bytes must be from 1 to 1024, not {width}"):
        Gearbox(width, 4)


def test_packer_refuses_widths_that_are_not_made_of_chunks():
    with pytest.raises(ValueError, match=r"multiples or divisors of 4, not \[4, 6\]"):
        Packer(4, [4, 6])
