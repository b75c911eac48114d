// SPDX-License-Identifier: Apache-2.0
// Simulation model of the Nexus cell that Weft instantiates, in the configurations it uses.
// Behaviour after Lattice FPGA-TN-02096 (sysDSP usage guide for Nexus platform).
// Registers start at zero, as after configuration.
/* verilator lint_off UNUSEDPARAM */

// 9 x 9 multiplier. Resets are not modelled.
module MULT9X9 #(
  parameter REGINPUTA = "REGISTER",
  parameter REGINPUTB = "REGISTER",
  parameter REGOUTPUT = "REGISTER",
  parameter GSR = "ENABLED",
  parameter RESETMODE = "SYNC"
) (
  input [8:0] A, B,
  input CLK, CEA, CEB, CEOUT, RSTA, RSTB, RSTOUT, SIGNEDA, SIGNEDB,
  output [17:0] Z
);
  reg [8:0] a_register = 9'd0;
  reg [8:0] b_register = 9'd0;
  reg [17:0] result = 18'd0;
  always @(posedge CLK) begin
    if (CEA) a_register <= A;
    if (CEB) b_register <= B;
    if (CEOUT) result <= product;
  end

  wire [8:0] a_used = REGINPUTA == "REGISTER" ? a_register : A;
  wire [8:0] b_used = REGINPUTB == "REGISTER" ? b_register : B;
  wire signed [17:0] a_wide = {{9{SIGNEDA & a_used[8]}}, a_used};
  wire signed [17:0] b_wide = {{9{SIGNEDB & b_used[8]}}, b_used};
  wire [17:0] product = a_wide * b_wide;
  assign Z = REGOUTPUT == "REGISTER" ? result : product;
endmodule
