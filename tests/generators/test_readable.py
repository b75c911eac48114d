# SPDX-License-Identifier: Apache-2.0
"""The rewriting of Yosys' Verilog: what it must do and what it must not."""

import re

import pytest

from weft.generators import verilog
from weft.generators.equivalence import differences, find_reader
from weft.generators.readable import readable
from weft.generators.verilog import emit
from weft.hdl.accelerator import Accelerator
from weft.hdl.array import SystolicArray
from weft.hdl.config import Config
from weft.hdl.control.semaphores import Semaphores
from weft.hdl.dma.gearbox import Gearbox


def rewrite(declarations, body, ports="clk, rst, a, b, c, s, y, z"):
    """Return the statements that a fragment becomes."""
    known = {
        "clk": "input clk;",
        "rst": "input rst;",
        "a": "input [7:0] a;",
        "b": "input [7:0] b;",
        "c": "input [8:0] c;",
        "s": "input s;",
        "y": "output [8:0] y;",
        "z": "output z;",
    }
    lines = [f"  {known[port]}" for port in ports.split(", ")]
    lines += [f"  {line}" for line in (*declarations, *body)]
    text = readable(f"module m({ports});\n" + "\n".join(lines) + "\nendmodule\n")
    assert text.startswith("module m (\n  input wire clk,\n")
    return text[text.index(");\n") + 3 : -len("endmodule\n")]


def statements(declarations, body):
    """Return the same without declarations."""
    text = rewrite(declarations, body)
    return re.sub(r"^  (?:wire|reg) .*\n", "", text, flags=re.M)


def test_next_value_moves_to_the_register():
    text = statements(
        ["reg _0_;", "reg q = 1'h0;", "wire _1_;"],
        [
            "assign _1_ = ~ s;",
            "always @(posedge clk)",
            "  q <= _0_;",
            "always @* begin",
            "  if (_time_zero_) begin end",
            "  _0_ = q;",
            "  if (_1_) begin",
            "    _0_ = z;",
            "  end else if (s) begin",
            "    _0_ = 1'h1;",
            "  end",
            "  if (rst) begin",
            "    _0_ = 1'h0;",
            "  end",
            "end",
            "assign z = q;",
            "reg _time_zero_;",
            "initial _time_zero_ <= 1'b0;",
        ],
    )
    assert text == (
        "  assign z = q;\n"
        "  always @(posedge clk) begin\n"
        "    if (~s) q <= z;\n"
        "    else if (s) q <= 1'b1;\n"
        "    if (rst) q <= 1'b0;\n"
        "  end\n"
    )


def test_slices_cases_and_empty_branches_are_kept():
    text = statements(
        ["reg [8:0] _0_;", "reg [8:0] y = 9'h003;"],
        [
            "always @(posedge clk)",
            "  y <= _0_;",
            "always @* begin",
            "  _0_ = y;",
            "  casez (a)",
            "    8'h00:",
            "        _0_[3:0] = b[3:0];",
            "    8'h01, 8'h02:",
            "        /* empty */;",
            "    default:",
            "        begin",
            "          _0_[8] = s;",
            "          _0_[0] = 1'h1;",
            "        end",
            "  endcase",
            "  (* full_case = 32'h00000001 *)",
            "  if (s) begin",
            "  end else begin",
            "    _0_[4] = 1'h0;",
            "  end",
            "end",
        ],
    )
    assert text == (
        "  always @(posedge clk) begin\n"
        "    case (a)\n"
        "      8'h00: y[3:0] <= b[3:0];\n"
        "      8'h01, 8'h02: ;\n"
        "      default: begin\n"
        "        y[8] <= s;\n"
        "        y[0] <= 1'b1;\n"
        "      end\n"
        "    endcase\n"
        "    if (s) begin end\n"
        "    else y[4] <= 1'b0;\n"
        "  end\n"
    )


def test_wildcards_keep_casez():
    text = statements(
        ["reg z;"],
        [
            "always @* begin",
            "  z = 1'h0;",
            "  casez (a)",
            "    8'b1???????:",
            "        z = 1'h1;",
            "  endcase",
            "end",
        ],
    )
    assert "casez (a)\n      8'b1???????: z = 1'b1;" in text


