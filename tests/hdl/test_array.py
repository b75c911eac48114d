# SPDX-License-Identifier: Apache-2.0
"""The systolic array and its parts."""

import random
import re
import time

import pytest
from amaranth import Shape
from amaranth.sim import Simulator

from weft.generators.verilog import emit
from weft.hdl.array import SystolicArray
from weft.hdl.config import Config
from weft.hdl.delay import Delay
from weft.hdl.mesh import Mesh
from weft.hdl.pe.integer import PE
from weft.hdl.row import Row
from weft.hdl.skew import BLOCK_SIZE, Skew, blocks
from weft.hdl.tech.technology import simulation_model
from weft.sim.bench.runner import run_bench

# Above 16 the skew has several blocks, of equal sizes or not.
SIZES = [(1, 1), (2, 3), (4, 4), (5, 7), (8, 8), (16, 4), (4, 16), (16, 16)]
SIZES += [(1, 5), (5, 1), (3, 18)]
VERILATOR_SIZES = [(1, 1), (5, 7), (17, 3)]
FULL_SIZES = [(12, 13), (32, 32), (64, 8), (8, 64), (33, 1), (1, 40), (35, 33), (17, 20)]


FAMILY_SIZES = [
    ("ecp5", 3, 5, 7), ("ecp5", 4, 4, None), ("ecp5", 2, 3, 0), ("ice40", 4, 4, None),
    ("ice40", 3, 5, 7), ("ice40", 2, 1, None), ("ice40", 3, 18, 20), ("gowin", 3, 4, 5),
    ("nexus", 4, 3, None),
    ("nexus", 5, 2, 3), ("xilinx7", 3, 4, None), ("generic", 3, 4, 6),
]
"""Family, rows, columns, multipliers in blocks."""


def array(rows, cols, **technology):
    return SystolicArray(
        rows=rows,
        cols=cols,
        partial_sum_width=Config(rows=rows, cols=cols).partial_sum_width,
        **technology,
    )


def bench(rows, cols, simulator, **technology):
    design = array(rows, cols, **technology)
    parameters = {
        "rows": rows,
        "cols": cols,
        "partial_sum_width": design.partial_sum_width,
        "latency": design.latency,
    }
    result = run_bench(
        design,
        name=design.module_name,
        test_module="bench_array",
        simulator=simulator,
        parameters=parameters,
        sources=[simulation_model(design.family)],
    )
    assert result.tests >= 12


def name(size):
    return f"{size[0]}x{size[1]}"


def sizes(simulator):
    return SIZES if simulator == "icarus" else VERILATOR_SIZES


RUNS = [
    pytest.param(size, simulator, id=f"{name(size)}-{simulator}", marks=marks)
    for simulator in ("icarus", "verilator")
    for size in dict.fromkeys(SIZES + VERILATOR_SIZES + FULL_SIZES)
    for marks in [[] if size in sizes(simulator) else [pytest.mark.full]]
]


@pytest.mark.parametrize(("size", "chosen"), RUNS)
def test_array(size, chosen, request):
    if request.config.getoption("--simulator") not in (chosen, "both"):
        pytest.skip(f"--simulator leaves {chosen} out")
    bench(*size, chosen)


@pytest.mark.parametrize("family_size", FAMILY_SIZES, ids=lambda size: "-".join(map(str, size)))
def test_families(family_size, simulator):
    family, rows, cols, multipliers = family_size
    bench(rows, cols, simulator, family=family, multipliers=multipliers)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (16, 16), (200, 7)], ids=name)
def test_latency(size):
    rows, cols = size
    assert array(rows, cols).latency == rows + cols + 2
    assert array(rows, cols).product_latency == 2


