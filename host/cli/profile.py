# SPDX-License-Identifier: Apache-2.0
"""`weft profile`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ._command import Output, subcommand
from ._model_load import LoadedModel, model_options, require_kernels, share, write_whole

if TYPE_CHECKING:
    from ..compiler.network import CompiledModel
    from ._model_recording import LayerActivity, Recording

__all__ = ["command"]

SOURCES = {
    "simulator": "Estimates of the cost model, not measured",
    "rtl": "Measured in simulated RTL, every cycle from start to interrupt",
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

    With --target rtl both come from the simulated hardware: which instruction was in which unit in
    every cycle, semaphores, DRAM beats, and for each layer why the array stood still. Otherwise
    both are estimates of the cost model.
    """
    from ._model_costs import layer_costs
    from ._model_html import page
    from ._model_recording import layer_activity
    from ._model_timeline import estimated_timeline, recorded_timeline

    with output.progress("compiling"):
        loaded = model()
        compiled = loaded.compile()
        require_kernels(compiled)
        costs = layer_costs(compiled)
    peak, beat = compiled.config.rows * compiled.config.cols, compiled.config.axi_bytes
    recordings = []
    if target == "rtl":
        recordings = _record(output, loaded, compiled, seed, latency)
    measured = layer_activity(recordings)
    layers = [
        _layer(entry, costs.get(place), measured.get(place), peak, beat)
        for place, entry in enumerate(compiled.manifest)
    ]
    cycles = sum(layer["cycles"] or 0 for layer in layers)
    macs = compiled.info["macs"]
    least = max(-(-macs // peak), *(-(-sum(getattr(cost, name) for cost in costs.values()) // beat)
                                    for name in ("bytes_read", "bytes_written")))
    result = {
        "model": str(loaded.path), "target": target, "source": SOURCES[target],
        "config": loaded.config.to_dict(), "notes": loaded.notes, "cycles": cycles,
        "utilization": share(macs, peak * cycles), "roofline_share": share(least, cycles),
        "macs": macs, "counters": {}, "layers": layers,
        "host_operators": [{key: entry[key] for key in ("name", "kind", "reason")}
                           for entry in compiled.host_operators],
        "files": {"timeline": str(folder / "timeline.json"),
                  "report": str(folder / "report.html")},
    }
    for item in measured.values():
        for name, count in item.counters.items():
            result["counters"][name] = result["counters"].get(name, 0) + count
    events = recorded_timeline(compiled, recordings) if recordings else estimated_timeline(compiled)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole({folder / "timeline.json": json.dumps(events).encode(),
                 folder / "report.html": page(result).encode()})
    _print(output, result)
    return result


def _record(
    output: Output, loaded: LoadedModel, compiled: CompiledModel, seed: int, latency: int
) -> list[Recording]:
    """Run the model once; what its programs did."""
    from .. import open as open_device
    from ._model_inputs import read_inputs
    from ._model_recording import read_recordings

    values, _ = read_inputs(loaded.source, (), seed)
    with output.progress("building the target rtl"):
        device: Any = open_device("rtl", loaded.config, latency=latency, trace="")
    with device, output.progress("running"):
        device.run(compiled, values)
        return read_recordings(device.transport, compiled)


def _layer(
    entry: dict[str, Any], cost: Any, activity: LayerActivity | None, peak: int, beat: int
) -> dict[str, Any]:
    """A layer for the report; ``array`` says how many cycles the array did what.

    Bytes of a measured layer are those that moved in its cycles, those of an estimated one what its
    own instructions move.
    """
    layer: dict[str, Any] = {key: entry[key]
                             for key in ("name", "kind", "where", "macs", "operators")}
    for key in ("cycles", "bytes_read", "bytes_written", "busy"):
        layer[key] = None if cost is None else getattr(cost, key)
    layer["array"] = None
    if activity is not None:
        counters = activity.counters
        layer |= {
            "cycles": activity.cycles,
            "bytes_read": counters["READ_BEATS"] * beat,
            "bytes_written": counters["WRITE_BEATS"] * beat,
            "busy": {unit: counters[f"{unit.upper()}_BUSY"] for unit in cost.busy},
            "array": activity.array,
        }
    layer["utilization"] = layer["roofline_share"] = None
    if cost is not None and layer["cycles"]:
        beats = max(layer["bytes_read"], layer["bytes_written"]) // beat
        layer["roofline_share"] = max(-(-entry["macs"] // peak), beats) / layer["cycles"]
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
    console.print(f"{result['cycles']:,} cycles, utilization {percent(result['utilization'])}, "
                  f"share of the roofline {percent(result['roofline_share'])}")
    for kind, path in result["files"].items():
        console.print(f"{kind}: {escape(path)}", soft_wrap=True)