@pytest.mark.parametrize(
    "extra",
    [
        ["assign z = _0_;"],
        ["always @(posedge clk)", "  r <= _0_;"],
    ],
)
def test_next_value_read_elsewhere_stays(extra):
    text = statements(
        ["reg _0_;", "reg q;", "reg r;"],
        [
            "always @(posedge clk)",
            "  q <= _0_;",
            "always @* begin",
            "  _0_ = q;",
            "  if (s) begin",
            "    _0_ = a[0];",
            "  end",
            "end",
            *extra,
        ],
    )
    assert "always @* begin" in text
    assert "_0_ = q;" in text or "q_next = q;" in text


def test_next_value_that_reads_itself_stays():
    text = statements(
        ["reg _0_;", "reg q;"],
        [
            "always @(posedge clk)",
            "  q <= _0_;",
            "always @* begin",
            "  _0_ = q;",
            "  if (s) begin",
            "    _0_ = ~ _0_;",
            "  end",
            "end",
            "assign z = q;",
        ],
    )
    assert "always @* begin" in text


def test_registers_with_the_same_conditions_share_a_block():
    text = statements(
        ["reg _0_;", "reg _1_;", "reg p;", "reg q;", "wire _2_;", "wire _3_;"],
        [
            "assign _2_ = a[0] & s;",
            "assign _3_ = a[0] & s;",
            "always @(posedge clk)",
            "  p <= _0_;",
            "always @(posedge clk)",
            "  q <= _1_;",
            "always @* begin",
            "  _0_ = p;",
            "  if (_2_) begin",
            "    _0_ = b[0];",
            "  end",
            "end",
            "always @* begin",
            "  _1_ = q;",
            "  if (_3_) begin",
            "    _1_ = b[1];",
            "  end else if (s) begin",
            "    _1_ = p;",
            "  end",
            "end",
        ],
    )
    assert text == (
        "  always @(posedge clk) begin\n"
        "    if (a[0] & s) begin\n      p <= b[0];\n      q <= b[1];\n"
        "    end else if (s) q <= p;\n"
        "  end\n"
    )


