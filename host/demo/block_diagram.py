# SPDX-License-Identifier: Apache-2.0
"""The block diagram of a configuration as SVG, for the demonstration and the documentation."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from ..hdl.config import SEMAPHORE_COUNT, SEMAPHORE_MAXIMUM, Config

__all__ = ["block_diagram"]

WIDTH, HEIGHT = 1000, 620

CONTROL, DATA, STORAGE, OUTSIDE, ABSENT = (
    "#dfe8f5", "#d9efe4", "#fbeccb", "#eceae6", "#ffffff",
)
INK, CONTROL_LINE, DATA_LINE = "#22303c", "#5b7fb5", "#2f8f63"


@dataclass(frozen=True)
class _Box:
    x: int
    y: int
    width: int
    height: int
    title: str
    lines: tuple[str, ...]
    fill: str

    def svg(self) -> str:
        dash = ' stroke-dasharray="5 4"' if self.fill == ABSENT else ""
        centre = self.x + self.width // 2
        top = self.y + (self.height - 16 * len(self.lines)) // 2 + 5
        text = [
            f'<text x="{centre}" y="{top}" font-weight="600">{escape(self.title)}</text>',
            *(
                f'<text x="{centre}" y="{top + 16 * (number + 1)}" font-size="11.5">'
                f"{escape(line)}</text>"
                for number, line in enumerate(self.lines)
            ),
        ]
        return (
            f'<rect x="{self.x}" y="{self.y}" width="{self.width}" height="{self.height}" rx="6" '
            f'fill="{self.fill}" stroke="{INK}"{dash}/>' + "".join(text)
        )


def _arrow(points: str, colour: str, width: float = 2, *, both: bool = False) -> str:
    marker = "data" if colour == DATA_LINE else "control"
    start = f'marker-start="url(#{marker})" ' if both else ""
    return (
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}" '
        f'{start}marker-end="url(#{marker})"/>'
    )


def _label(x: int, y: int, text: str, anchor: str = "middle") -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="11" text-anchor="{anchor}" fill="#4a5763">'
        f"{escape(text)}</text>"
    )


def _boxes(config: Config) -> list[_Box]:
    rows, cols = config.rows, config.cols
    vector = (f"{config.lanes} lanes: requantize,", "clamp, table, pool") if config.lanes else (
        "not in this", "configuration",
    )
    parameters = [
        _Box(610, 400, 150, 80, "Parameters, table",
             (f"{config.parameter_depth} words", f"bias and scale x {config.lanes}"), STORAGE),
    ] if config.lanes else []
    return parameters + [
        _Box(20, 20, 150, 70, "Host", ("driver, interrupt",), OUTSIDE),
        _Box(230, 20, 170, 70, "ControlRegisters", ("AXI4-Lite, 32 bits",), CONTROL),
        _Box(440, 20, 230, 70, "Supervisor",
             ("start, first error, drain,", "watchdog, soft reset"), CONTROL),
        _Box(710, 20, 230, 70, "Counters", ("cycles, units, array, beats",), CONTROL),
        _Box(20, 130, 150, 460, "DRAM",
             ("plain row-major", "matrices", "and the program"), OUTSIDE),
        _Box(230, 130, 170, 60, "Fetch", ("AXI4 read, ID 1",), CONTROL),
        _Box(440, 130, 230, 60, "Dispatch", ("decode, one queue a unit",), CONTROL),
        _Box(710, 130, 230, 60, "Semaphores",
             (f"{SEMAPHORE_COUNT}, each 0 to {SEMAPHORE_MAXIMUM}",), CONTROL),
        _Box(230, 250, 150, 80, "LoadUnit",
             ("AXI4 read, ID 0", f"{config.axi_width} bits"), DATA),
        _Box(420, 250, 150, 80, "MatmulUnit", ("weight and activation", "sequencers"), DATA),
        _Box(610, 250, 150, 80, "VectorUnit", vector, DATA if config.lanes else ABSENT),
        _Box(800, 250, 150, 80, "StoreUnit", ("AXI4 write", f"{config.axi_width} bits"), DATA),
        _Box(230, 400, 150, 80, "Weight scratchpad",
             (f"{config.weight_depth} words", f"{cols} int8 a word"), STORAGE),
        _Box(420, 400, 150, 80, "Activations",
             (f"{config.activation_depth} words, 2 banks", f"{rows} int8 a word"), STORAGE),
        _Box(800, 400, 150, 80, "Accumulator",
             (f"{config.accumulator_depth} words, 2 banks",
              f"{cols} x {config.accumulator_width} bits a word"), STORAGE),
        _Box(420, 520, 340, 70, "SystolicArray",
             (f"{rows} rows x {cols} columns, {rows * cols} multipliers",
              f"weights stay, partial sums of {config.partial_sum_width} bits flow south"), DATA),
    ]


def _lines(config: Config) -> list[str]:
    control = [
        "170,55 228,55", "400,55 438,55", "670,55 708,55",
        "555,90 555,128", "400,160 438,160", "315,90 315,128",
        "825,190 825,217",
    ]
    dispatch = ["555,190 555,220 305,220 305,248", "555,190 555,220 495,220 495,248",
                "555,190 555,220 685,220 685,248", "555,190 555,220 890,220 890,248"]
    data = [
        "170,160 228,160", "170,290 228,290", "305,330 305,398",
        "305,365 495,365 495,398", "495,365 850,365 850,398",
        "305,480 305,545 418,545", "495,480 495,518", "760,555 875,555 875,482",
        "900,398 900,332", "545,480 545,492 780,492 780,300 798,300",
        "950,290 980,290 980,606 95,606 95,592",
    ]
    shared = []
    if config.lanes:
        data += ["650,365 650,398", "720,398 720,332"]
        shared = ["550,398 550,345 640,345 640,332", "820,398 820,345 740,345 740,332"]
    return (
        [_arrow(points, CONTROL_LINE) for points in control + dispatch]
        + [_arrow(points, DATA_LINE, 2.5) for points in data]
        + [_arrow(points, DATA_LINE, 2.5, both=True) for points in shared]
        + [
            _label(199, 282, "read"), _label(199, 152, "read"), _label(965, 600, "write", "end"),
            _label(330, 538, "weights"), _label(487, 504, "activations", "end"),
            _label(868, 511, "partial sums, read-modify-write", "end"),
            _label(199, 46, "AXI4-Lite"), _label(500, 214, "instructions, 256 bits", "end"),
            _label(832, 210, "grants, signals", "start"),
        ]
    )


def block_diagram(config: Config) -> str:
    """Draw the accelerator of ``config``; the SVG stands on its own background."""
    marks = "".join(
        f'<marker id="{name}" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="5" '
        f'markerHeight="5" orient="auto-start-reverse">'
        f'<path d="M0,0 L8,4 L0,8 z" fill="{colour}"/></marker>'
        for name, colour in (("control", CONTROL_LINE), ("data", DATA_LINE))
    )
    body = "\n".join(_lines(config) + [box.svg() for box in _boxes(config)])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="13.5" text-anchor="middle" '
        f'fill="{INK}">\n<title>Block diagram of a {config.rows}x{config.cols} accelerator</title>'
        f'\n<defs>{marks}</defs>\n<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n'
        f"{body}\n</svg>\n"
    )
