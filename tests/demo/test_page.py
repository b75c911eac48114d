# SPDX-License-Identifier: Apache-2.0
"""The page: complete, self-contained, and true to the data."""

from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as ElementTree
import zlib
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from weft.demo.block_diagram import block_diagram
from weft.demo.classify import ARRAY_CAUSES, classify
from weft.demo.digits import load_digits, load_network
from weft.demo.page import Artifact, excerpt, render
from weft.demo.sprite import grey_png, sprite
from weft.demo.wavefront import wavefront
from weft.graph import Graph
from weft.hdl.config import PRESETS, Config
from weft.operators.interpreter import Interpreter


class Device:
    """The reference kernels, with costs or without."""

    def __init__(self, with_costs: bool) -> None:
        self.cycles = 60 if with_costs else None
        self.counters = dict.fromkeys(ARRAY_CAUSES, 10) if with_costs else {}

    def run(self, model: Graph, inputs: Sequence[NDArray[np.int8]]) -> SimpleNamespace:
        output = Interpreter(model).run(list(inputs))[model.outputs[0]]
        return SimpleNamespace(outputs=[output], cycles=self.cycles, counters=self.counters)


def page(with_costs: bool = True) -> str:
    images, labels = load_digits()
    network = load_network()
    result = classify(Device(with_costs), network, images[:60], labels[:60])
    result.predictions[:] = result.labels
    result.predictions[3] = (result.labels[3] + 1) % 10
    return render(
        result,
        network,
        Config.preset("small"),
        target="rtl",
        verilog="module weft_pe(clk);\n  assign a = b < c;\nendmodule\n",
        artifacts=[Artifact("weft_accelerator.v", 1234, "the accelerator")],
    )


def test_page_needs_no_other_file() -> None:
    text = page()
    assert not re.search(r"""(?:src|href)=["']https?:""", text)
    assert not re.search(r"url\((?!data:|#)", text)
    assert re.findall(r'href="([^"]+)"', text) == ["weft_accelerator.v"]


def test_page_shows_the_run() -> None:
    text = page()
    assert "weft_accelerator.v" in text
    assert "1,234" in text
    assert "b &lt; c" in text
    assert text.count('class="mistake"') == 1
    assert text.count('class="wrong"') == 1
    assert text.count("60 cycles") == 4
    assert "<b>VectorUnit</b>bias, requantization to int8" in text


def test_page_without_cycles_claims_none() -> None:
    text = page(with_costs=False)
    assert "Where the cycles went" not in text
    assert "cycles an image" not in text


def test_excerpt_is_one_module_and_cut() -> None:
    text = "module a;\nendmodule\nmodule weft_pe;\n" + "x\n" * 100 + "endmodule\n"
    lines = excerpt(text, "weft_pe").splitlines()
    assert lines[0] == "module weft_pe;"
    assert lines[-1].strip() == "..."
    assert excerpt(text, "absent") == ""


def test_block_diagram_shows_whether_there_is_a_vector_unit() -> None:
    config = Config.preset("small")
    assert "Parameters, table" in block_diagram(config)
    without = block_diagram(config.replace(vector_lanes=0))
    assert "Parameters, table" not in without
    assert "not in this" in without


@pytest.mark.parametrize("name", PRESETS)
def test_block_diagram_is_xml_and_names_the_sizes(name: str) -> None:
    config = Config.preset(name)
    text = block_diagram(config)
    ElementTree.fromstring(text)
    assert f"{config.rows} rows x {config.cols} columns" in text
    assert f"{config.accumulator_depth} words" in text


def test_png_decodes_to_the_pixels() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    png = grey_png(pixels)
    assert png.startswith(b"\x89PNG")
    start = png.index(b"IDAT")
    (length,) = struct.unpack(">I", png[start - 4 : start])
    raw = zlib.decompress(png[start + 4 : start + 4 + length])
    rows = [raw[number * 5 + 1 : number * 5 + 5] for number in range(3)]
    assert b"".join(rows) == pixels.tobytes()


def test_sprite_holds_every_image_side_by_side() -> None:
    png = sprite(np.zeros((5, 64), np.uint8))
    assert struct.unpack(">II", png[16:24]) == (40, 8)


@pytest.mark.parametrize(("rows", "cols"), [(8, 8), (5, 3), (64, 4)])
def test_wavefront_ends_in_the_products_of_the_tiles(rows: int, cols: int) -> None:
    network = load_network()
    images, _ = load_digits()
    values = network.encode(images[:6])
    weight = network.layers[0].weight
    waves = wavefront(values, weight, rows, cols, 0)
    sums = np.array(waves["partial_sums"])
    assert waves["frames"] == 12 + rows + cols - 1
    for tile in range(2):
        inputs = slice(tile * rows, (tile + 1) * rows)
        expected = values[:, inputs].astype(int) @ weight[inputs, :cols].astype(int)
        np.testing.assert_array_equal(sums[6 * tile : 6 * tile + 6, -1, :], expected)