@pytest.mark.parametrize(
    ("wires", "body", "result"),
    [
        # One bit, comparisons, operators in operators.
        (
            ["wire _0_;", "wire _1_;"],
            ["_0_ = a == b;", "_1_ = _0_ | s;", "z = ~ _1_;"],
            ["z = ~((a == b) | s);"],
        ),
        (["wire _0_;"], ["_0_ = ~(| s);", "z = _0_;"], ["z = ~s;"]),
        # Wider than its place: zeros above a slice, but ones above an inverse.
        (["wire [7:0] _0_;"], ["_0_ = a & b;", "y = _0_ | c;"], ["y = (a & b) | c;"]),
        (["wire [7:0] _0_;"], ["_0_ = ~ a;", "y = _0_ | c;"], ["_0_ = ~a;", "y = _0_ | c;"]),
        # A carry that the wire cuts off, and one that it keeps.
        (["wire [7:0] _0_;"], ["_0_ = a + b;", "y = _0_ + c;"], ["_0_ = a + b;", "y = _0_ + c;"]),
        (["wire [8:0] _0_;"], ["_0_ = a + b;", "y = _0_ + c;"], ["y = a + b + c;"]),
        (
            ["wire [8:0] _0_;"],
            ["_0_ = a + b;", "z = _0_ == 9'h100;"],
            ["_0_ = a + b;", "z = _0_ == 9'h100;"],
        ),
        (
            ["wire [8:0] _0_;"],
            ["_0_ = a + b;", "y = {_0_[7:0], s};"],
            ["_0_ = a + b;", "y = {_0_[7:0], s};"],
        ),
        # The borrow of a difference is no number of its own.
        (
            ["wire [8:0] _0_;", "wire [9:0] _1_;"],
            ["_0_ = a - b;", "_1_ = _0_ + c;", "z = _1_[9];"],
            ["_0_ = a - b;", "_1_ = _0_ + c;", "z = _1_[9];"],
        ),
        # Low bits of a sum in a place as wide as they.
        (["wire [9:0] _0_;"], ["_0_ = c + a;", "y = _0_[8:0];"], ["y = c + a;"]),
        (
            ["wire [9:0] _0_;"],
            ["_0_ = c >> a;", "y = _0_[8:0];"],
            ["_0_ = c >> a;", "y = _0_[8:0];"],
        ),
        (
            ["wire [9:0] _0_;"],
            ["_0_ = c + a;", "z = _0_[7:0] < b;"],
            ["_0_ = c + a;", "z = _0_[7:0] < b;"],
        ),
        # Signs: alone on the right they are nobody's concern, elsewhere they are.
        (
            ["wire [8:0] _0_;"],
            ["_0_ = $signed(a) + $signed(b);", "y = _0_;"],
            ["y = $signed(a) + $signed(b);"],
        ),
        (
            ["wire [8:0] _0_;"],
            ["_0_ = $signed(a) + $signed(b);", "y = _0_ | c;"],
            ["_0_ = $signed(a) + $signed(b);", "y = _0_ | c;"],
        ),
        (
            ["wire [7:0] _0_;"],
            ["_0_ = $signed(a) + $signed(b);", "y = _0_;"],
            ["_0_ = $signed(a) + $signed(b);", "y = _0_;"],
        ),
        (
            ["wire [7:0] _0_;"],
            ["_0_ = $signed(a) >>> 1'h1;", "y = s ? _0_ : c;"],
            ["_0_ = $signed(a) >>> 1'b1;", "y = s ? _0_ : c;"],
        ),
        # Operands of a comparison lend each other their width.
        (["wire [7:0] _0_;"], ["_0_ = a + b;", "z = _0_ == c;"], ["_0_ = a + b;", "z = _0_ == c;"]),
        (["wire [7:0] _0_;"], ["_0_ = a + b;", "z = _0_ == 8'h05;"], ["z = a + b == 8'h5;"]),
        # Read twice: only what is short is repeated.
        (
            ["wire _0_;"],
            ["_0_ = a < b;", "z = _0_ & s;", "y = {c[7:0], _0_};"],
            ["z = (a < b) & s;", "y = {c[7:0], a < b};"],
        ),
        (
            ["wire [7:0] _0_;"],
            ["_0_ = a + b;", "z = _0_ == 8'h05;", "y = {s, _0_};"],
            ["_0_ = a + b;", "z = _0_ == 8'h5;", "y = {s, _0_};"],
        ),
        # Slices of concatenations and constants.
        (
            ["wire [8:0] _0_;"],
            ["_0_ = {s, a};", "z = _0_[8];", "y = {c[8:4], _0_[3:0]};"],
            ["z = s;", "y = {c[8:4], a[3:0]};"],
        ),
        (["wire [7:0] _0_;"], ["_0_ = 8'h1c;", "y = {c[4:0], _0_[5:2]};"], ["y = {c[4:0], 4'h7};"]),
        (["wire [5:0] _0_;"], ["_0_ = { s, s, s, a[2:0] };", "y = { _0_, s, s, s };"],
         ["y = {{3{s}}, a[2:0], {3{s}}};"]),
        (["wire _0_;"], ["_0_ = a[0] & s;", "y = { _0_, _0_, _0_ };"],
         ["y = {3{a[0] & s}};"]),
        # Nothing reads it.
        (["wire [7:0] _0_;"], ["_0_ = a;", "z = s;"], ["z = s;"]),
        # All slices of a port.
        ([], ["y[8] = s;", "y[7:4] = a[3:0];", "y[3:0] = 4'h2;"], ["y = {s, a[3:0], 4'h2};"]),
        (
            [],
            ["y[8] = s;", "y[7:4] = a[3:0];", "y[3:0] = y[7:4];"],
            ["y[8] = s;", "y[7:4] = a[3:0];", "y[3:0] = y[7:4];"],
        ),
    ],
)
def test_helper_wires(wires, body, result):
    text = statements(wires, [f"assign {line}" for line in body])
    assert text == "".join(f"  assign {line}\n" for line in result)


