# SPDX-License-Identifier: Apache-2.0
"""A wrapper that lets a design with any number of ports be placed and timed on a small device."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["HARNESS", "HARNESS_FILE", "INSTANCE", "Port", "harness", "ports_of"]

HARNESS = "weft_harness"
"""Name of the wrapper's module."""

HARNESS_FILE = "weft_harness.v"
"""File in which the flow puts it; cells keep it as the place they come from."""

INSTANCE = "design"
"""Name of the design inside the wrapper; everything else there is the wrapper's own."""

CLOCK = "clk"


class Port(NamedTuple):
    """A port of the design: its name, whether it is an input, its bits."""

    name: str
    is_input: bool
    width: int


def ports_of(verilog: str, top: str) -> list[Port]:
    """The ports of a module in emitted Verilog, but for its clock.

    Raises
    ------
    ValueError
        If the text has no such module.
    """
    head = re.search(rf"^module {re.escape(top)} \(\n(.*?)\n\);", verilog, re.M | re.S)
    if head is None:
        names = re.findall(r"^module (\w+)", verilog, re.M)
        raise ValueError(f"top must be one of {', '.join(names)}, not {top!r}")
    found = re.findall(r"(input|output) wire (?:\[(\d+):0\] )?(\w+)", head[1])
    return [
        Port(name, direction == "input", int(high or 0) + 1)
        for direction, high, name in found
        if name != CLOCK
    ]


def harness(top: str, ports: Iterable[Port]) -> str:
    """Verilog of a module with three pins around ``top``.

    ::

        serial_i --> [shift register, a bit for each input] -- inputs --> top
        top -- outputs --> [XOR into a shift register, a bit for each output] --> serial_o

    Every input of the design comes from a flip-flop and every output ends in one, a single
    two-input gate before it, so that neither pins nor their timing limit the design, and no part of
    it can be optimized away: each input takes all values, and each output bit reaches the pin. The
    gate and the flip-flops belong to the wrapper, and are counted apart.

    Parameters
    ----------
    top : str
        Name of the design's module. Its clock is ``clk``.
    ports : iterable of Port
        Its other ports, reset included.
    """
    inputs = [port for port in ports if port.is_input]
    outputs = [port for port in ports if not port.is_input]
    input_bits = sum(port.width for port in inputs)
    output_bits = sum(port.width for port in outputs)
    lines = [f"  {top} {INSTANCE} (", f"    .{CLOCK}({CLOCK})"]
    for bus, group in (("driven", inputs), ("observed", outputs)):
        low = 0
        for port in group:
            lines[-1] += ","
            lines.append(f"    .{port.name}({bus}[{low + port.width - 1}:{low}])")
            low += port.width
    return "\n".join(
        [
            f"module {HARNESS} (input wire {CLOCK}, input wire serial_i, output wire serial_o);",
            f"  reg [{max(input_bits, 1) - 1}:0] driven;",
            f"  wire [{max(output_bits, 1) - 1}:0] observed;",
            f"  reg [{max(output_bits, 1) - 1}:0] folded;",
            f"  always @(posedge {CLOCK}) begin",
            "    driven <= {driven, serial_i};",
            "    folded <= {folded, 1'b0} ^ observed;",
            "  end",
            f"  assign serial_o = folded[{max(output_bits, 1) - 1}];",
            *lines,
            "  );",
            "endmodule\n",
        ]
    )