@pytest.mark.parametrize(
    ("family", "multipliers", "latency"),
    [("ecp5", None, 5), ("ecp5", 5, 5), ("ecp5", 0, 4), ("ice40", None, 2), ("ice40", 5, 4),
     ("nexus", None, 3), ("nexus", 11, 4), ("nexus", 12, 3), ("nexus", 0, 4)],
)
def test_latency_is_that_of_the_slowest_multiplier_in_use(family, multipliers, latency):
    design = array(3, 4, family=family, multipliers=multipliers)
    assert design.product_latency == latency
    assert design.stages == (2 if family == "ice40" else 4)
    assert design.latency == 3 + design.stages + latency


def simulate(component, cycles, drive, check):
    """Call ``drive`` and ``check`` with the context and the cycle number in each cycle."""

    async def testbench(context):
        for cycle in range(cycles):
            drive(context, cycle)
            check(context, cycle)
            await context.tick()

    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("count", [2, 5, 16, 17, 40])
def test_skew(count, reverse):
    skew = Skew(count=count, width=6, reverse=reverse)
    draw = random.Random(count)
    words = [[draw.randrange(-32, 32) for _ in range(count)] for _ in range(3 * count)]

    def drive(context, cycle):
        context.set(skew.i, words[cycle])

    def check(context, cycle):
        seen = context.get(skew.o)
        for element in range(count):
            latency = count - 1 - element if reverse else element
            assert skew.latency(element) == latency
            if cycle >= latency:
                assert seen[element] == words[cycle - latency][element]

    simulate(skew, len(words), drive, check)


@pytest.mark.parametrize("cycles", [1, 2, 7])
def test_delay(cycles):
    delay = Delay(width=9, cycles=cycles)
    draw = random.Random(cycles)
    words = [draw.randrange(512) for _ in range(30)]
    simulate(
        delay,
        len(words),
        lambda context, cycle: context.set(delay.i, words[cycle]),
        lambda context, cycle: cycle < delay.latency
        or check_equal(context.get(delay.o), words[cycle - delay.latency]),
    )


def check_equal(left, right):
    assert left == right


def test_pe():
    pe = PE(partial_sum_width=20)
    draw = random.Random(1)
    ports = ("activation_i", "weight_i", "partial_sum_i", "swap_i", "shift_i")
    history, weight, shadow, weights, shadows = [], 0, 0, [], []

    def drive(context, cycle):
        nonlocal weight, shadow
        shapes = [Shape.cast(pe.signature.members[port].shape) for port in ports]
        values = {
            port: draw.randrange(1 << shape.width) - (shape.signed << (shape.width - 1))
            for port, shape in zip(ports, shapes, strict=True)
        }
        values["partial_sum_i"] //= 2
        for port, value in values.items():
            context.set(getattr(pe, port), value)
        history.append(values)
        shadows.append(shadow)
        if values["swap_i"]:
            weight = shadow
        if values["shift_i"]:
            shadow = values["weight_i"]
        weights.append(weight)

    def check(context, cycle):
        assert context.get(pe.weight_o) == shadows[cycle]
        if cycle >= 1:
            for port in ("activation", "swap", "shift"):
                assert context.get(getattr(pe, f"{port}_o")) == history[cycle - 1][f"{port}_i"]
        latency = pe.product_latency + 1
        if cycle >= latency:
            product = history[cycle - latency]["activation_i"] * weights[cycle - latency]
            expected = history[cycle - 1]["partial_sum_i"] + product
            assert context.get(pe.partial_sum_o) == expected

    simulate(pe, 500, drive, check)


def test_array_in_amaranth_simulator():
    """Without a module library the array is plain Amaranth."""
    dut, results = array(2, 3), []
    weights = [[1, -2, 3], [4, 5, -128]]
    feed = [[1, 0], [0, 1], [-128, 127]]

    async def testbench(context):
        context.set(dut.weights.valid, 1)
        for row in reversed(weights):
            context.set(dut.weights.payload, row)
            await context.tick()
        context.set(dut.weights.valid, 0)
        context.set(dut.activations.valid, 1)
        for number, vector in enumerate(feed):
            context.set(dut.activations.payload, {"data": vector, "first": not number})
            await context.tick()
        context.set(dut.activations.valid, 0)
        while len(results) < len(feed):
            if context.get(dut.o.valid):
                results.append([context.get(dut.o.payload[column]) for column in range(3)])
            await context.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    assert results == [[1, -2, 3], [4, 5, -128], [-128 + 508, 256 + 635, -384 - 128 * 127]]


