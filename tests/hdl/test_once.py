# SPDX-License-Identifier: Apache-2.0
"""Elaborate once, instantiate by name: Once, ModuleLibrary and Chain."""

import re

import pytest
from amaranth import Module, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from weft.hdl.chain import Chain
from weft.hdl.once import ModuleLibrary, Once


class Adder(wiring.Component):
    """Registered ``o = i + increment`` that counts its elaborations."""

    elaborations = 0

    def __init__(self, increment=1, name="adder", width=8):
        self.increment = increment
        self.module_name = name
        super().__init__({"i": In(signed(width)), "o": Out(signed(width)), "add": In(1)})

    def elaborate(self, platform):
        Adder.elaborations += 1
        m = Module()
        with m.If(self.add):
            m.d.sync += self.o.eq(self.i + self.increment)
        return m


class Pair(wiring.Component):
    """Two adders in series, wired by hand."""

    i: In(signed(8))
    o: Out(signed(8))

    def __init__(self, first=None, second=None):
        self._adders = (first or Adder(), second or Adder())
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        value = self.i
        for index, adder in enumerate(self._adders):
            m.submodules[f"adder_{index}"] = adder = Once(adder)
            m.d.comb += [adder.i.eq(value), adder.add.eq(1)]
            value = adder.o
        m.d.comb += self.o.eq(value)
        return m


def chain(count=3):
    return Chain(Adder, count, module_name=f"chain_{count}", links={"i": "o"}, prefix="adder")


def run(dut, bench):
    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()


def test_simulates_without_a_library():
    dut = Pair()

    async def bench(context):
        context.set(dut.i, 40)
        await context.tick().repeat(3)
        assert context.get(dut.o) == 42

    run(dut, bench)


def test_elaborates_once_and_forwards_attributes():
    Adder.elaborations = 0
    with ModuleLibrary() as library:
        library.define(Pair(), "pair")
    assert Adder.elaborations == 1
    assert list(library.definitions) == ["adder", "pair"]
    assert library.definitions["pair"].text.count("cell \\adder ") == 2
    assert Once(Adder(increment=3)).increment == 3
    assert ModuleLibrary.active() is None


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Adder(increment=2), "attribute increment is 2, not 1; put every parameter"),
        (Adder(width=9), "its signature is"),
    ],
)
def test_refuses_equal_names_for_different_hardware(other, message):
    with ModuleLibrary() as library, pytest.raises(ValueError, match=message):
        library.define(Pair(Adder(), other), "pair")


def test_equal_components_without_a_name_share_a_module():
    class Holder(wiring.Component):
        def elaborate(self, platform):
            m = Module()
            for number, increment in enumerate((1, 2, 1)):
                m.submodules[f"step_{number}"] = step = Once(Stepper(increment))
                m.d.comb += step.i.eq(self.i)
            return m

    class Stepper(wiring.Component):
        def __init__(self, increment):
            self.increment = increment
            super().__init__({"i": In(4), "o": Out(4)})

        def elaborate(self, platform):
            m = Module()
            m.d.comb += self.o.eq(self.i + self.increment)
            return m

    with ModuleLibrary() as library:
        library.define(Holder({"i": In(4)}), "holder")
    assert list(library.definitions) == ["weft_stepper", "weft_stepper_2", "holder"]
    cells = re.findall(r"cell \\(\S+) \\step_\d", library.definitions["holder"].text)
    assert cells == ["weft_stepper", "weft_stepper_2", "weft_stepper"]


def test_refuses_what_has_no_name():
    class Numbered(wiring.Component):
        module_name = 3

    with pytest.raises(TypeError, match="module_name of .*Numbered must be a str, not 3"):
        Once(Numbered({}))
    with pytest.raises(TypeError, match="wraps a wiring.Component, not 3"):
        Once(3)
    with ModuleLibrary() as library, pytest.raises(ValueError, match="not 'a b'"):
        library.define(Pair(), "a b")


def test_chain_members_follow_the_roles():
    members = chain().signature.members
    assert members["i"] == In(signed(8))
    assert members["o"] == Out(signed(8))
    assert members["add"] == In(data.ArrayLayout(1, 3))


def test_chain_simulates():
    dut = chain()

    async def bench(context):
        context.set(dut.i, 10)
        context.set(dut.add, [1, 1, 1])
        await context.tick().repeat(4)
        assert context.get(dut.o) == 13
        context.set(dut.add, [1, 1, 0])
        context.set(dut.i, 0)
        await context.tick().repeat(4)
        assert context.get(dut.o) == 13

    run(dut, bench)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count must be an integer of at least 1, not 0"),
        ({"links": {"o": "i"}}, "'o' must be an input of the stage"),
        ({"shared": ["carry"]}, "whose members are i, o, add"),
        ({"links": {"add": "o"}}, "link 'o' -> 'add' joins 8 bits to 1"),
    ],
)
def test_chain_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        Chain(Adder, **({"count": 2, "module_name": "bad"} | arguments))


class WideAdder(wiring.Component):
    """Two of `Adder` in one stage."""

    span = 2
    module_name = "wide_adder"

    def __init__(self):
        super().__init__(
            {"i": In(signed(8)), "o": Out(signed(8)), "add": In(data.ArrayLayout(1, 2))}
        )

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.o.eq(self.i + self.add[0] + self.add[1])
        return m


def mixed():
    stages = [Adder, WideAdder, Adder]
    return Chain(stages, module_name="mixed", links={"i": "o"}, prefix="adder")


def test_chain_of_several_kinds_simulates():
    dut = mixed()
    assert dut.signature.members["add"] == In(data.ArrayLayout(1, 4))

    async def bench(context):
        context.set(dut.i, 10)
        # The chain ends hold without their bit; the wide stage adds its two.
        for add, expected in (([1, 1, 1, 1], 14), ([1, 0, 1, 1], 13), ([1, 1, 0, 0], 13)):
            context.set(dut.add, add)
            await context.tick().repeat(4)
            assert context.get(dut.o) == expected

    run(dut, bench)


def test_chain_of_several_kinds_is_emitted_with_their_slices():
    with ModuleLibrary() as library:
        text = library.define(mixed(), "mixed").text
    slices = re.findall(r"connect \\add \\add \[(\d+):(\d+)\]", text)
    assert slices == [("0", "0"), ("2", "1"), ("3", "3")]
    assert re.findall(r"cell \\(\w+) \\(\w+)", text)[1] == ("wide_adder", "adder_1")


@pytest.mark.parametrize("stages", [[], [Adder]])
def test_chain_refuses_a_sequence(stages):
    with pytest.raises(ValueError, match="a sequence of stages must hold at least one"):
        Chain(stages, len(stages) or None, module_name="bad")
