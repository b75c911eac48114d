# SPDX-License-Identifier: Apache-2.0
"""The command group, and what happens to errors."""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
import traceback
from collections.abc import Sequence

import click
from rich.console import Console
from rich.text import Text

from .. import __version__

__all__ = ["main"]

_EXPECTED = (ValueError, OSError)
"""Errors whose message is for the user, as those of our own classes are. Any other is a defect and
shows its traceback."""


class _Commands(click.Group):
    """Finds subcommands as modules of this package and imports only the one that is used."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Names of all subcommands."""
        package = importlib.import_module(__package__)
        return sorted(
            item.name.replace("_", "-") for item in pkgutil.iter_modules(package.__path__)
            if not item.name.startswith("_")
        )

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The subcommand called ``name``."""
        if name not in self.list_commands(context):
            return None
        found: click.Command = importlib.import_module(
            f".{name.replace('-', '_')}", __package__
        ).command
        return found


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every command takes --json: one object on one line of standard output, everything "
    "else on standard error.",
)
@click.version_option(__version__, prog_name="weft")
def _weft() -> None:
    """Generate systolic-array accelerators and run matrices and models on them.

    \b
    weft generate --rows 16 --cols 16 -o build/ip     Verilog, register maps, core file
    weft gemm --m 128 --n 256 --k 256 --target rtl    a product at register-transfer level
    weft run model.tflite --input x.npy                a trained model, compared bit for bit
    weft info --preset small                          what a configuration means
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status, 0 only on success."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given
    try:
        status = _weft.main(given, prog_name="weft", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except click.exceptions.Abort:
        return _report(as_json, "Interrupted", "interrupted", 130)
    except click.ClickException as error:
        if not as_json:
            error.show()
            return error.exit_code
        usage = isinstance(error, click.UsageError)
        return _report(as_json, "UsageError" if usage else "Error", error.format_message(), 1)
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:
        if not isinstance(error, _EXPECTED) and not type(error).__module__.startswith("weft."):
            traceback.print_exc()
        return _report(as_json, type(error).__name__, str(error) or type(error).__name__, 1)


def _report(as_json: bool, kind: str, message: str, status: int) -> int:
    if as_json:
        print(json.dumps({"error": {"type": kind, "message": message}}), flush=True)
        return status
    console = Console(stderr=True, soft_wrap=True)
    console.print(Text.assemble(("Error: ", "bold red"), message))
    return status
