# SPDX-License-Identifier: Apache-2.0
"""`weft profile`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ._command import Output, subcommand
from ._model_load import LoadedModel, model_options, require_kernels, share, write_whole

if TYPE_CHECKING:
    from ..compiler.network import CompiledModel

__all__ = ["command"]

SOURCES = {
    "simulator": "Estimates of the cost model, layers overlapping as in one program",
    "rtl": "Measured in simulated RTL, each layer as a program of its own",
}


@subcommand(
    short_help="Show where a model's cycles go: timeline and HTML report.",
    epilog="""
    weft profile model.tflite -o build/profile
    weft profile model.tflite --target rtl --rows 8 --cols 8
    """,
)
@model_options
@click.option("-o", "--output", "folder", type=click.Path(path_type=Path, file_okay=False),
              default=Path("build/profile"), show_default=True, help="Directory of the files.")
@click.option("--target", type=click.Choice(tuple(SOURCES)), default="simulator",
              show_default=True, help="simulator: estimates; rtl: measured.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of random inputs (rtl).")
@click.option("--latency", type=click.IntRange(min=1), default=30, show_default=True,
              help="Cycles of memory latency (rtl).")
def command(
    output: Output, model: Callable[[], LoadedModel], folder: Path, target: str, seed: int,
    latency: int,
) -> dict[str, Any]:
    """Write timeline.json (for ui.perfetto.dev) and report.html about a run of MODEL.

    The timeline of instructions, semaphores and DRAM is always an estimate. The report's cycles
    are estimates too, or with --target rtl those of the hardware, with the counters that say why
    the array stood still.
    """
    from ._model_costs import layer_costs
    from ._model_html import page
    from ._model_timeline import timeline

    with output.progress("compiling"):
        loaded = model()
        compiled = loaded.compile(per_layer=target == "rtl")
        require_kernels(compiled)
        costs = layer_costs(compiled)
    peak, beat = compiled.config.rows * compiled.config.cols, compiled.config.axi_bytes
    measured: dict[int, dict[str, int]] = {}
    if target == "rtl":
        measured = _measure(output, loaded, compiled, seed, latency)
    layers = [
        _layer(entry, costs.get(place), measured.get(place), peak, beat)
        for place, entry in enumerate(compiled.manifest)
    ]
    cycles = sum(layer["cycles"] or 0 for layer in layers)
    macs = compiled.info["macs"]
    result = {
        "model": str(loaded.path), "target": target, "source": SOURCES[target],
        "config": loaded.config.to_dict(), "notes": loaded.notes, "cycles": cycles,
        "utilization": share(macs, peak * cycles), "macs": macs, "layers": layers,
        "host_operators": [{key: entry[key] for key in ("name", "kind", "reason")}
                           for entry in compiled.host_operators],
        "files": {"timeline": str(folder / "timeline.json"),
                  "report": str(folder / "report.html")},
    }
    events = timeline(compiled, layers if measured else ())
    folder.mkdir(parents=True, exist_ok=True)
    write_whole({folder / "timeline.json": json.dumps(events).encode(),
                 folder / "report.html": page(result).encode()})
    _print(output, result)
    return result


def _measure(
    output: Output, loaded: LoadedModel, compiled: CompiledModel, seed: int, latency: int
) -> dict[int, dict[str, int]]:
    """Counters of each layer, by its place in the manifest."""
    from .. import open as open_device
    from ..compiler.network import AcceleratorStep
    from ._model_inputs import read_inputs

    values, _ = read_inputs(loaded.source, (), seed)
    with output.progress("building the target rtl"):
        device: Any = open_device("rtl", loaded.config, latency=latency)
    recorder = _Recorder(device.driver)
    with device, output.progress("running"):
        device.driver = recorder
        device.run(compiled, values)
    steps = [step for step in compiled.steps if isinstance(step, AcceleratorStep)]
    return {step.layers[0]: dict(counters)
            for step, counters in zip(steps, recorder.counters, strict=True)}


class _Recorder:
    """Keeps the counters of every program that a driver runs."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self.counters: list[Mapping[str, int]] = []

    def run(self, *arguments: Any) -> Any:
        """Run a program."""
        outcome = self.driver.run(*arguments)
        self.counters.append(outcome.counters)
        return outcome


def _layer(
    entry: dict[str, Any], cost: Any, counters: dict[str, int] | None, peak: int, beat: int
) -> dict[str, Any]:
    """A layer for the report; ``array`` says how many cycles the array did what."""
    from ._gemm_report import ARRAY_STATES

    layer: dict[str, Any] = {key: entry[key]
                             for key in ("name", "kind", "where", "macs", "operators")}
    for key in ("cycles", "bytes_read", "bytes_written", "busy"):
        layer[key] = None if cost is None else getattr(cost, key)
    layer["array"] = None
    if counters is not None:
        layer["cycles"] = counters["CYCLES"]
        layer["array"] = {words: counters[name] for name, words in ARRAY_STATES.items()}
    layer["utilization"] = layer["roofline_share"] = None
    if cost is not None and layer["cycles"]:
        least = max(-(-entry["macs"] // peak), cost.bytes_read // beat, cost.bytes_written // beat)
        layer["roofline_share"] = least / layer["cycles"]
        if entry["macs"]:
            layer["utilization"] = entry["macs"] / (peak * layer["cycles"])
    return layer


def _print(output: Output, result: dict[str, Any]) -> None:
    from rich.markup import escape

    from ._model_report import percent, print_host, print_layers, print_notes

    console = output.console
    print_notes(console, result["notes"])
    print_layers(console, result["layers"], {
        "cycles": "cycles", "utilization": "utilization", "roofline_share": "roofline share",
    }, result["source"])
    print_host(console, result["host_operators"])
    console.print(f"{result['cycles']:,} cycles, utilization {percent(result['utilization'])}")
    for kind, path in result["files"].items():
        console.print(f"{kind}: {escape(path)}", soft_wrap=True)
