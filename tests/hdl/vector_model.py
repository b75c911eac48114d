# SPDX-License-Identifier: Apache-2.0
"""What VECTOR does, chunk after chunk, and random instructions for its benches."""

from itertools import combinations

import numpy as np

from weft.hdl.isa import FORMATS, ErrorCode, Instruction, Memory, Opcode
from weft.sim.requantize import scale_fixed_point, scale_float

FLAGS = {name: bit for name, (bit, _) in FORMATS[Opcode.VECTOR].flags.items()}


class Fault(Exception):
    """Code, and address as the error register shows it."""


class VectorModel:
    """Memories, filled at random, and a VECTOR as a generator that yields at each chunk written."""

    def __init__(self, config, draw):
        self.config = config
        self.activation = draw.integers(
            -128, 128, (config.activation_depth, config.rows), np.int64
        )
        half = 1 << (config.accumulator_width - 1)
        shape = config.accumulator_depth, config.cols
        self.accumulator = draw.integers(-half, half, shape, np.int64)
        self.accumulator >>= draw.integers(0, 31, shape)
        self.table = draw.integers(-128, 128, 256, np.int64)
        shape = config.parameter_depth, config.lanes
        usual = draw.random(shape) < 0.6
        self.bias = draw.integers(-(2**31), 2**31, shape, np.int64) >> draw.integers(0, 31, shape)
        if config.requantize == "tflite":
            self.multiplier = np.where(
                usual, draw.integers(1 << 30, 1 << 31, shape), draw.integers(-(2**31), 2**31, shape)
            )
        else:
            power = np.where(usual, draw.integers(-22, 1, shape), draw.integers(-120, 120, shape))
            scale = np.ldexp(draw.uniform(1, 2, shape), power).astype("<f4")
            self.multiplier = scale.view("<i4").astype(np.int64)
        self.left = np.where(usual, 0, draw.integers(0, 32, shape))
        self.right = np.where(usual, draw.integers(0, 24, shape), draw.integers(0, 32, shape))
        self.touched = set()

    def copy(self):
        """Another model with the same memories."""
        other = object.__new__(type(self))
        other.__dict__ = dict(self.__dict__)
        other.activation, other.accumulator = self.activation.copy(), self.accumulator.copy()
        other.touched = set()
        return other

    def parameter_word(self, word):
        """A word as LOAD writes it."""
        lanes = zip(
            self.bias[word], self.multiplier[word], self.left[word], self.right[word], strict=True
        )
        value = 0
        for lane, (bias, multiplier, left, right) in enumerate(lanes):
            bits = int(bias) & 0xFFFFFFFF | (int(multiplier) & 0xFFFFFFFF) << 32
            bits |= int(left) << 64 | int(right) << 72
            value |= bits << 96 * lane
        return value

    def _memory(self, number):
        return (self.activation, self.accumulator)[number]

    def _check(self, memory, word, depth):
        if word >= depth:
            raise Fault(ErrorCode.MEMORY_RANGE, memory.value << 29 | word)
        self.touched.add((memory, word))

    def chunks(self, i):
        """Run one instruction, yielding after each chunk; raises Fault at the first bad word."""
        lanes = self.config.lanes
        source, target = self._memory(i["source_memory"]), self._memory(i["destination_memory"])
        names = Memory.ACTIVATION, Memory.ACCUMULATOR
        wide = i["destination_memory"]
        has = {name: bool(i.flags & bit) for name, bit in FLAGS.items()}
        for y, x in np.ndindex(i["count_y"], i["count_x"]):
            for chunk in range(i["chunks"]):
                element = i["source_element"] + chunk * lanes
                step, at = divmod(element, source.shape[1])
                first = i["source_address"] + y * i["source_stride_y"] + x * i["source_stride_x"]
                value = None
                for wy, wx in np.ndindex(i["window_y"], i["window_x"]):
                    word = first + step + wy * i["window_stride_y"] + wx * i["window_stride_x"]
                    self._check(names[i["source_memory"]], word, len(source))
                    item = source[word, at : at + lanes]
                    if value is None:
                        value = item
                    else:
                        value = wrap(value + item) if has["sum"] else np.maximum(value, item)
                if has["requantize"]:
                    word = i["parameter_address"] + (0 if has["uniform"] else chunk)
                    self._check(Memory.PARAMETER, word, self.config.parameter_depth)
                    value = self._scale(word, value)
                element = i["destination_element"] + chunk * lanes
                step, at = divmod(element, target.shape[1])
                word = i["destination_address"] + step
                word += y * i["destination_stride_y"] + x * i["destination_stride_x"]
                self._check(names[wide], word, len(target))
                place = target[word, at : at + lanes]
                if wide:
                    if has["add"]:
                        value = value + place
                    elif has["maximum"]:
                        value = np.maximum(value, place)
                    place[:] = wrap(value, self.config.accumulator_width)
                else:
                    value = value + (i["zero_point"] if has["requantize"] else 0)
                    value = np.minimum(np.maximum(value, i["clamp_low"]), i["clamp_high"])
                    place[:] = self.table[value + 128] if has["table"] else value
                yield

    def _scale(self, word, value):
        total = wrap(value + self.bias[word])
        if self.config.requantize == "tflite":
            scaled = scale_fixed_point(
                total, self.multiplier[word], self.left[word], self.right[word]
            )
        else:
            scaled = scale_float(total, self.multiplier[word].astype("<i4").view("<f4"))
        return scaled.astype(np.int64)

    def execute(self, i):
        """Run one instruction to its end; returns the chunks written."""
        return sum(1 for _ in self.chunks(i)) if i.opcode is Opcode.VECTOR else 0


