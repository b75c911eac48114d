# SPDX-License-Identifier: Apache-2.0
"""`weft run`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ._board_options import TargetType, baud_option
from ._command import Output, subcommand
from ._model_load import LoadedModel, model_options, require_kernels, write_whole

if TYPE_CHECKING:
    import numpy as np

    from ..graph import Graph
    from ..runtime.model import Result

__all__ = ["command"]

TARGETS = ("reference", "simulator", "rtl", "cocotb")


@subcommand(
    short_help="Run a model and compare it with the reference kernels.",
    epilog="""
    weft run model.tflite --input x.npy --rows 16 --cols 16 --target simulator
    weft run model.onnx --input a.npy --input b.npy --output build/outputs
    weft run program.weft --input x.npy --reference model.tflite --json
    weft run node/model.onnx --input node/input_0.pb --expect node/output_0.pb
    weft run float.onnx --calibration samples.npy --labels labels.npy --target rtl
    """,
)
@model_options
@click.option("--input", "inputs", multiple=True, metavar="[NAME=]FILE",
              help="A file for each input, in order or by name: NumPy (.npy) or ONNX tensor (.pb). "
              "Without: random values.")
@click.option("--expect", multiple=True, metavar="[NAME=]FILE",
              help="A file for each output, in order or by name, that it must equal bit for bit.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of random inputs.")
@click.option("--output", "save", type=click.Path(path_type=Path),
              help="Write the outputs: a .npy file for one, else a directory for output_N.npy.")
@click.option("--target", type=TargetType(TARGETS), default="simulator", show_default=True,
              help="Where the accelerator's part runs; a board says itself what its configuration "
              "and memory are.")
@baud_option
@click.option("--latency", type=click.IntRange(min=1), default=30, show_default=True,
              help="Cycles of memory latency (rtl).")
@click.option("--dram", "dram_megabytes", type=click.IntRange(min=1),
              help="Megabytes of DRAM the accelerator has.  "
              "[default: 1024, or what its addresses reach]")
@click.option("--per-layer", is_flag=True,
              help="Run each layer as a program of its own, to measure its cycles.")
@click.option("--check/--no-check", "compare", default=True, show_default=True,
              help="Compare with the reference kernels.")
@click.option("--reference", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="The model that a compiled MODEL was made of, to compare with.")
def command(
    output: Output, model: Callable[[], LoadedModel], inputs: tuple[str, ...],
    expect: tuple[str, ...], seed: int, save: Path | None, target: str, baud: int,
    latency: int, dram_megabytes: int | None, per_layer: bool, compare: bool,
    reference: Path | None,
) -> dict[str, Any]:
    """Run MODEL (.tflite, .onnx, or a .weft file of `weft compile`).

    Operators that the accelerator lacks run on the host and are listed. Outputs are compared with
    the reference kernels; the exit status is 0 only if they are equal, and equal to what --expect
    names. Without a clock (simulator)
    cycles are null and an estimate is given instead.
    """
    from .. import open as open_device
    from ._model_inputs import (
        check_output,
        describe,
        output_files,
        read_expected,
        read_inputs,
        same_array,
    )

    with output.progress("reading the model"):
        loaded = model()
    graph = loaded.source
    if save is not None:
        check_output(save, len(graph.outputs))
    values, sources = read_inputs(graph, inputs, seed)
    expected = read_expected(graph, expect) if expect else None
    options = {} if dram_megabytes is None else {"dram_bytes": dram_megabytes << 20}
    if target == "rtl":
        options["latency"] = latency
    device = None
    if target.startswith("serial:"):
        device = open_device(target, baud=baud)
        if loaded.compiled is None:
            loaded.config = device.config
    subject: Any = loaded.compiled or loaded.graph
    if target != "reference":
        with output.progress("compiling"):
            subject = loaded.compile(per_layer=per_layer)
        require_kernels(subject)
    slow = target in ("rtl", "cocotb")
    with output.progress(f"building the target {target}") if slow else nullcontext():
        device = device or open_device(target, loaded.config, **options)
    with device, output.progress("running"):
        found = device.run(subject, values)
    files = {} if save is None else output_files(save, found.outputs)
    equal = None
    if compare and target != "reference":
        equal = _equal(loaded, reference, values, found.outputs)
    if save is not None and files:
        _make_directory(save.parent if save.suffix == ".npy" else save)
        write_whole(files)
    as_expected = None
    if expected is not None:
        as_expected = all(map(same_array, found.outputs, expected))
    if equal is False or as_expected is False:
        output.status = 1
    notes = list(loaded.notes)
    if equal is None and compare:
        notes.append(
            "this is the reference" if target == "reference" else
            "not compared: a compiled model does not hold the operators; give --reference MODEL"
        )
    result = {
        "model": str(loaded.path), "target": target, "config": loaded.config.to_dict(),
        "inputs": sources,
        "outputs": [describe(name, array)
                    for name, array in zip(graph.outputs, found.outputs, strict=True)],
        "equal_to_reference": equal, "equal_to_expected": as_expected,
        "accuracy": loaded.accuracy,
        "notes": notes,
        "files": [str(path) for path in files],
        **_facts(found),
        **_estimates(subject, found),
    }
    _print(output, result, found)
    return result


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.UsageError(
            f"the directory {path} cannot be made ({error.strerror}); give --output another one"
        ) from error


def _equal(
    loaded: LoadedModel, reference: Path | None, values: dict[str, np.ndarray],
    outputs: list[np.ndarray],
) -> bool | None:
    """Whether the reference kernels give the same; None if there is no graph for them."""
    from ..graph import Graph, ModelError
    from ..operators.interpreter import Interpreter
    from ..runtime.errors import OperandError
    from ..runtime.model import load_model
    from ._model_inputs import same_array

    graph: Graph | None = loaded.graph
    if reference is not None:
        other = load_model(reference)
        if not isinstance(other, Graph):
            raise OperandError(f"{reference} is compiled; --reference needs the model itself")
        graph = other
    if graph is None:
        return None
    if len(graph.outputs) != len(outputs):
        raise OperandError(f"{reference} has {len(graph.outputs)} outputs, not {len(outputs)}")
    try:
        expected = Interpreter(graph).run(list(values.values()))
    except ModelError as error:
        if reference is None:
            raise
        raise OperandError(f"--reference {reference} is not the model that was compiled: {error}"
                           ) from error
    return all(same_array(array, expected[name])
               for name, array in zip(graph.outputs, outputs, strict=True))


def _facts(found: Result) -> dict[str, Any]:
    return {
        "cycles": found.cycles, "utilization": found.utilization,
        "layers": [
            {"name": layer.name, "kind": layer.kind, "where": layer.where, "macs": layer.macs,
             "cycles": layer.cycles, "utilization": layer.utilization,
             "operators": list(layer.operators)}
            for layer in found.layers
        ],
        "host_operators": found.host_operators, "macs": found.macs,
        "instructions": found.instructions, "bytes_read": found.bytes_read,
        "bytes_written": found.bytes_written, "counters": found.counters,
    }


def _estimates(subject: Any, found: Result) -> dict[str, Any]:
    """Estimated cycles of the whole, and in the layers."""
    from ..compiler.network import CompiledModel
    from ._model_costs import layer_costs

    if not isinstance(subject, CompiledModel):
        return {"estimated_cycles": None}
    costs = layer_costs(subject)
    layers = _facts(found)["layers"]
    for place, layer in enumerate(layers):
        cost = costs.get(place)
        layer["estimated_cycles"] = None if cost is None else cost.cycles
    return {"estimated_cycles": subject.estimated_cycles, "layers": layers}


def _print(output: Output, result: dict[str, Any], found: Result) -> None:
    from rich.markup import escape

    from ._model_report import (
        number,
        percent,
        print_host,
        print_layers,
        print_notes,
        tensor_type,
    )

    console, config = output.console, result["config"]
    console.print(f"[bold]{escape(result['model'])}[/bold] on {result['target']}, "
                  f"{config['rows']} x {config['cols']}", soft_wrap=True)
    for item in result["inputs"]:
        console.print(f"input {escape(item['name'])}: {tensor_type(item)}, "
                      f"{escape(item['source'])}", highlight=False, soft_wrap=True)
    print_notes(console, result["notes"])
    columns = {"cycles": "cycles", "utilization": "utilization"}
    if result["estimated_cycles"] is not None:
        columns["estimated_cycles"] = "estimated cycles"
    if all(layer["cycles"] is None for layer in result["layers"]):
        columns = {key: text for key, text in columns.items() if key == "estimated_cycles"}
    print_layers(console, result["layers"], columns)
    print_host(console, result["host_operators"])
    for item, array in zip(result["outputs"], found.outputs, strict=True):
        shown = f": {array.reshape(-1).tolist()}" if array.size <= 16 else ""
        console.print(f"output {escape(item['name'])}: {tensor_type(item)}{escape(shown)}",
                      highlight=False, soft_wrap=True)
    if result["cycles"] is not None:
        console.print(f"{number(result['cycles'])} cycles, utilization "
                      f"{percent(result['utilization'])}")
    elif result["estimated_cycles"]:
        console.print(f"about {number(result['estimated_cycles'])} cycles (estimate; the target "
                      f"{result['target']} has no clock)")
    for key, what in (("reference", "the reference kernels"), ("expected", "what was expected")):
        equal = result[f"equal_to_{key}"]
        if equal is not None:
            answer = "[green]yes[/green]" if equal else "[bold red]NO[/bold red]"
            console.print(f"equal to {what}: {answer}")
    for path in result["files"]:
        console.print(f"written: {escape(path)}", soft_wrap=True)