def test_long_lines_end_the_nesting():
    terms = [f"a[{n % 8}] ^ b[{n // 8}]" for n in range(40)]
    body = [f"assign _{n}_ = {term};" for n, term in enumerate(terms)]
    body += ["assign _40_ = _0_ & _1_;"]
    body += [f"assign _{n + 40}_ = _{n + 39}_ | _{n}_;" for n in range(2, 39)]
    body += ["assign z = _78_ & _39_;"]
    text = rewrite([f"wire _{n}_;" for n in range(79)], body)
    assert max(map(len, text.split("\n"))) <= 110
    assert 5 < text.count("assign") <= 40


def test_blocking_targets_are_not_read_early():
    text = statements(
        ["reg [1:0] r;", "wire _0_;"],
        [
            "assign _0_ = ~ r[0];",
            "assign z = r[1];",
            "always @* begin",
            "  r = 2'h0;",
            "  r[0] = s;",
            "  r[1] = _0_;",
            "end",
        ],
    )
    assert "r[1] = _0_;" in text
    assert "assign _0_ = ~r[0];" in text


def test_concatenations_are_targets():
    text = statements(
        ["reg [3:0] r;", "wire _0_;", "reg [2:0] _1_;", "reg [2:0] q;"],
        [
            "assign _0_ = ~ r[0];", "assign z = r[1];", "always @(posedge clk)", "  q <= _1_;",
            "always @* begin", "  r = 4'h0;", "  { r[3], r[0] } = a[1:0];", "  r[1] = _0_;", "end",
            "always @* begin", "  _1_ = q;", "  { _1_[2], _1_[0] } = b[1:0];", "end",
        ],
    )
    assert "r[1] = _0_;" in text
    assert "{q[2], q[0]} <= b[1:0];" in text


def test_unknown_constructs_leave_the_module_alone():
    text = "module m(a, y);\n  input a;\n  output y;\n  not gate [1:0] (y, a);\nendmodule\n"
    assert readable(text) == text


def test_attributes_of_memories_stay():
    """And do not keep the module from being rewritten."""
    text = readable("""module m(clk, a, y);
  input clk;
  input a;
  output y;
  (* no_rw_check = 32'd1 *)
  reg [0:0] memory [1:0];
  reg [0:0] _0_;
  always @(posedge clk) begin
    _0_ <= memory[a];
  end
  assign y = _0_;
endmodule
""")
    assert "  (* no_rw_check = 32'd1 *)\n  reg [0:0] memory [1:0];\n" in text
    assert text.startswith("module m (\n  input wire clk,\n")


@pytest.mark.parametrize("preset", ["tiny", "default"])
def test_every_module_of_an_accelerator_is_rewritten(preset):
    """Yosys' own text has nothing but names in a module's head."""
    text = emit(Accelerator(Config.preset(preset)), "weft_accelerator")
    heads = re.findall(r"^module \w+ ?\(.*$", text, re.M)
    assert len(heads) > 20 and all(head.endswith(" (") for head in heads)


def test_comment_above_the_module():
    text = readable("module m(a);\n  input a;\nendmodule\n", {"m": "Does nothing."})
    assert text == "// Does nothing.\nmodule m (\n  input wire a\n);\nendmodule\n"


COMPONENTS = {
    "array": lambda: SystolicArray(rows=3, cols=2, partial_sum_width=20),
    "semaphores": lambda: Semaphores(requests=3, sources=3),
    "gearbox": lambda: Gearbox(4, 16),
}


@pytest.mark.skipif(find_reader() is None, reason="no Yosys that reads Verilog")
@pytest.mark.parametrize("name", COMPONENTS)
def test_equal_to_what_yosys_wrote(name, tmp_path, monkeypatch):
    texts = []

    def spy(text, descriptions):
        texts.append(text)
        return readable(text, descriptions)

    monkeypatch.setattr(verilog, "readable", spy)
    after = emit(COMPONENTS[name](), "toy")
    assert differences(texts[0], after, tmp_path) == {}
