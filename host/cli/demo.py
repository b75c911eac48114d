# SPDX-License-Identifier: Apache-2.0
"""`weft demo`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from ..hdl.config import Config
from ._command import Output, subcommand

__all__ = ["command"]

PRESET = "small"
TRACED_IMAGES = 16
TARGETS = ("rtl", "simulator", "reference", "cocotb")

ABOUT = {
    "weft_accelerator.v": "the accelerator in Verilog",
    "config.yaml": "its configuration",
    "manifest.json": "ports, sizes and checksums of what was generated",
    "weft_registers.h": "register map as a C header",
    "weft.svd": "register map as CMSIS-SVD",
    "registers.md": "register map to read",
    "weft.core": "FuseSoC core description",
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


@subcommand(
    name="demo",
    short_help="Classify handwritten digits on the accelerator, with a page of pictures.",
    epilog="""
    weft demo
    weft demo --images 40 --json
    weft demo --target simulator -o build/other
    """,
)
@click.option("--target", type=click.Choice(TARGETS), default="rtl", show_default=True,
              help="Where the network runs.")
@click.option("--images", type=click.IntRange(min=1), default=None, metavar="N",
              help="Test images to classify.  [default: all]")
@click.option("-o", "--output", "folder", type=click.Path(file_okay=False, path_type=Path),
              default=Path("build/demo"), show_default=True, help="Folder for the results.")
def command(output: Output, target: str, images: int | None, folder: Path) -> dict[str, Any]:
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
    page = folder / "index.html"
    page.write_text(
        render(
            result, network, config, target=target, artifacts=_artifacts(folder),
            verilog=(folder / "weft_accelerator.v").read_text(encoding="utf-8"),
        ),
        encoding="utf-8",
    )
    values = facts(result, config, target, time.perf_counter() - began, page)
    output.console.print(report(values, network.sizes, config), highlight=False, soft_wrap=True)
    if not result.equal:
        output.console.print("[bold red]The device's answers differ from NumPy's.[/bold red]")
        output.status = 1
    return values
