// SPDX-License-Identifier: Apache-2.0
// Simulation models of the ECP5 cells that Weft instantiates, in the configurations it uses.
// Behaviour after Lattice FPGA-TN-02205 (sysDSP) and FPGA-TN-02204 (memory and logic, CCU2C).
// Registers start at zero, as after configuration.
/* verilator lint_off UNUSEDPARAM */

// 18 x 18 multiplier, signed. Registers "NONE" or clocked by CLK0, each with an enable of its own
// choice. Shift inputs, resets and the second clock are not modelled.
module MULT18X18D #(
  parameter REG_INPUTA_CLK = "NONE",
  parameter REG_INPUTA_CE = "CE0",
  parameter REG_INPUTB_CLK = "NONE",
  parameter REG_INPUTB_CE = "CE0",
  parameter REG_PIPELINE_CLK = "NONE",
  parameter REG_PIPELINE_CE = "CE0",
  parameter REG_OUTPUT_CLK = "NONE",
  parameter REG_OUTPUT_CE = "CE0",
  parameter GSR = "ENABLED",
  parameter RESETMODE = "SYNC"
) (
  input A0, A1, A2, A3, A4, A5, A6, A7, A8, A9, A10, A11, A12, A13, A14, A15, A16, A17,
  input B0, B1, B2, B3, B4, B5, B6, B7, B8, B9, B10, B11, B12, B13, B14, B15, B16, B17,
  input SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
  input CE0, CE1, CE2, CE3, CLK0, CLK1, CLK2, CLK3, RST0, RST1, RST2, RST3,
  output P0, P1, P2, P3, P4, P5, P6, P7, P8, P9, P10, P11, P12, P13, P14, P15, P16, P17,
  output P18, P19, P20, P21, P22, P23, P24, P25, P26, P27, P28, P29, P30, P31, P32, P33, P34, P35
);
  wire [17:0] a = {A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0};
  wire [17:0] b = {B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0};
  wire [3:0] enables = {CE3, CE2, CE1, CE0};

  function [1:0] enable_number;
    input [23:0] name;
    enable_number = name[1:0];
  endfunction

  reg [17:0] a_register = 18'd0;
  reg [17:0] b_register = 18'd0;
  reg [35:0] pipeline = 36'd0;
  reg [35:0] result = 36'd0;
  always @(posedge CLK0) begin
    if (enables[enable_number(REG_INPUTA_CE)]) a_register <= a;
    if (enables[enable_number(REG_INPUTB_CE)]) b_register <= b;
    if (enables[enable_number(REG_PIPELINE_CE)]) pipeline <= product;
    if (enables[enable_number(REG_OUTPUT_CE)]) result <= piped;
  end

  wire [17:0] a_used = REG_INPUTA_CLK == "NONE" ? a : a_register;
  wire [17:0] b_used = REG_INPUTB_CLK == "NONE" ? b : b_register;
  wire signed [35:0] a_wide = {{18{SIGNEDA & a_used[17]}}, a_used};
  wire signed [35:0] b_wide = {{18{SIGNEDB & b_used[17]}}, b_used};
  wire [35:0] product = a_wide * b_wide;
  wire [35:0] piped = REG_PIPELINE_CLK == "NONE" ? product : pipeline;
  assign {
    P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18,
    P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0
  } = REG_OUTPUT_CLK == "NONE" ? piped : result;
endmodule

// Two look-up tables of four inputs on the carry chain. Where a table's output is 0, the carry out
// is its entry for A and B with C and D at 0.
module CCU2C #(
  parameter [15:0] INIT0 = 16'd0,
  parameter [15:0] INIT1 = 16'd0,
  parameter INJECT1_0 = "NO",
  parameter INJECT1_1 = "NO"
) (
  input CIN, A0, B0, C0, D0, A1, B1, C1, D1,
  output S0, S1, COUT
);
  // Entries are chosen input by input: one that is X leaves those on which all choices agree.
  wire [7:0] by_d_0 = D0 ? INIT0[15:8] : INIT0[7:0];
  wire [7:0] by_d_1 = D1 ? INIT1[15:8] : INIT1[7:0];
  wire [3:0] by_c_0 = C0 ? by_d_0[7:4] : by_d_0[3:0];
  wire [3:0] by_c_1 = C1 ? by_d_1[7:4] : by_d_1[3:0];
  wire [1:0] by_b_0 = B0 ? by_c_0[3:2] : by_c_0[1:0];
  wire [1:0] by_b_1 = B1 ? by_c_1[3:2] : by_c_1[1:0];
  wire table_0 = A0 ? by_b_0[1] : by_b_0[0];
  wire table_1 = A1 ? by_b_1[1] : by_b_1[0];
  wire [1:0] made_by_b_0 = B0 ? INIT0[3:2] : INIT0[1:0];
  wire [1:0] made_by_b_1 = B1 ? INIT1[3:2] : INIT1[1:0];
  wire made_0 = INJECT1_0 == "NO" && (A0 ? made_by_b_0[1] : made_by_b_0[0]);
  wire made_1 = INJECT1_1 == "NO" && (A1 ? made_by_b_1[1] : made_by_b_1[0]);
  wire carry = table_0 ? CIN : made_0;
  assign S0 = INJECT1_0 == "NO" ? table_0 ^ CIN : table_0;
  assign S1 = INJECT1_1 == "NO" ? table_1 ^ carry : table_1;
  assign COUT = table_1 ? carry : made_1;
endmodule