@pytest.mark.parametrize("count", [*range(1, 70), 128, 255, 256])
def test_blocks(count):
    cuts = blocks(count)
    sizes = [cut.stop - cut.start for cut in cuts]
    assert [cut.start for cut in cuts] == [sum(sizes[:k]) for k in range(len(sizes))]
    assert sum(sizes) == count
    assert max(sizes) <= BLOCK_SIZE and max(sizes) - min(sizes) <= 1
    assert len(cuts) == -(-count // BLOCK_SIZE)


def test_text():
    text = emit(array(16, 16), "weft_systolic_array")
    modules = re.findall(r"^module (\w+)", text, re.M)
    assert sorted(modules) == [
        "weft_deskew_16x20",
        "weft_mesh",
        "weft_multiplier",
        "weft_pe",
        "weft_row",
        "weft_skew_16x8",
        "weft_systolic_array",
    ]
    assert len(re.findall(r"^  weft_pe pe_\d+ \(", text, re.M)) == 16
    assert len(re.findall(r"^  weft_row row_\d+ \(", text, re.M)) == 16
    assert len(text) <= 26_000
    assert text == emit(array(16, 16), "weft_systolic_array")


def test_text_of_a_large_array():
    assert len(emit(array(128, 128), "weft_systolic_array")) <= 200_000


@pytest.mark.full
def test_time_of_a_large_array():
    """At most 3 seconds, the best of three: the machine may be busy."""
    best = float("inf")
    for _ in range(3):
        start = time.monotonic()
        emit(array(128, 128), "weft_systolic_array")
        best = min(best, time.monotonic() - start)
    assert best <= 3


SIZE = {"rows": 4, "cols": 4, "partial_sum_width": 18}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SystolicArray(**SIZE | {"rows": 0}), "rows must be from 1 to 256, not 0"),
        (lambda: SystolicArray(**SIZE | {"cols": 257}), "cols must be from 1 to 256, not 257"),
        (
            lambda: SystolicArray(**SIZE | {"partial_sum_width": 17}),
            "partial_sum_width must be at least 18 to hold 4 products, not 17",
        ),
        (
            lambda: PE(partial_sum_width=15),
            "partial_sum_width must be at least 16 to hold a product, not 15",
        ),
        (
            lambda: PE(weight_width=1, partial_sum_width=16),
            "weight_width must be at least 2, not 1",
        ),
        (
            lambda: PE(partial_sum_width=16, family="ice40", span=3),
            "span must be a multiple of 2, the lanes of ICE40Multiplier, not 3",
        ),
        (lambda: Skew(count=0, width=8), "count must be at least 1, not 0"),
        (lambda: Delay(width=8, cycles=0), "cycles must be at least 1, not 0"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make()


def test_partial_sum_width_agrees_with_the_configuration():
    for rows in range(1, 257):
        width = Config(rows=rows, cols=1).partial_sum_width
        SystolicArray(rows=rows, cols=1, partial_sum_width=width)
        with pytest.raises(ValueError, match="partial_sum_width"):
            SystolicArray(rows=rows, cols=1, partial_sum_width=width - 1)


@pytest.mark.parametrize(
    "component",
    [
        PE(partial_sum_width=20),
        Row(cols=2, partial_sum_width=20),
        Mesh(rows=2, cols=3, partial_sum_width=20),
        Skew(count=2, width=3),
        Delay(width=3, cycles=2),
        array(2, 3),
    ],
    ids=lambda component: type(component).__name__,
)
def test_docstring_names_every_member(component):
    section = type(component).__doc__.partition("Members\n")[2]
    for member in component.signature.members:
        assert re.search(rf"\b{member}\b", section), member
