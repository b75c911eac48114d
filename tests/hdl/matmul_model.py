# SPDX-License-Identifier: Apache-2.0
"""MATMUL as its format describes it, in nested loops, and random instructions for it."""

from __future__ import annotations

import numpy as np

from weft.hdl.config import Config
from weft.hdl.isa import ACCUMULATE_FLAG, Instruction, Memory, Opcode, Unit


class Fault(Exception):
    """An address beyond a memory."""

    def __init__(self, memory, address):
        super().__init__(f"{memory.name} word {address}")
        self.reported = memory.value << 29 | address


class Model:
    """Three memories and the unit, one vector at a time."""

    def __init__(self, config: Config, random):
        self.config = config
        generator = np.random.default_rng(random.getrandbits(64))
        rows, cols = config.rows, config.cols
        self.activations = generator.integers(-128, 128, (config.activation_depth, rows))
        self.weights = generator.integers(-128, 128, (config.weight_depth, cols))
        self.accumulator = generator.integers(-(2**31), 2**31, (config.accumulator_depth, cols))
        self.accumulator = self.wrap(self.accumulator)

    def wrap(self, values):
        half = 1 << (self.config.accumulator_width - 1)
        return (np.asarray(values) + half) % (2 * half) - half

    def word(self, memory, values, address):
        if address >= len(values):
            raise Fault(memory, address)
        return values[address]

    def tile(self, i, block, channel):
        """Weights of a block; rows are read from the bottom up."""
        rows, cols = self.config.rows, self.config.cols
        tile = np.zeros((rows, cols), dtype=np.int64)
        used = i["last_rows"] if channel == i["channel_blocks"] - 1 else rows
        for row in reversed(range(used)):
            address = (
                i["weight_address"]
                + block * i["weight_stride_block"]
                + row * i["weight_stride_row"]
            )
            tile[row] = self.word(Memory.WEIGHT, self.weights, address)
        return tile

    def vectors(self, i):
        """Execute an instruction; yields after each accumulator word written."""
        accumulate = bool(i.flags & ACCUMULATE_FLAG)
        block = 0
        for ky in range(i["kernel_y"]):
            for kx in range(i["kernel_x"]):
                for channel in range(i["channel_blocks"]):
                    tile = self.tile(i, block, channel)
                    for y in range(i["output_y"]):
                        for x in range(i["output_x"]):
                            source = (
                                i["activation_address"]
                                + ky * i["activation_stride_kernel_y"]
                                + kx * i["activation_stride_kernel_x"]
                                + channel * i["activation_stride_channel"]
                                + y * i["activation_stride_y"]
                                + x * i["activation_stride_x"]
                            )
                            target = (
                                i["accumulator_address"]
                                + y * i["accumulator_stride_y"]
                                + x * i["accumulator_stride_x"]
                            )
                            vector = self.word(Memory.ACTIVATION, self.activations, source)
                            old = self.word(Memory.ACCUMULATOR, self.accumulator, target)
                            result = vector @ tile
                            if accumulate or block:
                                result = result + old
                            self.accumulator[target] = self.wrap(result)
                            yield target
                    block += 1


LOOPS = ("kernel_y", "kernel_x", "channel_blocks", "output_y", "output_x")
ACTIVATION_STRIDES = (
    "activation_stride_kernel_y",
    "activation_stride_kernel_x",
    "activation_stride_channel",
    "activation_stride_y",
    "activation_stride_x",
)


def field_high(name):
    matching = [f for f in Instruction(Opcode.MATMUL, {}).format.fields if f.name == name]
    return matching[0].high


def place(random, depth, address, strides, counts):
    """Random start and strides that keep every combination within ``depth``."""
    values = {address: random.randrange(depth)}
    if random.random() < 0.7:
        values[address] = random.randrange(max(1, depth // 4))
    room = depth - 1 - values[address]
    for stride, count in random.sample(list(zip(strides, counts, strict=True)), len(counts)):
        high = field_high(stride)
        if count > 1:
            high = min(high, room // (count - 1))
            if random.random() < 0.6:
                high = min(high, 2)
        values[stride] = random.randint(0, high)
        room -= values[stride] * (count - 1) if count > 1 else 0
    return values


def random_matmul(random, config, *, vectors=40, signal=None, accumulator_words=None):
    """A legal MATMUL of about ``vectors`` activation vectors at most."""
    counts = dict.fromkeys(LOOPS, 1)
    budget = random.randint(1, vectors)
    for name in random.sample(LOOPS, len(LOOPS)):
        counts[name] = random.randint(1, min(budget, 16))
        if random.random() < 0.3:
            counts[name] = 1
        budget = max(1, budget // counts[name])
    last_rows = random.choice([config.rows, random.randint(1, config.rows)])
    rows = config.rows if counts["channel_blocks"] > 1 else last_rows
    blocks = counts["kernel_y"] * counts["kernel_x"] * counts["channel_blocks"]
    values = {
        **counts,
        "last_rows": last_rows,
        **place(
            random,
            config.activation_depth,
            "activation_address",
            ACTIVATION_STRIDES,
            [counts[name] for name in LOOPS],
        ),
        **place(
            random,
            config.weight_depth,
            "weight_address",
            ("weight_stride_block", "weight_stride_row"),
            [blocks, rows],
        ),
        **place(
            random,
            accumulator_words or config.accumulator_depth,
            "accumulator_address",
            ("accumulator_stride_y", "accumulator_stride_x"),
            [counts["output_y"], counts["output_x"]],
        ),
    }
    return Instruction(
        Opcode.MATMUL,
        values,
        flags=random.choice([0, ACCUMULATE_FLAG]),
        signal=random.getrandbits(16) if signal is None else signal,
    )


def random_sync(random):
    return Instruction(Opcode.SYNC, {"unit": Unit.MATMUL.value}, signal=random.getrandbits(16))
