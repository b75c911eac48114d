# SPDX-License-Identifier: Apache-2.0
"""``weft demo``: classify handwritten digits on the accelerator and show the run."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ..demo.classify import ARRAY_CAUSES, Classification, classify
from ..demo.digits import load_digits, load_network
from ..demo.page import Artifact, render, utilization
from ..hdl.config import Config

__all__ = ["demo"]

PRESET = "small"
BATCH = 100
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
    "layer1.vcd": f"waveform of layer 1 for {TRACED_IMAGES} images; open it with GTKWave or Surfer",
}
"""What the files of the demonstration are, in the order in which the page lists them."""


def _artifacts(folder: Path) -> list[Artifact]:
    return [
        Artifact(name, (folder / name).stat().st_size, about)
        for name, about in ABOUT.items()
        if (folder / name).exists()
    ]


def _facts(
    result: Classification, config: Config, target: str, seconds: float, page: Path
) -> dict[str, Any]:
    """What ``--json`` prints."""
    cycles = result.cycles
    return {
        "target": target,
        "images": len(result.images),
        "accuracy": result.accuracy,
        "reference_accuracy": result.reference_accuracy,
        "equal_to_reference": result.equal,
        "accumulators_compared": result.accumulators,
        "accumulators_different": result.different,
        "cycles": cycles or None,
        "cycles_per_image": cycles / len(result.images) if cycles else None,
        "utilization": utilization(result.products, cycles, config) if cycles else None,
        "counters": result.counters(),
        "layers": [
            {
                "inputs": layer.inputs,
                "outputs": layer.outputs,
                "calls": layer.calls,
                "cycles": layer.cycles or None,
                "utilization": utilization(layer.products, layer.cycles, config) or None,
            }
            for layer in result.layers
        ],
        "device_seconds": result.seconds,
        "seconds": seconds,
        "page": str(page),
    }


def _report(facts: dict[str, Any], sizes: tuple[int, ...], config: Config) -> str:
    """What the command prints for people."""
    count = facts["images"]
    right = round(facts["accuracy"] * count)
    lines = [
        (f"network       {'-'.join(map(str, sizes))}, int8, on {config.rows}x{config.cols}, "
        f"target {facts['target']}"),
        (f"accuracy      {right} of {count} test images, {facts['accuracy']:.2%} "
        f"(NumPy: {facts['reference_accuracy']:.2%})"),
        (f"accumulators  {facts['accumulators_compared']} int32 compared with NumPy, "
        f"{facts['accumulators_different']} differ"),
    ]
    if facts["cycles"]:
        lines += [
            f"cycles        {facts['cycles']}, {facts['cycles_per_image']:.1f} an image",
            f"utilization   {facts['utilization']:.1%}",
        ]
        for number, layer in enumerate(facts["layers"], 1):
            lines.append(
                f"  layer {number}     {layer['inputs']:2} to {layer['outputs']:2}: "
                f"{layer['cycles']} cycles, {layer['utilization']:.1%}"
            )
        counters = facts["counters"]
        whole = sum(counters.get(name, 0) for name in ARRAY_CAUSES)
        if whole:
            shares = [
                f"{counters[name] / whole:.1%} {about}"
                for name, about in ARRAY_CAUSES.items()
                if counters.get(name)
            ]
            lines.append("array         " + ", ".join(shares))
    lines += [
        ("on the host   bias, requantization and rectifier: the vector unit is not in this "
        "configuration"),
        f"time          {facts['device_seconds']:.2f} s in matmul, {facts['seconds']:.1f} s in all",
        f"page          {facts['page']}",
    ]
    return "\n".join(lines)


def _trace(config: Config, path: Path) -> None:
    """Run layer 1 on a few images once more, with a waveform."""
    from .. import open as open_device

    network = load_network()
    images, _ = load_digits()
    few = images[network.test_index[:TRACED_IMAGES]]
    with open_device("rtl", config, trace=path) as device:
        device.matmul(network.encode(few), network.layers[0].weight)


@click.command()
@click.option("--target", type=click.Choice(TARGETS), default="rtl", show_default=True,
              help="Where the matrix products run.")
@click.option("--images", type=click.IntRange(min=1), default=None, metavar="N",
              help="Test images to classify.  [default: all]")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path),
              default=Path("build/demo"), show_default=True, help="Folder for the results.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def demo(target: str, images: int | None, output: Path, as_json: bool) -> None:
    """Classify handwritten digits on an 8x8 accelerator, checked against NumPy.

    Writes the Verilog, a waveform of one layer and a page with pictures.
    """
    from .. import open as open_device
    from ..generators.generate import generate

    began = time.perf_counter()
    config = Config.preset(PRESET)
    network = load_network()
    pixels, labels = load_digits()
    chosen = network.test_index[:images]
    if images is not None and images > len(network.test_index):
        raise click.BadParameter(
            f"there are {len(network.test_index)} test images, not {images}",
            param_hint="--images",
        )
    output.mkdir(parents=True, exist_ok=True)
    for name in ABOUT:
        (output / name).unlink(missing_ok=True)
    products = len(chosen) * sum(layer.inputs * layer.outputs for layer in network.layers)
    columns = (
        TextColumn("{task.description:<34}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:

        def step(text: str, total: float | None = None) -> Any:
            return progress.add_task(text, total=total)

        task = step("generate the Verilog")
        generate(config, "accelerator", output)
        progress.update(task, total=1, completed=1)
        task = step("compile the model" if target == "rtl" else f"open target {target}")
        with open_device(target, config) as device:
            progress.update(task, total=1, completed=1)
            task = step(f"classify {len(chosen)} images", products)
            result = classify(
                device, network, pixels[chosen], labels[chosen], batch=BATCH,
                progress=lambda done: progress.advance(task, done),
            )
        if target == "rtl":
            task = step("compile again and record a waveform")
            _trace(config, output / "layer1.vcd")
            progress.update(task, total=1, completed=1)
    page = output / "index.html"
    verilog = (output / "weft_accelerator.v").read_text(encoding="utf-8")
    text = render(
        result, network, config, target=target, verilog=verilog, artifacts=_artifacts(output)
    )
    page.write_text(text, encoding="utf-8")
    facts = _facts(result, config, target, time.perf_counter() - began, page)
    click.echo(json.dumps(facts) if as_json else _report(facts, network.sizes, config))
    if not result.equal:
        click.echo("the device's answers differ from NumPy's", err=True)
        sys.exit(1)
