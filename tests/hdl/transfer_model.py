# SPDX-License-Identifier: Apache-2.0
"""What LOAD and STORE do, row after row, and random instructions for their benches."""

from weft.hdl.isa import ErrorCode, Instruction, Memory, Opcode

WRAP = 0xFFFF_FFFF


class Fault(Exception):
    """Code, and address as the error register shows it."""


class TransferModel:
    """On-chip memories and DRAM as byte arrays."""

    def __init__(self, config, dram, segments):
        self.dram, self.segments = dram, segments
        self.width = {
            Memory.ACTIVATION: config.activation_bytes,
            Memory.WEIGHT: config.weight_bytes,
            Memory.ACCUMULATOR: config.accumulator_bytes,
        }
        self.depth = {
            Memory.ACTIVATION: config.activation_depth,
            Memory.WEIGHT: config.weight_depth,
            Memory.ACCUMULATOR: config.accumulator_depth,
        }
        if config.lanes:
            self.width |= {Memory.PARAMETER: config.parameter_bytes, Memory.TABLE: 1}
            self.depth |= {Memory.PARAMETER: config.parameter_depth, Memory.TABLE: 256}
        self.words = {memory: {} for memory in self.width}
        self.touched = set()
        self.beats = set()
        self.beat_count = 0
        self.axi_bytes = config.axi_bytes
        self.address_space = 1 << config.axi_address_width

    def row_words(self, memory, size):
        return max(1, -(-size // self.width[memory]))

    def _segment(self, i, offset):
        base, limit = self.segments[i["segment"]]
        limit = min(limit, self.address_space)
        if i["bytes"] and not (0 <= offset and offset + i["bytes"] <= limit):
            raise Fault(ErrorCode.SEGMENT_LIMIT, offset % min(self.address_space, 1 << 32))
        first, last = base + offset, base + offset + i["bytes"] - 1
        if i["bytes"]:
            beats = range(first // self.axi_bytes, last // self.axi_bytes + 1)
            self.beats.update(beats)
            self.beat_count += len(beats)
        return first

    def _range(self, memory, word, count):
        depth = self.depth[memory]
        if word + count > depth:
            raise Fault(ErrorCode.MEMORY_RANGE, max(word, depth) | memory.value << 29)

    def execute(self, i):
        """Run one instruction; raises Fault at its first bad row."""
        if i.opcode is Opcode.SYNC:
            return
        memory, word = Memory(i["memory"]), i["address"]
        width, words = self.width[memory], self.row_words(memory, i["bytes"])
        load = i.opcode is Opcode.LOAD
        before, after = (i["pad_before"], i["pad_after"]) if load else (0, 0)
        store = self.words[memory]
        for y in range(i["count_y"]):
            for x in range(i["count_x"]):
                pad = before if x == 0 else 0
                tail = after if x == i["count_x"] - 1 else 0
                if pad:
                    self._range(memory, word, pad)
                offset = i["offset"] + y * i["stride_y"] + x * i["stride_x"]
                first = self._segment(i, offset)
                self._range(memory, word, pad + words + tail)
                if load:
                    fill = bytes([i["fill"]])
                    raw = bytes(self.dram[first : first + i["bytes"]])
                    raw = fill * (pad * width) + raw.ljust(words * width, fill)
                    raw += fill * (tail * width)
                    for n in range(pad + words + tail):
                        store[word + n] = raw[n * width : (n + 1) * width]
                else:
                    raw = b"".join(store[word + n] for n in range(words))[: i["bytes"]]
                    self.dram[first : first + len(raw)] = list(raw)
                    self.touched.update(range(first, first + len(raw)))
                word += pad + words + tail


def random_transfer(random, model, opcode, *, budget=600):
    """A legal LOAD or STORE with awkward lengths, strides and alignment."""
    memories = (
        list(model.width)
        if opcode is Opcode.LOAD
        else [Memory.ACTIVATION, Memory.ACCUMULATOR]
    )
    while True:
        memory = random.choice(memories)
        width, depth = model.width[memory], model.depth[memory]
        beat = model.axi_bytes
        low = 0 if opcode is Opcode.LOAD else 1
        size = random.choice(
            [0, 1, width - 1, width, width, width + 1, beat - 1, beat, beat + 1, 3 * beat,
             random.randrange(1, 4 * width + 2), random.randrange(1, budget)]
        )
        size = max(low, size)
        count_x = random.choice([1, 1, 2, 3, random.randrange(1, 12)])
        count_y = random.choice([1, 1, 2, random.randrange(1, 4)])
        pads = [random.choice([0, 0, 1, 2, random.randrange(6)]) for _ in range(2)]
        if opcode is not Opcode.LOAD:
            pads = [0, 0]
        words = count_y * (sum(pads) + count_x * model.row_words(memory, size))
        if words > depth or count_x * count_y * size > budget * 4:
            continue
        segment = random.randrange(len(model.segments))
        limit = model.segments[segment][1]
        strides = [size, beat, 2 * beat, 1, -size, -beat, 0, random.randrange(-300, 300), size + 7]
        stride_x = random.choice(strides)
        stride_y = random.choice(strides) * random.choice([1, count_x])
        offsets = [y * stride_y + x * stride_x for y in range(count_y) for x in range(count_x)]
        least, most = -min(offsets), limit - size - max(offsets)
        if least > most:
            continue
        page = 4096 - model.segments[segment][0] % 4096
        near = random.choice([page, page + 4096]) - random.randrange(2 * beat + size + 1)
        offset = random.choice([least, most, random.randint(least, most), near])
        if not least <= offset <= most:
            continue
        values = {
            "memory": memory.value,
            "address": random.choice([0, depth - words, random.randint(0, depth - words)]),
            "segment": segment,
            "offset": offset,
            "bytes": size,
            "count_x": count_x,
            "stride_x": stride_x,
            "count_y": count_y,
            "stride_y": stride_y,
        }
        if opcode is Opcode.LOAD:
            values |= {
                "pad_before": pads[0],
                "pad_after": pads[1],
                "fill": random.randrange(256),
            }
        return Instruction(opcode, values, signal=random.choice([0, random.getrandbits(16)]))


def random_sync(random, unit):
    """A SYNC with something to signal."""
    return Instruction(Opcode.SYNC, {"unit": unit.value}, signal=random.randrange(1, 1 << 16))


def faulty_variant(random, model, i):
    """``i`` changed so that one row, not always the first, is outside by as little as one."""
    values = dict(i.values)
    limit = model.segments[values["segment"]][1]
    offsets = [
        y * values["stride_y"] + x * values["stride_x"]
        for y in range(values["count_y"])
        for x in range(values["count_x"])
    ]
    kind = random.choice(["above", "below", "words", "far"])
    if kind == "above" and values["bytes"]:
        values["offset"] = limit - values["bytes"] - max(offsets) + 1
    elif kind == "below" and values["bytes"] and min(offsets) < 0:
        values["offset"] = -min(offsets) - 1
    elif kind == "far" and values["bytes"]:
        values["offset"] = random.choice([WRAP, WRAP - values["bytes"] + 1, 1 << 31])
    else:
        memory = Memory(values["memory"])
        pads = values.get("pad_before", 0) + values.get("pad_after", 0)
        rows = values["count_x"] * model.row_words(memory, values["bytes"])
        words = values["count_y"] * (pads + rows)
        values["address"] = random.choice(
            [model.depth[memory] - words + 1, model.depth[memory], 65535]
        )
    if not 0 <= values["offset"] <= WRAP:
        return faulty_variant(random, model, i)
    return Instruction(i.opcode, values, signal=i.signal)
