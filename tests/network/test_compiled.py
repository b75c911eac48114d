# SPDX-License-Identifier: Apache-2.0
"""Compiled models: files, determinism, damage; running them: inputs, results."""

import json
import struct
import zlib

import numpy as np
import pytest
from graphs import GraphBuilder, random_graph

import weft
from weft.compiler.network import CompiledModel, compile_network
from weft.compiler.program import ProgramError
from weft.graph import ModelError
from weft.operators.checks import check_graph

CONFIG = weft.Config.preset("tiny")


@pytest.fixture(scope="module")
def build():
    build = GraphBuilder(1)
    x = build.convolution(build.input((1, 6, 6, 3)), 7, (3, 3))
    x = build.add("SOFTMAX", (x,), build.tensor((1, 6, 6, 7), 1 / 256, -128), beta=1.0)
    build.output = build.convolution(x, 5, (1, 1))
    build.made = build.graph(build.output)
    check_graph(build.made)
    return build


@pytest.fixture(scope="module")
def content(build):
    return compile_network(build.made, CONFIG).to_bytes()


def test_the_same_model_gives_the_same_bytes(build, content):
    assert compile_network(build.made, CONFIG).to_bytes() == content


def test_a_file_comes_back(build, content, tmp_path):
    path = tmp_path / "model.weft"
    CompiledModel.from_bytes(content).save(path)
    model = CompiledModel.load(path)
    assert model.to_bytes() == content
    assert model.config == CONFIG
    assert [entry["where"] for entry in model.manifest] == ["accelerator", "host", "accelerator"]
    with weft.open("simulator", CONFIG) as device:
        values = [np.zeros((1, 6, 6, 3), np.int8)]
        expected = weft.open("reference").run(build.made, values)
        assert np.array_equal(device.run(path, values).outputs[0], expected.outputs[0])


def test_damage_is_refused(content):
    random = np.random.default_rng(0)
    for place in random.integers(0, len(content), 200):
        damaged = bytearray(content)
        damaged[place] ^= 1 << random.integers(0, 8)
        with pytest.raises(ProgramError):
            CompiledModel.from_bytes(bytes(damaged))
    for size in (0, 4, 8, 20, 24, 100, len(content) - 1):
        with pytest.raises(ProgramError):
            CompiledModel.from_bytes(content[:size])


def test_damage_behind_a_right_checksum_is_refused(content):
    """Descriptions that are JSON but not of a model."""
    _, _, length = struct.unpack_from("<IIQ", content, 8)
    description = json.loads(content[24 : 24 + length])
    for key in description:
        for value in (None, [], {"a": 1}, -1, "x"):
            text = json.dumps({**description, key: value}).encode()
            body = text + content[24 + length :]
            header = struct.pack("<IIQ", 1, zlib.crc32(body), len(text))
            try:
                CompiledModel.from_bytes(b"WEFTMODL" + header + body)
            except ProgramError:
                continue


def test_another_version_is_refused(content):
    with pytest.raises(ProgramError, match="version must be 1, not 7"):
        CompiledModel.from_bytes(content[:8] + struct.pack("<I", 7) + content[12:])


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ProgramError, match="No such file"):
        CompiledModel.load(tmp_path / "none.weft")
    with weft.open("simulator", CONFIG) as device, pytest.raises(ModelError, match="No such file"):
        device.run(tmp_path / "none.tflite", [])


def test_inputs_are_checked(build):
    good = np.zeros((1, 6, 6, 3), np.int8)
    for target in ("simulator", "reference"):
        with weft.open(target, CONFIG) as device:
            for inputs in (
                [], [good, good], [good.astype(np.uint8)], [good[0]], {"nothing": good}, {},
            ):
                with pytest.raises(weft.OperandError):
                    device.run(build.made, inputs)
            assert device.run(build.made, good).outputs[0].shape == (1, 6, 6, 5)


def test_what_is_no_model_is_refused(tmp_path):
    path = tmp_path / "model.txt"
    path.write_text("no model")
    with weft.open("simulator", CONFIG) as device:
        with pytest.raises(weft.OperandError, match="CompiledModel"):
            device.run(7, [])
        with pytest.raises(ModelError):
            device.run(path, [])


def test_another_configuration_is_refused(content):
    model = CompiledModel.from_bytes(content)
    with weft.open("simulator") as device, pytest.raises(weft.TargetError, match="compile it"):
        device.run(model, [np.zeros((1, 6, 6, 3), np.int8)])
    with weft.open("reference", CONFIG) as device, pytest.raises(weft.TargetError):
        device.run(model, [np.zeros((1, 6, 6, 3), np.int8)])


def test_results_name_layers_and_host_operators(build):
    with weft.open("simulator", CONFIG) as device:
        result = device.run(build.made, [np.zeros((1, 6, 6, 3), np.int8)])
    assert result.cycles is None and result.utilization is None
    assert [layer.where for layer in result.layers] == ["accelerator", "host", "accelerator"]
    assert result.layers[0].macs == 6 * 6 * 7 * 27
    assert [item["kind"] for item in result.host_operators] == ["SOFTMAX"]
    assert result.macs == sum(layer.macs for layer in result.layers)
    assert result.bytes_read > 0 and result.instructions > 0


def test_outputs_that_several_read_or_that_are_inputs():
    build = GraphBuilder(3)
    x = build.input((1, 4, 4, 4))
    y = build.convolution(x, 4, (3, 3))
    z = build.sum(y, x)
    flat = build.reshape(y, (1, 64))
    graph = build.graph(y, flat, z, x)
    check_graph(graph)
    values = build.values()
    expected = weft.open("reference").run(graph, values).outputs
    with weft.open("simulator", CONFIG) as device:
        outputs = device.run(graph, values).outputs
    for output, wanted in zip(outputs, expected, strict=True):
        assert output.shape == wanted.shape and np.array_equal(output, wanted)


def test_dram_is_reused():
    build = GraphBuilder(4)
    x = build.input((1, 16, 16, 8))
    for _ in range(6):
        x = build.convolution(x, 8, (3, 3))
    graph = build.graph(x)
    model = compile_network(graph, CONFIG.replace(activation_depth=64))
    assert model.tensor_bytes <= 3 * 18 * 18 * 8


@pytest.mark.parametrize("seed", range(6))
def test_placements_that_live_together_do_not_overlap(seed):
    graph, _ = random_graph(seed, length=8)
    model = compile_network(graph, CONFIG.replace(activation_depth=16))
    for name, item in model.placements.items():
        size = item.box(np.zeros(1 << 20, np.uint8)).size
        assert item.offset % 64 == 0 and item.offset + size <= model.tensor_bytes, name
