# SPDX-License-Identifier: Apache-2.0
"""Draw the figures of docs/architecture.md into docs/images."""

from __future__ import annotations

import argparse
from pathlib import Path

from weft.demo.block_diagram import block_diagram
from weft.demo.digits import load_digits, load_network
from weft.demo.wavefront import wavefront
from weft.hdl.array import SystolicArray
from weft.hdl.config import Config
from weft.hdl.memory.shared_ports import SharedPorts
from weft.hdl.units.vector import VectorUnit
from weft.hdl.units.vector_lane import VectorLane
from weft.hdl.units.vector_reader import VectorReader

IMAGES = Path(__file__).parent.parent / "docs" / "images"
SIZE = 4
TILES = ("A", "B", "C")
FILLS = ("#a9c8ec", "#f2c383", "#b5dcc6")
INK, SOFT = "#22303c", "#5c6a76"
CELL_WIDTH, CELL_HEIGHT, LEFT, TOP = 34, 17, 250, 58
LAST_CYCLE = 21


class Timeline:
    """Lanes of coloured cells against clock cycles, of which ``last`` is the last drawn."""

    def __init__(self, last: int = LAST_CYCLE) -> None:
        self.last = last
        self.parts: list[str] = []
        self.y = TOP

    def lane(
        self, label: str, cells: dict[int, tuple[int, str]], *, gap: int = 3, soft: bool = False
    ) -> None:
        """One lane: cell by cycle, each with the number of its tile and a text."""
        colour = SOFT if soft else INK
        self.parts.append(
            f'<text x="{LEFT - 12}" y="{self.y + 13}" text-anchor="end" fill="{colour}">'
            f"{label}</text>"
        )
        for cycle, (tile, text) in cells.items():
            x = LEFT + cycle * CELL_WIDTH
            pattern = ' fill-opacity="0.45"' if soft else ""
            self.parts.append(
                f'<rect x="{x}" y="{self.y}" width="{CELL_WIDTH - 1}" height="{CELL_HEIGHT}" '
                f'fill="{FILLS[tile]}"{pattern}/>'
                f'<text x="{x + CELL_WIDTH / 2 - 0.5}" y="{self.y + 12.5}" text-anchor="middle" '
                f'font-size="10.5">{text}</text>'
            )
        self.y += CELL_HEIGHT + gap

    def swap(self, cycle: int, lane_from_bottom: int = 0) -> None:
        """Mark the begin of ``cycle`` in the lane that was drawn last as a weight swap."""
        x = LEFT + cycle * CELL_WIDTH - 0.5
        bottom = self.y - 3 - lane_from_bottom * (CELL_HEIGHT + 3)
        self.parts.append(
            f'<path d="M{x},{bottom - CELL_HEIGHT - 3} V{bottom}" stroke="#c2412d" '
            f'stroke-width="3"/>'
        )

    def svg(self, title: str, caption: str) -> str:
        """The drawing with the cycle numbers above."""
        width, height = LEFT + (self.last + 1) * CELL_WIDTH + 12, self.y + 30
        numbers = "".join(
            f'<text x="{LEFT + cycle * CELL_WIDTH + CELL_WIDTH / 2}" y="{TOP - 10}" '
            f'text-anchor="middle" fill="{SOFT}">{cycle}</text>'
            f'<path d="M{LEFT + cycle * CELL_WIDTH - 0.5},{TOP - 4} V{self.y}" stroke="#e5e9ed"/>'
            for cycle in range(self.last + 1)
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'font-family="system-ui, sans-serif" font-size="12" fill="{INK}" role="img">\n'
            f"<title>{title}</title>\n"
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>\n'
            f'<text x="{LEFT}" y="22" font-size="14" font-weight="600">{title}</text>'
            f'<text x="{LEFT - 12}" y="{TOP - 10}" text-anchor="end" fill="{SOFT}">cycle</text>\n'
            f"{numbers}\n" + "\n".join(self.parts) + "\n"
            f'<text x="{LEFT}" y="{self.y + 18}" fill="{SOFT}">{caption}</text>\n</svg>\n'
        )


def pipeline() -> str:
    """Three tiles through a small array, passes of ``rows`` vectors, column 0.

    The cycles follow `weft.hdl.array`: a weight vector that is accepted in cycle t shifts the rows
    that have joined in cycle t + 1; a ``first`` accepted in cycle t swaps row r in cycle t + 1 + r,
    together with its activation; the result leaves ``latency`` cycles after t.
    """
    rows = SIZE
    array = SystolicArray(
        rows=rows, cols=SIZE, partial_sum_width=Config(rows=rows, cols=SIZE).partial_sum_width
    )
    drawing = Timeline()
    first = [rows * (tile + 1) for tile in range(len(TILES))]
    accepted = {
        first[tile] - rows + number: (tile, f"{name}{rows - 1 - number}")
        for tile, name in enumerate(TILES)
        for number in range(rows)
    }
    drawing.lane("weights accepted (array row)", accepted)
    drawing.lane(
        "activations accepted (vector)",
        {first[t] + n: (t, f"{name}.{n}") for t, name in enumerate(TILES) for n in range(rows)},
        gap=12,
    )
    for row in range(rows):
        shadow = {
            first[tile] - rows + number + 1: (tile, "shift")
            for tile in range(len(TILES))
            for number in range(row, rows)
        }
        drawing.lane(f"row {row}: shadow shifts", shadow, soft=True)
        drawing.lane(
            f"row {row}: activation of vector",
            {
                first[t] + n + 1 + row: (t, f"{name}.{n}")
                for t, name in enumerate(TILES)
                for n in range(rows)
            },
            gap=9,
        )
        drawing.y -= 6
        for start in first:
            drawing.swap(start + 1 + row)
        drawing.y += 6
    drawing.y += 3
    results = {
        first[t] + n + array.latency: (t, f"{name}.{n}")
        for t, name in enumerate(TILES)
        for n in range(rows)
    }
    drawing.lane("results, all columns", {c: v for c, v in results.items() if c <= LAST_CYCLE})
    return drawing.svg(
        f"{rows}x{SIZE} array, passes of {rows} vectors, column 0; latency {array.latency}",
        "Red: the shadow weights of the row swap in with the first activation of the pass. "
        "Column c does the same c cycles later.",
    )


