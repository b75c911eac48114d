# SPDX-License-Identifier: Apache-2.0
"""Cocotb tests of VectorUnit with its memories, whose other ports are busy."""

import cocotb
import numpy as np
from axi_agents import Bench, UnitControl
from vector_model import (
    FLAGS,
    Fault,
    VectorModel,
    is_defined,
    legal_flags,
    random_vector,
    reserved,
)

from weft.hdl.config import Config
from weft.hdl.isa import Instruction, Memory, Opcode, Unit
from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import reset, start_clock


class Others:
    """The other users of the memories: MATMUL, store and load, each at its own rate."""

    def __init__(self, bench, config, random):
        self.wires, self.config, self.random = bench.wires, config, random
        self.rates = dict.fromkeys(("matmul", "update", "read", "write"), 0.0)
        self.scripts = {}
        self.held = {}
        self.answers = {"activation": [], "accumulator": []}
        self.expected = dict.fromkeys(self.answers, 0)
        bench.add(self)

    def _hit(self, name):
        rate = self.rates[name]
        return bool(rate) and self.random.random() < rate

    def script(self, port, payloads):
        """Queue payloads for a stream."""
        self.scripts.setdefault(port, []).extend(payloads)

    @property
    def scripted(self):
        return any(self.scripts.values()) or any(
            len(self.answers[name]) < count for name, count in self.expected.items()
        )

    def _stream(self, port, draw):
        """Keep an offer until it is taken, else make one from the script, or at random."""
        if port not in self.held:
            if self.scripts.get(port):
                self.held[port] = self.scripts[port][0], True
            else:
                payload = draw()
                if payload is not None:
                    self.held[port] = payload, False
        offer = self.held.get(port)
        self.wires.set(f"{port}__valid", int(offer is not None))
        self.wires.set(f"{port}__payload", 0 if offer is None else offer[0])

    def drive(self, cycle):
        put, config, random = self.wires.set, self.config, self.random
        put("matmul_read__enable", int(self._hit("matmul")))
        put("matmul_read__address", random.randrange(config.activation_depth))
        # Updates and writes go to words that no instruction touches.
        half = config.accumulator_depth // 2
        put("update__valid", int(self._hit("update")))
        put("update__accumulate", random.randrange(2))
        put("update__address", random.choice([half - 1, 2 * half - 1]))
        put("update__data", random.getrandbits(config.cols * config.partial_sum_width))
        for name, depth, bits in (
            ("activation", config.activation_depth, 8 * config.rows),
            ("accumulator", config.accumulator_depth, 32 * config.cols),
        ):
            width = (depth - 1).bit_length()
            places = depth // 2 - 1, depth - 1

            def write(places=places, width=width, bits=bits):
                if self._hit("write"):
                    return random.choice(places) | random.getrandbits(bits) << width
                return None

            def read(depth=depth):
                return random.randrange(depth) if self._hit("read") else None

            self._stream(f"{name}_write", write)
            self._stream(f"{name}_read", read)
        for name in ("parameter_write", "table_write"):
            self._stream(name, lambda: None)

    def observe(self, cycle):
        # No control output is ever X, whatever the memories hold; `Wires.get` looks.
        for name in self.answers:
            for port in ("read__ready", "write__ready", "read_data__valid"):
                self.wires.get(f"{name}_{port}")
        for port, (_, scripted) in list(self.held.items()):
            if self.wires.get(f"{port}__ready"):
                del self.held[port]
                if scripted:
                    self.scripts[port].pop(0)
        for name, answers in self.answers.items():
            if self.wires.get(f"{name}_read_data__valid") and len(answers) < self.expected[name]:
                answers.append(self.wires.get(f"{name}_read_data__data"))


