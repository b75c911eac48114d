# SPDX-License-Identifier: Apache-2.0
"""`weft fit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ..hdl.config import Config
from ._command import Output, subcommand
from ._model_load import LoadedModel, optional_model_options, share

if TYPE_CHECKING:
    from ..boards.board import Board
    from ..compiler.network import CompiledModel
    from ..graph import Graph

__all__ = ["command"]

MEGABYTE = 1 << 20
DRAM_BYTES = 1024 * MEGABYTE


@subcommand(
    short_help="Say whether a model fits a configuration, and that a board, before a build.",
    epilog="""
    weft fit --board ulx3s-85f
    weft fit --board ulx3s-85f --rows 12 --cols 12
    weft fit model.tflite --board ulx3s-85f
    weft fit model.tflite --preset small
    weft fit model.onnx --config accelerator.yaml --json
    """,
)
@optional_model_options
@click.option("--dram", "dram_megabytes", type=click.IntRange(min=1),
              help="Megabytes of DRAM the accelerator has.  [default: 1024, or the board's memory]")
@click.option("--allow-host", is_flag=True,
              help="Also fits if convolutions or matrix products have to run on the host.")
def command(
    output: Output, model: Callable[[], LoadedModel] | None, config: Config, board: Board | None,
    dram_megabytes: int | None, allow_host: bool,
) -> dict[str, Any]:
    """Say what of MODEL runs where, what memory it needs, and what it costs: all estimates.

    The exit status is 1 if an operator that the accelerator has cannot run on this configuration,
    a convolution or matrix product has to run on the host, an operator cannot run at all, or the
    DRAM is too small.

    With --board, say what of its device the accelerator takes, and the largest arrays that fit,
    from a model of syntheses; the exit status is 1 if the configuration does not fit.
    """
    if model is None and board is None:
        raise click.UsageError("give a MODEL, a --board or both")
    result: dict[str, Any] = {}
    if board is not None:
        from ._fit_board import fit_board

        result = fit_board(output, board, config)
    if model is not None:
        size = board.memory_bytes if board is not None else DRAM_BYTES
        if dram_megabytes is not None:
            size = dram_megabytes * MEGABYTE
        result |= _fit_model(output, model, size, allow_host, result.get("problems", []))
    return result


def _fit_model(
    output: Output, model: Callable[[], LoadedModel], dram_bytes: int, allow_host: bool,
    found: list[str],
) -> dict[str, Any]:
    """What of the model runs where; ``found`` are problems that there are anyway."""
    from ._model_costs import dram_traffic, layer_costs, memory_use

    with output.progress("compiling"):
        loaded = model()
        compiled = loaded.compile()
        costs = layer_costs(compiled)
        memories = memory_use(compiled)
    config = compiled.config
    cycles = compiled.estimated_cycles
    macs = compiled.info["macs"]
    needed = len(compiled.constants) + compiled.tensor_bytes + 32 * sum(map(len, compiled.programs))
    problems = [*found, *_problems(loaded.graph, compiled, allow_host)]
    if needed > dram_bytes:
        problems.append(f"DRAM: {needed:,} bytes are needed, there are {dram_bytes:,}")
    if problems:
        output.status = 1
    peak = config.rows * config.cols
    result = {
        "fits": not problems, "problems": problems, "model": str(loaded.path),
        "config": config.to_dict(), "notes": loaded.notes,
        "estimated_cycles": cycles, "utilization": share(macs, peak * cycles), "macs": macs,
        "host_macs": _host_macs(compiled),
        "instructions": sum(map(len, compiled.programs)),
        "dram": {"bytes_needed": needed, "constants": len(compiled.constants),
                 "tensors": compiled.tensor_bytes, "traffic": dram_traffic(compiled, costs)},
        "memories": memories,
        "layers": [_layer(entry, costs.get(place), peak)
                   for place, entry in enumerate(compiled.manifest)],
        "host_operators": [{key: entry[key] for key in ("name", "kind", "reason")}
                           for entry in compiled.host_operators],
    }
    _print(output, result)
    return result


def _layer(entry: dict[str, Any], cost: Any, peak: int) -> dict[str, Any]:
    layer = {key: entry[key] for key in ("name", "kind", "where", "macs", "operators")}
    for key in ("cycles", "bytes_read", "bytes_written"):
        layer[key] = None if cost is None else getattr(cost, key)
    layer["utilization"] = (
        share(entry["macs"], peak * layer["cycles"]) if entry["macs"] and layer["cycles"] else None
    )
    return layer


def _host_macs(compiled: CompiledModel) -> int:
    graph = compiled.graph
    return sum(graph.multiply_accumulates(operator) for operator in graph.operators)


def _problems(graph: Graph | None, compiled: CompiledModel, allow_host: bool) -> list[str]:
    """What cannot run at all, what runs on the host only because of the configuration, and MACs."""
    from ..compiler.network.layers import HostOperator
    from ..compiler.network.mapping import map_graph

    always = None
    if graph is not None:
        roomy = Config(rows=compiled.config.rows, cols=compiled.config.cols,
                       requantize=graph.convention, max_reduction_depth=131071)
        items, _ = map_graph(graph, roomy)
        always = {item.operator.name for item in items if isinstance(item, HostOperator)}
    problems = []
    for entry in compiled.host_operators:
        operator = compiled.operator(entry["name"])
        name = f"{operator.name} ({operator.kind})"
        macs = compiled.graph.multiply_accumulates(operator)
        if operator.unsupported is not None:
            problems.append(f"{name} cannot run: {operator.unsupported}")
        elif always is not None and operator.name not in always:
            problems.append(f"{name} has to run on the host: {entry['reason']}")
        elif macs and not allow_host:
            problems.append(f"{name}, {macs:,} multiply-accumulates, runs on the host: "
                            f"{entry['reason']} (--allow-host accepts that)")
    return problems


def _print(output: Output, result: dict[str, Any]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from ._model_report import percent, print_host, print_layers, print_notes

    console, config = output.console, result["config"]
    console.print(f"[bold]{escape(result['model'])}[/bold] on {config['rows']} x "
                  f"{config['cols']}, {config['axi_width']}-bit AXI (all cycles are estimates)")
    print_notes(console, result["notes"])
    print_layers(console, result["layers"], {
        "cycles": "cycles", "utilization": "utilization", "bytes_read": "bytes read",
        "bytes_written": "bytes written"})
    print_host(console, result["host_operators"])
    table = Table(title="Words that the programs write", title_justify="left")
    for heading in ("memory", "used", "of", "share"):
        table.add_column(heading, justify="left" if heading == "memory" else "right")
    for item in result["memories"]:
        table.add_row(item["memory"], f"{item['used']:,}", f"{item['words']:,}",
                      percent(item["share"]))
    console.print(table)
    dram = result["dram"]
    console.print(f"DRAM: {dram['bytes_needed']:,} bytes, of which {dram['constants']:,} constants "
                  f"and {dram['tensors']:,} tensors", soft_wrap=True)
    traffic = dram["traffic"]
    console.print(f"DRAM traffic: {traffic['read']:,} bytes read, {traffic['written']:,} written, "
                  f"{traffic['instructions']:,} of instructions", soft_wrap=True)
    console.print(f"about {result['estimated_cycles']:,} cycles, utilization "
                  f"{percent(result['utilization'])}")
    for problem in result["problems"]:
        console.print(f"[red]does not fit[/red]: {escape(problem)}", soft_wrap=True)
    console.print("[green]fits[/green]" if result["fits"] else "[bold red]does not fit[/bold red]")
