// SPDX-License-Identifier: Apache-2.0
// Simulation model of the iCE40 UltraPlus cell that Weft instantiates, in the configuration it uses.
// Behaviour after Lattice FPGA-TN-02007 (DSP function usage guide).
// Registers start at zero, as after configuration.
/* verilator lint_off UNUSEDPARAM */

// Two signed 8 x 8 multipliers with input and pipeline registers. Accumulators, the 16 x 16 mode,
// resets and holds other than BHOLD are not modelled.
module SB_MAC16 #(
  parameter A_REG = 0,
  parameter B_REG = 0,
  parameter TOP_8x8_MULT_REG = 0,
  parameter BOT_8x8_MULT_REG = 0,
  parameter TOPOUTPUT_SELECT = 0,
  parameter BOTOUTPUT_SELECT = 0,
  parameter MODE_8x8 = 0,
  parameter A_SIGNED = 0,
  parameter B_SIGNED = 0
) (
  input CLK, CE,
  input [15:0] A, B, C, D,
  input AHOLD, BHOLD, CHOLD, DHOLD, IRSTTOP, IRSTBOT, ORSTTOP, ORSTBOT, OLOADTOP, OLOADBOT,
  input ADDSUBTOP, ADDSUBBOT, OHOLDTOP, OHOLDBOT, CI, ACCUMCI, SIGNEXTIN,
  output [31:0] O
);
  reg [15:0] a_register = 16'd0;
  reg [15:0] b_register = 16'd0;
  reg [31:0] pipeline = 32'd0;
  always @(posedge CLK) if (CE) begin
    a_register <= A;
    if (!BHOLD) b_register <= B;
    pipeline <= {top, bottom};
  end

  wire signed [15:0] a_top = {{8{a_register[15]}}, a_register[15:8]};
  wire signed [15:0] b_top = {{8{b_register[15]}}, b_register[15:8]};
  wire signed [15:0] a_bottom = {{8{a_register[7]}}, a_register[7:0]};
  wire signed [15:0] b_bottom = {{8{b_register[7]}}, b_register[7:0]};
  wire [15:0] top = a_top * b_top;
  wire [15:0] bottom = a_bottom * b_bottom;
  // Any other configuration gives nothing that could be taken for a result.
  wire known = A_REG == 1 && B_REG == 1 && TOP_8x8_MULT_REG == 1 && BOT_8x8_MULT_REG == 1
    && TOPOUTPUT_SELECT == 2 && BOTOUTPUT_SELECT == 2
    && MODE_8x8 == 1 && A_SIGNED == 1 && B_SIGNED == 1;
  assign O = known ? pipeline : 32'bx;
endmodule