class VectorBench:
    def __init__(self, dut, turn=0, *, gap=0.0):
        self.dut = dut
        self.random = random = bench_random()
        random.seed(f"{random.random()}{turn}")
        self.config = config = Config.from_dict(bench_parameters()["config"])
        self.model = VectorModel(config, np.random.default_rng(random.getrandbits(32)))
        self.bench = Bench(dut)
        self.unit = UnitControl(self.bench, random=random, gap=gap)
        self.others = Others(self.bench, config, random)
        self.widths = {"activation": 8, "accumulator": 32}
        self.written_cycles = []
        start_clock(dut)

    async def start(self):
        for agent in self.bench.agents:
            agent.drive(0)
        self.dut.command__valid.value = 0
        await reset(self.dut)
        others, model, config = self.others, self.model, self.config
        for name, bits in self.widths.items():
            words = getattr(model, name)
            width = (len(words) - 1).bit_length()
            others.script(
                f"{name}_write",
                [n | pack(word, bits) << width for n, word in enumerate(words)],
            )
        width = (config.parameter_depth - 1).bit_length()
        others.script(
            "parameter_write",
            [n | model.parameter_word(n) << width for n in range(config.parameter_depth)],
        )
        others.script("table_write", [n | int(v) % 256 << 8 for n, v in enumerate(model.table)])
        await self.bench.run_until(lambda: not others.scripted, 5000)
        return self

    def busy(self, *, high=0.7):
        """Let the others work at random rates."""
        random = self.random
        self.others.rates = {
            name: random.choice([0.0, 0.2, high]) for name in self.others.rates
        }

    def quiet(self):
        self.others.rates = dict.fromkeys(self.others.rates, 0.0)

    def pick(self, accept, **fixed):
        """A random instruction that leaves the reserved words alone and has a defined result."""
        while True:
            i = random_vector(self.random, self.config, **fixed)
            trial = self.model.copy()
            fault = None
            try:
                trial.execute(i)
            except Fault as error:
                fault = error
            if trial.touched & reserved(self.config) or not is_defined(self.config, i):
                continue
            if accept(i, fault):
                return i, fault

    def program(self, count):
        """Legal instructions, not yet executed by the model."""
        items = []
        for _ in range(count):
            if self.random.random() < 0.08:
                items.append(
                    Instruction(
                        Opcode.SYNC, {"unit": Unit.VECTOR.value}, signal=self.random.getrandbits(16)
                    )
                )
            else:
                items.append(self.pick(lambda i, fault: fault is None)[0])
        return items

    async def memories(self):
        """Both memories as the store unit reads them, without the reserved words."""
        others, result = self.others, {}
        self.quiet()
        await self.bench.run(5)
        for name in self.widths:
            model = getattr(self.model, name)
            others.answers[name].clear()
            others.expected[name] = len(model)
            others.script(f"{name}_read", range(len(model)))
        await self.bench.run_until(lambda: not others.scripted, 5000)
        for name, bits in self.widths.items():
            cols = getattr(self.model, name).shape[1]
            words = [unpack(word, bits, cols) for word in others.answers[name]]
            result[name] = np.array(words, np.int64)
        return result

    def same(self, found, model):
        for name, values in found.items():
            wanted = getattr(model, name).copy()
            for memory, word in reserved(self.config):
                if memory.name.lower() == name:
                    wanted[word] = values[word]
            if not np.array_equal(values, wanted):
                self.difference = name, np.argwhere(values != wanted)[:5].tolist()
                return False
        return True

    async def check(self):
        found = await self.memories()
        assert self.same(found, self.model), self.difference

    def check_signals(self, program, first=0):
        expected = [(n, i.signal) for n, i in enumerate(program, first) if i.signal]
        assert [item[:2] for item in self.unit.signals] == expected


def pack(values, bits):
    return sum((int(value) % (1 << bits)) << bits * n for n, value in enumerate(values))


def unpack(word, bits, count):
    half = 1 << (bits - 1)
    parts = [(word >> bits * n) % (2 * half) for n in range(count)]
    return [part - 2 * half if part >= half else part for part in parts]


@cocotb.test()
async def random_instructions(dut):
    for turn in range(bench_parameters()["turns"]):
        test = await VectorBench(dut, turn, gap=bench_random().choice([0.0, 0.4])).start()
        program = test.program(bench_parameters()["count"])
        for instruction in program:
            test.model.execute(instruction)
        if turn:
            test.busy()
        test.unit.put(program, 3)
        await test.bench.run_until(lambda t=test: t.unit.drained, 40000)
        await test.bench.run(3)
        assert not test.unit.errors
        test.check_signals(program, 3)
        await test.check()


@cocotb.test()
async def every_operation(dut):
    """Each legal set of flags between each two memories, the others busy."""
    test = await VectorBench(dut).start()
    program = [
        test.pick(lambda i, fault: fault is None, memories=memories, flags=flags, most=40)[0]
        for memories in np.ndindex(2, 2) for flags in legal_flags(memories[1])
    ]
    test.random.shuffle(program)
    for instruction in program:
        test.model.execute(instruction)
    test.busy(high=0.5)
    test.unit.put(program)
    await test.bench.run_until(lambda: test.unit.drained, 40000)
    await test.bench.run(3)
    assert not test.unit.errors
    test.check_signals(program)
    await test.check()


@cocotb.test()
async def faults_stop_the_unit(dut):
    for turn in range(bench_parameters()["faults"]):
        test = await VectorBench(dut, turn).start()
        program = test.program(test.random.randrange(4))
        for instruction in program:
            test.model.execute(instruction)
        kind = test.random.choice([Memory.ACTIVATION, Memory.ACCUMULATOR, Memory.PARAMETER])
        while True:
            i, fault = test.pick(lambda i, fault: True)
            if kind is Memory.PARAMETER and i.flags & FLAGS["requantize"]:
                depth = test.config.parameter_depth
                values = {**i.values, "parameter_address": depth - test.random.randrange(2)}
                i = Instruction(i.opcode, values, flags=i.flags, signal=i.signal)
            trial = test.model.copy()
            try:
                trial.execute(i)
            except Fault as error:
                if error.args[1] >> 29 == kind.value:
                    fault = error
                    break
        test.model = trial
        index = len(program)
        program += [i, *test.program(2)]
        test.busy()
        test.unit.put(program)
        await test.bench.run_until(lambda t=test: t.unit.errors, 10000)
        await test.bench.run(60)
        code, address = fault.args
        assert test.unit.errors == [(code.value, index, address)]
        assert test.unit.idle
        test.check_signals(program[:index])
        await test.check()


