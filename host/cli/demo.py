# SPDX-License-Identifier: Apache-2.0
"""`weft demo`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from ..boards.board import Board
from ..boards.flow.tools import FlowError
from ..boards.registry import BOARDS, board_named
from ..hdl.config import Config
from ._command import Output, subcommand

__all__ = ["command"]

PRESET = "small"
TRACED_IMAGES = 16
TARGETS = ("rtl", "simulator", "reference", "cocotb")

BOARD_FOLDER = "board"
BOARD_CONFIG = {"rows": 4, "cols": 4, "vector_lanes": 0}
"""What a board gets here: an array without the vector unit, which is placed and routed sooner."""

ABOUT = {
    "weft_accelerator.v": "the accelerator in Verilog",
    "config.yaml": "its configuration",
    "manifest.json": "ports, sizes and checksums of what was generated",
    "weft_registers.h": "register map as a C header",
    "weft.svd": "register map as CMSIS-SVD",
    "registers.md": "register map to read",
    "weft.core": "FuseSoC core description",
    f"{BOARD_FOLDER}/report.html": "the board's floorplan, resources by unit and critical path",
    "network.vcd": f"waveform of {TRACED_IMAGES} images; open it with GTKWave or Surfer",
    "timeline.json": "what each unit did in these cycles; open it at ui.perfetto.dev",
}
"""What the files of the demonstration are, in the order in which the page lists them."""


def _artifacts(folder: Path) -> list[Any]:
    from ..demo.page import Artifact

    return [
        Artifact(name, (folder / name).stat().st_size, about)
        for name, about in ABOUT.items()
        if (folder / name).exists()
    ]


def _classify(output: Output, target: str, config: Config, chosen: Any) -> Any:
    """Open the target and run the chosen images on it."""
    from .. import open as open_device
    from ..demo.classify import classify
    from ..demo.digits import load_digits, load_network

    network = load_network()
    images, labels = load_digits()
    opening = f"open {target}"
    options: dict[str, str] = {}
    if target == "rtl":
        # The model that can trace, without a trace: `_trace` then needs no second compilation.
        opening = "compile the accelerator for simulation"
        options["trace"] = ""
    done = 0
    with output.progress(opening):
        device = open_device(target, config, **options)
    with device, output.progress(f"classify {len(chosen)} images", len(chosen)) as update:

        def count(products: int) -> None:
            nonlocal done
            done += products
            update(completed=done // (2 * network.products))

        return classify(device, network, images[chosen], labels[chosen], progress=count)


def _trace(config: Config, folder: Path) -> None:
    """Run the network on a few images once more, with a waveform and a timeline."""
    import json

    from .. import open as open_device
    from ..demo.digits import load_digits, load_network
    from ..sim.rtl.timeline import perfetto

    network = load_network()
    images, _ = load_digits()
    few = images[network.test_index[:TRACED_IMAGES]]
    with open_device("rtl", config, trace=folder / "network.vcd") as device:
        device.run(network.graph(len(few)), [network.encode(few)])
        cycles, events = device.transport.activity()  # type: ignore[attr-defined]
    timeline = json.dumps(perfetto(cycles, events, config))
    (folder / "timeline.json").write_text(timeline, encoding="utf-8")


BITSTREAM_FACTS = ("board", "device", "fmax_mhz", "clock_mhz", "meets_clock", "bitstream")


def _bitstream(output: Output, board: Board, folder: Path) -> dict[str, Any]:
    """Build the board; what the page shows of it.

    Raises
    ------
    FlowError
        If a tool is missing or refuses the design.
    """
    from ..boards.build import build_board
    from ._synth_report import floorplan, unit_colours, write_synthesis

    config = board.config.replace(**BOARD_CONFIG)
    with output.progress(f"bitstream for the {board.title}, {config.rows} x {config.cols}"):
        build = build_board(board, config, output=folder)
    colours = unit_colours(build.synthesis.units)
    values = write_synthesis(build, folder)
    return values | {
        "title": board.title, "colours": colours, "floorplan": floorplan(build.synthesis, colours),
        "report": f"{BOARD_FOLDER}/report.html",
    }


def _bitstream_line(board: Board, built: dict[str, Any] | None, missing: str) -> str:
    if built is None:
        return f"bitstream     none for the {board.title}: {missing}"
    relation = "at least" if built["meets_clock"] else "slower than"
    return (
        f"bitstream     {built['bitstream']}, {built['fmax_mhz']:g} MHz post-route, {relation} the "
        f"board's {built['clock_mhz']:g} MHz"
    )


@subcommand(
    name="demo",
    short_help="Classify handwritten digits on the accelerator, with a page of pictures.",
    epilog="""
    weft demo
    weft demo --images 40 --json
    weft demo --target simulator -o build/other
    weft demo --board icebreaker
    """,
)
@click.option("--target", type=click.Choice(TARGETS), default="rtl", show_default=True,
              help="Where the network runs.")
@click.option("--images", type=click.IntRange(min=1), default=None, metavar="N",
              help="Test images to classify.  [default: all]")
@click.option("--board", "board_name", help=f"End with a bitstream for one of {', '.join(BOARDS)}: "
              "a 4x4 array without the vector unit, placed and routed. Takes minutes.")
@click.option("-o", "--output", "folder", type=click.Path(file_okay=False, path_type=Path),
              default=Path("build/demo"), show_default=True, help="Folder for the results.")
def command(
    output: Output, target: str, images: int | None, board_name: str | None, folder: Path
) -> dict[str, Any]:
    """Classify handwritten digits on an 8x8 accelerator, checked against NumPy.

    A small int8 network, trained beforehand, labels images it has not seen. It runs whole on the
    accelerator, then layer by layer, and every output of every layer is compared with NumPy. Writes
    the Verilog, a waveform, a timeline and index.html with pictures.
    """
    from ..demo.digits import load_network
    from ..demo.page import render
    from ..demo.report import facts, report
    from ..generators.generate import generate

    began = time.perf_counter()
    board = board_named(board_name) if board_name is not None else None
    config = Config.preset(PRESET)
    network = load_network()
    if images is not None and images > len(network.test_index):
        raise click.BadParameter(
            f"there are {len(network.test_index)} test images, not {images}",
            param_hint="--images",
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name in ABOUT:
        (folder / name).unlink(missing_ok=True)
    with output.progress("generate the Verilog"):
        generate(config, "accelerator", folder)
    result = _classify(output, target, config, network.test_index[:images])
    if target == "rtl":
        with output.progress("record a waveform"):
            _trace(config, folder)
    built, missing = None, ""
    if board is not None:
        try:
            built = _bitstream(output, board, folder / BOARD_FOLDER)
        except FlowError as error:
            missing = str(error)
    page = folder / "index.html"
    page.write_text(
        render(
            result, network, config, target=target, artifacts=_artifacts(folder),
            verilog=(folder / "weft_accelerator.v").read_text(encoding="utf-8"),
            bitstream=built,
        ),
        encoding="utf-8",
    )
    values = facts(result, config, target, time.perf_counter() - began, page)
    output.console.print(report(values, network.sizes, config), highlight=False, soft_wrap=True)
    if board is not None:
        values["bitstream"] = built and {key: built[key] for key in BITSTREAM_FACTS}
        output.console.print(_bitstream_line(board, built, missing), highlight=False,
                             soft_wrap=True)
    if not result.equal:
        output.console.print("[bold red]The device's answers differ from NumPy's.[/bold red]")
        output.status = 1
    return values
