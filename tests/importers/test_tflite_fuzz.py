# SPDX-License-Identifier: Apache-2.0
"""Corrupt TensorFlow Lite files: `ModelError` or a valid graph, nothing else, and quickly."""

import struct
import time

import numpy as np
import pytest
from shared_models import MODELS, model_path

from weft.graph import ModelError
from weft.importers.tflite import parse_tflite

QUICK, FULL = 500, 10_500
LONGEST_SECONDS = 20.0
"""For one file, on a busy machine; a loop over a garbage length takes minutes."""

EDGES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFC)


def metadata_positions(data):
    """Bytes that are not weights: those whose change moves an offset, a length or a number."""
    graph = parse_tflite(data)
    mask = np.ones(len(data), bool)
    for tensor in graph.tensors.values():
        if tensor.data is not None and tensor.data.nbytes >= 64:
            start = data.find(tensor.data.tobytes())
            if start >= 0:
                mask[start : start + tensor.data.nbytes] = False
    return np.flatnonzero(mask)


def mutate(data, positions, rng):
    """One of: a truncation, changed bits, changed bytes, edge values in words, moved pieces."""
    changed = bytearray(data)
    choice = rng.integers(6)
    if choice == 0:
        return bytes(changed[: rng.integers(0, len(data))])
    count = int(rng.integers(1, 9))
    for position in rng.choice(positions, count):
        if choice == 1:
            changed[position] ^= 1 << int(rng.integers(8))
        elif choice == 2:
            changed[position] = int(rng.integers(256))
        elif choice in (3, 4):
            word = int(position) // 4 * 4
            if word + 4 <= len(changed):
                struct.pack_into("<I", changed, word, EDGES[rng.integers(len(EDGES))])
        else:
            other, length = int(rng.choice(positions)), int(rng.integers(1, 64))
            piece = changed[other : other + length]
            changed[position : position + len(piece)] = piece
    return bytes(changed)


def fuzz(key, count):
    data = model_path(key).read_bytes()
    positions = metadata_positions(data)
    outcomes = {"refused": 0, "read": 0}
    for seed in range(count):
        mutated = mutate(data, positions, np.random.default_rng([seed, len(data)]))
        start = time.monotonic()
        try:
            parse_tflite(mutated).validate()
            outcomes["read"] += 1
        except ModelError as error:
            assert str(error)
            outcomes["refused"] += 1
        except Exception as error:
            raise AssertionError(f"seed {seed} of {key}") from error
        assert time.monotonic() - start < LONGEST_SECONDS, f"seed {seed} of {key}"
    assert outcomes["refused"] > count // 4, outcomes
    return outcomes


@pytest.mark.parametrize("key", MODELS)
def test_survives_mutations(key):
    fuzz(key, -(-QUICK // len(MODELS)))


@pytest.mark.full
@pytest.mark.parametrize("key", MODELS)
def test_survives_many_mutations(key):
    fuzz(key, FULL // len(MODELS))


def test_survives_every_truncation_of_the_head():
    data = model_path("kws_int8").read_bytes()
    for length in [*range(0, 256), *range(256, len(data), 997)]:
        with pytest.raises(ModelError):
            parse_tflite(data[:length])
