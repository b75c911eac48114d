# SPDX-License-Identifier: Apache-2.0
"""`weft compile`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ._command import Output, subcommand
from ._model_load import LoadedModel, model_options, require_kernels, write_whole

__all__ = ["command"]


@subcommand(
    short_help="Compile a model to a program file.",
    epilog="""
    weft compile model.tflite -o program.weft
    weft compile float.onnx --calibration samples.npy -o program.weft --rows 8 --cols 8
    """,
)
@model_options
@click.option("-o", "--output", "save", required=True,
              type=click.Path(path_type=Path, dir_okay=False), help="The program file (.weft).")
def command(output: Output, model: Callable[[], LoadedModel], save: Path) -> dict[str, Any]:
    """Compile MODEL (.tflite or .onnx) for a configuration.

    The file holds programs, weights, the operators of the host, and what runs where. Every program
    is checked as `weft check` does. If anything is wrong, nothing is written.
    """
    from ..compiler.checker import check
    from ..compiler.network import CompiledModel
    from ..compiler.program import ProgramError
    from ._model_costs import layer_costs

    if save.suffix != ".weft":
        raise click.UsageError(f"the name of the program file must end with .weft, not {save}")
    with output.progress("compiling") as update:
        loaded = model()
        if loaded.compiled is not None:
            raise click.UsageError(f"{loaded.path} is compiled already")
        compiled = loaded.compile()
        require_kernels(compiled)
        update(title="checking")
        for program in compiled.programs:
            for finding in check(compiled.config, program, limit=1):
                raise ProgramError(
                    f"the program {program.name!r} is wrong at instruction {finding.index}: "
                    f"{finding.what}; {finding.fix}"
                )
        content = compiled.to_bytes()
        CompiledModel.from_bytes(content)
    write_whole({save: content})
    costs = layer_costs(compiled)
    result = {
        "model": str(loaded.path), "program": str(save), "config": loaded.config.to_dict(),
        "notes": loaded.notes, "accuracy": loaded.accuracy, "bytes": len(content),
        "programs": len(compiled.programs),
        "instructions": sum(len(program) for program in compiled.programs),
        "constant_bytes": len(compiled.constants), "tensor_bytes": compiled.tensor_bytes,
        "macs": compiled.info["macs"], "estimated_cycles": compiled.estimated_cycles,
        "layers": [
            {**{key: entry[key] for key in ("name", "kind", "where", "macs", "operators")},
             "instructions": costs[place].instructions if place in costs else None}
            for place, entry in enumerate(compiled.manifest)
        ],
        "host_operators": [{key: entry[key] for key in ("name", "kind", "reason")}
                           for entry in compiled.host_operators],
    }
    _print(output, result)
    return result


def _print(output: Output, result: dict[str, Any]) -> None:
    from rich.markup import escape

    from ._model_report import print_host, print_layers, print_notes

    console = output.console
    print_notes(console, result["notes"])
    print_layers(console, result["layers"], {"instructions": "instructions"})
    print_host(console, result["host_operators"])
    console.print(
        f"{escape(result['program'])}: {result['bytes']:,} bytes, {result['programs']} programs "
        f"of {result['instructions']:,} instructions, {result['constant_bytes']:,} bytes of "
        f"constants, {result['tensor_bytes']:,} bytes for tensors",
        soft_wrap=True,
    )
    console.print(f"about {result['estimated_cycles']:,} cycles (estimate)")