@cocotb.test()
async def halt_drains(dut):
    for turn in range(bench_parameters()["faults"]):
        test = await VectorBench(dut, turn).start()
        program = test.program(8)
        test.busy(high=0.5)
        test.unit.put(program)
        await test.bench.run(test.random.randrange(5, 250))
        test.unit.halt = 1
        await test.bench.step()
        signals = len(test.unit.signals)
        await test.bench.run_until(lambda t=test: t.unit.idle, 400)
        found = await test.memories()
        again = await test.memories()
        assert len(test.unit.signals) == signals
        for name in found:
            assert np.array_equal(found[name], again[name]), "written after idle"
        # What is there is the result of some first chunks of the program.
        states = [test.same(found, test.model)]
        for i in program:
            if i.opcode is Opcode.VECTOR and not any(states):
                for _ in test.model.chunks(i):
                    states.append(test.same(found, test.model))
                    if states[-1]:
                        break
        assert any(states)


def vector(config, flags=(), **values):
    return Instruction(
        Opcode.VECTOR, values, flags=sum(FLAGS[name] for name in flags), signal=1
    )


async def measure(dut, program, words):
    """Signals come as far apart as the instruction has words, but at least two cycles, the first
    after the latency."""
    test = await VectorBench(dut).start()
    for instruction in program:
        test.model.execute(instruction)
    test.unit.put(program)
    await test.bench.run_until(lambda: test.unit.drained, 8000)
    await test.bench.run(3)
    cycles = [cycle for _, _, cycle in test.unit.signals]
    gaps = [b - a for a, b in zip(cycles, cycles[1:], strict=False)]
    expected = [max(2, count) for count in words[1:]]
    assert gaps == expected, f"{gaps} cycles between signals instead of {expected}"
    start = cycles[0] - test.unit.accepted[0] - words[0]
    assert start == bench_parameters()["start"], start
    await test.check()


@cocotb.test()
async def a_word_a_cycle(dut):
    config = Config.from_dict(bench_parameters()["config"])
    half = config.activation_depth // 2
    per_word = config.cols // config.lanes
    whole = config.rows // config.lanes
    program = [
        # Requantize a tile, twice; look up other words; pool; to the accumulator and back.
        vector(config, ["requantize"], source_memory=1, source_address=n, chunks=per_word,
               count_x=8, source_stride_x=1, destination_address=n, destination_stride_x=2)
        for n in range(2)
    ]
    words = [8 * per_word] * 2
    program += [
        vector(config, ["table"], source_address=half, destination_address=half + 9,
               chunks=whole, count_y=3, count_x=3, source_stride_y=3, source_stride_x=1,
               destination_stride_y=3, destination_stride_x=1),
        vector(config, ["sum", "requantize", "uniform"], source_address=half + 2,
               window_y=2, window_x=2, window_stride_y=2, window_stride_x=1,
               destination_address=half + 20, chunks=whole, count_x=3, source_stride_x=1,
               destination_stride_x=1),
        vector(config, ["add", "requantize"], source_address=0, destination_memory=1,
               destination_address=9, chunks=whole, count_x=6, source_stride_x=1,
               destination_stride_x=-(-whole // per_word)),
    ]
    words += [9 * whole, 12 * whole, 6 * whole]
    if 9 * whole < 40 or 8 * per_word < 40:
        # Too short: the pooling would wait for the table's results, the sum for the first tile.
        program, words = program[:3], words[:3]
    await measure(dut, program, words)


@cocotb.test()
async def many_short_instructions(dut):
    """Each has one chunk, and as many are in hand as there can be."""
    config = Config.from_dict(bench_parameters()["config"])
    program = [
        vector(config, ["requantize"], source_memory=1, source_address=n, destination_address=n)
        for n in range(16)
    ]
    await measure(dut, program, [1] * 16)


@cocotb.test()
async def older_results_are_waited_for_once(dut):
    """An instruction that reads what the one before it writes starts when that has been written,
    and takes a word a cycle from then on."""
    config = Config.from_dict(bench_parameters()["config"])
    whole = config.rows // config.lanes
    step = vector(config, ["table"], chunks=whole, count_x=12, source_stride_x=1,
                  destination_stride_x=1)
    test = await VectorBench(dut).start()
    program = [step, step]
    for instruction in program:
        test.model.execute(instruction)
    test.unit.put(program)
    await test.bench.run_until(lambda: test.unit.drained, 8000)
    (_, _, first), (_, _, second) = test.unit.signals
    words = 12 * whole
    assert words < second - first <= words + bench_parameters()["start"]
    await test.check()