def wrap(value, bits=32):
    half = 1 << (bits - 1)
    return (value + half) % (2 * half) - half


def legal_flags(destination):
    """All flags that go together with a destination memory."""
    common = [
        sum(FLAGS[name] for name in names)
        for count in range(4) for names in combinations(("sum", "requantize", "uniform"), count)
    ]
    others = (0, FLAGS["add"], FLAGS["maximum"]) if destination else (0, FLAGS["table"])
    return [one | other for one in common for other in others]


def reserved(config):
    """The accumulator and activation words that instructions leave to others: each bank's last."""
    return {
        (memory, word)
        for memory, depth in (
            (Memory.ACTIVATION, config.activation_depth),
            (Memory.ACCUMULATOR, config.accumulator_depth),
        )
        for word in (depth // 2 - 1, depth - 1)
    }


def is_defined(config, i):
    """Whether no element is read after it was written, nor updated twice."""
    lanes, written, update = config.lanes, set(), i.flags & (FLAGS["add"] | FLAGS["maximum"])
    sizes = config.rows // lanes, config.cols // lanes
    same = i["source_memory"] == i["destination_memory"]
    for y, x in np.ndindex(i["count_y"], i["count_x"]):
        for chunk in range(i["chunks"]):
            place = {}
            for side in ("source", "destination"):
                size = sizes[i[f"{side}_memory"]]
                word = i[f"{side}_address"]
                word += y * i[f"{side}_stride_y"] + x * i[f"{side}_stride_x"]
                place[side] = word * size + i[f"{side}_element"] // lanes + chunk
            if same:
                for wy, wx in np.ndindex(i["window_y"], i["window_x"]):
                    offset = wy * i["window_stride_y"] + wx * i["window_stride_x"]
                    if place["source"] + offset * sizes[i["source_memory"]] in written:
                        return False
            if update and place["destination"] in written:
                return False
            written.add(place["destination"])
    return True


def random_vector(random, config, *, most=120, memories=None, flags=None):
    """A legal VECTOR of up to ``most`` words read, anywhere, maybe beyond the memories.

    ``memories`` (source, destination) and ``flags`` are drawn if they are not given.
    """
    few = lambda *choices: random.choice(choices)  # noqa: E731
    while True:
        window = few((1, 1), (1, 1), (2, 2), (3, 1), (1, 3), (3, 3))
        counts = random.randrange(1, 4), random.randrange(1, 7)
        chunks = few(1, 2, 3, random.randrange(1, 12))
        if chunks * counts[0] * counts[1] * window[0] * window[1] <= most:
            break
    values = {}
    for side in ("source", "destination"):
        memory = random.randrange(2) if memories is None else memories[side == "destination"]
        depth = config.accumulator_depth if memory else config.activation_depth
        width = config.cols if memory else config.rows
        values |= {
            f"{side}_memory": memory,
            f"{side}_address": few(random.randrange(depth), random.randrange(depth // 2)),
            f"{side}_element": config.lanes * random.randrange(width // config.lanes),
            f"{side}_stride_y": few(0, 1, 3, random.randrange(12)),
            f"{side}_stride_x": few(0, 1, 1, 2, random.randrange(4)),
        }
    if memories is None and random.random() < 0.15:
        # In place.
        for name in ("memory", "address", "element", "stride_y", "stride_x"):
            values[f"destination_{name}"] = values[f"source_{name}"]
        window = 1, 1
    values |= {
        "chunks": chunks,
        "count_y": counts[0],
        "count_x": counts[1],
        "window_y": window[0],
        "window_x": window[1],
        "window_stride_y": random.randrange(7),
        "window_stride_x": few(1, 1, random.randrange(4)),
        "parameter_address": random.randrange(max(1, config.parameter_depth - chunks)),
        "zero_point": random.randint(-128, 127),
    }
    if random.random() < 0.5:
        values |= {"clamp_low": random.randint(-128, 127), "clamp_high": random.randint(-128, 127)}
    if flags is None:
        flags = few(*legal_flags(values["destination_memory"]))
    return Instruction(
        Opcode.VECTOR, values, flags=flags, signal=few(0, random.getrandbits(16))
    )
