# SPDX-License-Identifier: Apache-2.0
"""Semaphores between all units, places in memory, and proofs of rescalings."""

import numpy as np
import pytest

import weft
from weft.compiler.checker import check
from weft.compiler.network.operations import DRAM, Operation
from weft.compiler.network.pipeline import check_memory
from weft.compiler.network.placement import Lifetime, Scratchpad, place_in_dram
from weft.compiler.network.pooling import runs
from weft.compiler.network.rescaling import find_rescaling
from weft.compiler.network.synchronize import in_order, synchronize
from weft.compiler.program import Program, SegmentNeed
from weft.graph import ModelError
from weft.hdl.isa import Memory, Opcode
from weft.operators.pooling import divide_half_away

CONFIG = weft.Config.preset("tiny")


def load(address):
    place = (Memory.ACTIVATION.value, address, address + 1)
    return Operation(Opcode.LOAD, {"memory": 0, "address": address, "bytes": 4}, [], [place],
                     (1, 1, 1))


def store(address):
    place = (Memory.ACTIVATION.value, address, address + 1)
    values = {"memory": 0, "address": address, "segment": 1, "bytes": 4, "offset": 4 * address}
    return Operation(Opcode.STORE, values, [place], [(DRAM, 4 * address, 4 * address + 4)],
                     (1, 1, 1))


def move(source, target):
    values = {"source_address": source, "destination_address": target}
    return Operation(Opcode.VECTOR, values, [(Memory.ACTIVATION.value, source, source + 1)],
                     [(Memory.ACTIVATION.value, target, target + 1)], (0, 1, 1))


def program(operations):
    synchronize(CONFIG, operations, 1 << 14)
    ordered, cost = in_order(CONFIG, operations)
    assert cost.cycles > 0
    return Program([item.instruction() for item in ordered],
                   [SegmentNeed(0, "in", 64), SegmentNeed(1, "out", 1 << 14, "scratch")], CONFIG)


def test_many_signals_before_the_first_wait_do_not_overflow():
    operations = [load(n) for n in range(300)] + [store(n) for n in range(300)]
    assert check(CONFIG, program(operations)) == []


def test_a_producer_that_runs_ahead_is_held_back():
    operations = []
    for number in range(300):
        operations += [load(number), store(number)]
    assert check(CONFIG, program(operations)) == []


@pytest.mark.parametrize("seed", range(8))
def test_random_orders_of_all_units_have_no_race(seed):
    random = np.random.default_rng(seed)
    operations = [load(n) for n in range(12)]
    for _ in range(200):
        kind = random.integers(3)
        a, b = (int(n) for n in random.choice(12, 2, replace=False))
        operations.append([load(a), store(a), move(a, b)][kind])
    made = program(operations)
    assert check(CONFIG, made) == []
    waits = sum(bin(i.wait).count("1") for i in made.instructions)
    assert waits < 2 * len(made), "waits that others imply are left out"


def test_places_in_dram_do_not_overlap_in_time():
    random = np.random.default_rng(1)
    items = []
    for number in range(60):
        first = int(random.integers(0, 20))
        items.append(Lifetime(str(number), int(random.integers(1, 5000)), first,
                              first + int(random.integers(0, 6))))
    places, size = place_in_dram(items)
    for a in items:
        assert places[a.name] % 64 == 0 and places[a.name] + a.size <= size
        for b in items:
            if a is not b and a.first <= b.last and b.first <= a.last:
                assert (places[a.name] + a.size <= places[b.name]
                        or places[b.name] + b.size <= places[a.name])
    assert size < sum(item.size for item in items) / 2


@pytest.mark.parametrize("constants, tensors, said", [
    (1 << 32, 64, "constants and tensors take 4,294,967,360 bytes"),
    (64, (1 << 32) + 1, "tensors take 4,294,967,297 bytes"), ((1 << 33), 64, "constants take"),
])
def test_segments_that_offsets_do_not_reach(constants, tensors, said):
    with pytest.raises(ModelError, match=said):
        check_memory(CONFIG, constants, tensors)
    check_memory(CONFIG.replace(axi_address_width=40), 1 << 32, 1 << 32)


def test_the_scratchpad_gives_ranges_that_do_not_overlap():
    random = np.random.default_rng(2)
    pad = Scratchpad(256)
    for step in range(300):
        base = pad.place(str(step), int(random.integers(1, 60)))
        if base is None:
            pad.free(next(iter(pad.used)))
        spans = sorted(pad.used.values())
        assert all(a[1] <= b[0] for a, b in zip(spans[:-1], spans[1:], strict=True))
        assert not spans or spans[-1][1] <= 256
    first, size = pad.largest_gap()
    assert first + size <= 256


def test_what_is_read_at_one_time_lies_in_different_banks():
    pad = Scratchpad(256)
    assert pad.place("first", 60) == 0
    second = pad.place("second", 60, [pad.used["first"]])
    assert second == 196 and pad.largest_gap() == (60, 136), "and leaves one large gap"
    assert pad.other_bank("second") == (0, 128)
    assert pad.largest_gap_within((0, 128)) == (60, 68)
    third = pad.place("third", 100, [pad.other_bank("second")])
    assert third == 96, "as much in the second bank as there is"
    assert pad.place("fourth", 37, [pad.used["first"]]) is None


@pytest.mark.parametrize("count", [*range(1, 130), 255, 343, 1000, 49 * 49, 4096])
def test_averages_are_exact_for_every_sum(count):
    def function(sums):
        return divide_half_away(sums, count)

    low, high = -128 * count, 127 * count
    found = find_rescaling(function, low, high, 1 / count)
    assert found is not None and found.legal
    values = np.arange(low, high + 1)
    assert np.array_equal(found.apply(values, "tflite"), function(values))


def test_windows_at_the_borders_are_runs_of_their_own():
    assert runs(0, 5, 3, 1, 1, 5) == [(0, 1, 0, 2), (1, 4, 0, 3), (4, 5, 3, 2)]
    assert runs(2, 3, 2, 2, 0, 6) == [(2, 3, 4, 2)]
