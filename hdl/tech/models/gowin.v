// SPDX-License-Identifier: Apache-2.0
// Simulation model of the Gowin cell that Weft instantiates, in the configurations it uses.
// Behaviour after Gowin UG287 (digital signal processing user guide).
// Registers start at zero, as after configuration.
/* verilator lint_off UNUSEDPARAM */

// 9 x 9 multiplier. Shift inputs, resets and registered signs are not modelled.
module MULT9X9 #(
  parameter AREG = 1'b0,
  parameter BREG = 1'b0,
  parameter PIPE_REG = 1'b0,
  parameter OUT_REG = 1'b0,
  parameter ASIGN_REG = 1'b0,
  parameter BSIGN_REG = 1'b0,
  parameter SOA_REG = 1'b0,
  parameter MULT_RESET_MODE = "SYNC"
) (
  input [8:0] A, B, SIA, SIB,
  input ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET,
  output [17:0] DOUT,
  output [8:0] SOA, SOB
);
  reg [8:0] a_register = 9'd0;
  reg [8:0] b_register = 9'd0;
  reg [17:0] pipeline = 18'd0;
  reg [17:0] result = 18'd0;
  always @(posedge CLK) if (CE) begin
    a_register <= A;
    b_register <= B;
    pipeline <= product;
    result <= piped;
  end

  wire [8:0] a_used = AREG ? a_register : A;
  wire [8:0] b_used = BREG ? b_register : B;
  wire signed [17:0] a_wide = {{9{ASIGN & a_used[8]}}, a_used};
  wire signed [17:0] b_wide = {{9{BSIGN & b_used[8]}}, b_used};
  wire [17:0] product = a_wide * b_wide;
  wire [17:0] piped = PIPE_REG ? pipeline : product;
  assign DOUT = OUT_REG ? result : piped;
  assign SOA = a_used;
  assign SOB = b_used;
endmodule