def vector_pipeline() -> str:
    """Three chunks through the vector unit: windows of one, two and one words.

    The cycles follow `weft.hdl.units`: a request's elements come ``VectorReader.latency`` cycles
    later, the window's last element leaves its lane ``VectorLane.latency`` cycles after that.
    """
    config = Config()
    unit, lane = VectorUnit(config), VectorLane(config.requantize)
    requests = {0: (0, "A"), 1: (1, "B.0"), 2: (1, "B.1"), 3: (2, "C")}
    last = {0: (0, "A"), 2: (1, "B"), 3: (2, "C")}
    drawing = Timeline(max(last) + unit.latency + 1)

    def show(label: str, cells: dict[int, tuple[int, str]], delay: int, gap: int = 3) -> None:
        drawing.lane(label, {cycle + delay: cell for cycle, cell in cells.items()}, gap=gap)

    scaled = VectorReader.latency + lane.scaled
    limited = VectorReader.latency + lane.limited
    show("word requested", requests, 0)
    show("chunk chosen from the word", requests, SharedPorts.read_latency)
    show("elements as int32, window reduced", requests, VectorReader.latency, 9)
    show("requantizer: bias (first stage)", last, VectorReader.latency + 1)
    show(f"requantizer: rounding, zero point (stage {lane.scaled})", last, scaled, 9)
    show("to int8, or the old value chosen", last, scaled + 1)
    show("sum with the old value", last, scaled + 2)
    show("clamp", last, limited)
    show("table address", last, limited + 1)
    show("result of the lane", last, VectorReader.latency + lane.latency, 9)
    show("chunk written", last, unit.latency)
    return drawing.svg(
        f"Three VECTOR chunks, convention {config.requantize}; latency {unit.latency}",
        "A and C are windows of one word, B of two. One word a cycle is requested, and nothing "
        "between request and result waits.",
    )


def array_wave(frame: int = 13) -> str:
    """One cycle of an 8x8 array at work on digits of the demonstration."""
    network = load_network()
    images, labels = load_digits()
    digits = [int((labels == label).argmax()) for label in range(10)]
    size, block = 8, 3
    wave = wavefront(
        network.encode(images[digits]), network.layers[0].weight, size, size, block
    )
    width, height, left, top = 84, 46, 90, 44
    parts = []
    for row in range(size):
        for column in range(size):
            vector = frame - row - column
            if not 0 <= vector < sum(wave["passes"]):
                continue
            tile = int(vector >= wave["passes"][0])
            x, y = left + column * width, top + row * height
            product = f"{wave['activations'][vector][row]} x {wave['weights'][tile][row][column]}"
            parts.append(
                f'<rect x="{x}" y="{y}" width="{width - 4}" height="{height - 4}" rx="4" '
                f'fill="{FILLS[tile]}" fill-opacity="{1 if vector % 2 else 0.5}"/>'
                f'<text x="{x + width / 2 - 2}" y="{y + 17}" font-size="11">{product}</text>'
                f'<text x="{x + width / 2 - 2}" y="{y + 34}" font-weight="600">'
                f"{wave['partial_sums'][vector][row][column]}</text>"
            )
        entering = wave["activations"][frame + 1 - row][row]
        parts.append(
            f'<text x="{left - 12}" y="{top + row * height + 26}" text-anchor="end">'
            f"{entering} \N{RIGHTWARDS ARROW}</text>"
        )
    total_width, total_height = left + size * width + 14, top + size * height + 16
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total_width} {total_height}" '
        f'font-family="system-ui, sans-serif" font-size="13.5" text-anchor="middle" '
        f'fill="{INK}" role="img">\n<title>One cycle of an 8x8 array</title>\n'
        f'<rect width="{total_width}" height="{total_height}" fill="#ffffff"/>\n'
        f'<text x="{left}" y="26" text-anchor="start" fill="{SOFT}">One cycle: activation x '
        "weight, below it the partial sum. Blue: first pass, orange: second pass.</text>\n"
        + "\n".join(parts) + "\n</svg>\n"
    )


FIGURES = {
    "wavefront.svg": array_wave,
    "block_diagram.svg": lambda: block_diagram(Config()),
    "pipeline.svg": pipeline,
    "vector_pipeline.svg": vector_pipeline,
}
"""Figure by file name."""


def main() -> None:
    """Write every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, default=IMAGES)
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in FIGURES.items():
        (folder / name).write_text(draw(), encoding="utf-8")
        print(folder / name)


if __name__ == "__main__":
    main()
