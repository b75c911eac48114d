// SPDX-License-Identifier: Apache-2.0
// An SDRAM of 4 banks x 8192 rows x 512 columns x 16 bits with the checks of a data sheet, and
// models of the ECP5's pins. For simulation only.
//
// Times in picoseconds are those of the AS4C16M16SA-6 (Alliance Memory). What breaks a rule is
// printed and ends the simulation.
module weft_sdram_model #(
  parameter CLOCK_HZ = 50000000,
  parameter TRCD = 18000, TRP = 18000, TRAS = 42000, TRC = 60000, TRFC = 60000, TWR = 12000,
  parameter TMRD_CYCLES = 2, TPOWER = 200000000, TREFI = 7812500,
  // Refreshes may be postponed (JEDEC: by up to eight).
  parameter POSTPONED = 8
) (
  input wire sdram_clk, sdram_cke, sdram_cs_n, sdram_we_n, sdram_ras_n, sdram_cas_n,
  input wire [1:0] sdram_ba,
  input wire [1:0] sdram_dm,
  input wire [12:0] sdram_a,
  inout wire [15:0] sdram_dq
);
  // In units of 1000 Hz, so that no product leaves 32 bits.
  localparam PERIOD = 1000000000 / (CLOCK_HZ / 1000);
  reg [15:0] cells [0:16777215];
  reg [12:0] row [0:3];
  reg [3:0] open = 0;
  reg [63:0] now = 0;
  reg [63:0] activated [0:3];
  reg [63:0] precharged [0:3];
  reg [63:0] written [0:3];
  reg [63:0] refreshed = 0, moded = 0, first_refresh = 0;
  integer refreshes = 0;
  reg has_mode = 0;
  reg [2:0] latency = 0;
  reg [15:0] read_data = 0, first_data = 0;
  reg driving = 0, first_valid = 0;
  wire [3:0] command = {sdram_cs_n, sdram_ras_n, sdram_cas_n, sdram_we_n};
  wire [23:0] address = {sdram_ba, row[sdram_ba], sdram_a[8:0]};
  integer bank;
  assign sdram_dq = driving ? read_data : 16'bz;

  task violated(input [8*24-1:0] rule);
    begin
      $display("SDRAM: %0s is violated at cycle %0d", rule, now);
      $finish;
    end
  endtask

  function [63:0] cycles(input [63:0] time_ps);
    cycles = (time_ps + PERIOD - 1) / PERIOD;
  endfunction

  initial begin
    for (bank = 0; bank < 4; bank = bank + 1) begin
      row[bank] = 0;
      activated[bank] = 0;
      precharged[bank] = 0;
      written[bank] = 0;
    end
  end

  always @(posedge sdram_clk) begin
    now <= now + 1;
    // A read's data come one edge before the one at which the controller takes them.
    driving <= first_valid;
    read_data <= first_data;
    first_valid <= 0;
    if (sdram_cke && !sdram_cs_n && command != 4'b0111) begin
      if (now < cycles(TPOWER)) violated("200 us after power");
      if (has_mode && now < moded + TMRD_CYCLES) violated("tMRD");
      if (refreshes != 0 && now < refreshed + cycles(TRFC)) violated("tRFC");
      case (command)
        4'b0011: begin  // activate
          if (!has_mode || refreshes < 2) violated("initialization");
          if (open[sdram_ba]) violated("activate of an open bank");
          if (now < precharged[sdram_ba] + cycles(TRP)) violated("tRP");
          if (activated[sdram_ba] != 0 && now < activated[sdram_ba] + cycles(TRC)) violated("tRC");
          open[sdram_ba] <= 1;
          row[sdram_ba] <= sdram_a;
          activated[sdram_ba] <= now;
        end
        4'b0101: begin  // read
          if (!open[sdram_ba]) violated("read of a closed bank");
          if (now < activated[sdram_ba] + cycles(TRCD)) violated("tRCD");
          if (latency != 2) violated("CAS latency of 2");
          first_data <= cells[address];
          first_valid <= 1;
          if (sdram_a[10]) begin
            open[sdram_ba] <= 0;
            precharged[sdram_ba] <= now + 1;
          end
        end
        4'b0100: begin  // write
          if (!open[sdram_ba]) violated("write to a closed bank");
          if (now < activated[sdram_ba] + cycles(TRCD)) violated("tRCD");
          if (driving && first_valid) violated("bus turnaround");
          if (!sdram_dm[0]) cells[address][7:0] <= sdram_dq[7:0];
          if (!sdram_dm[1]) cells[address][15:8] <= sdram_dq[15:8];
          written[sdram_ba] <= now;
          if (sdram_a[10]) begin
            open[sdram_ba] <= 0;
            precharged[sdram_ba] <= now + cycles(TWR);
          end
        end
        4'b0010: begin  // precharge
          for (bank = 0; bank < 4; bank = bank + 1) begin
            if ((sdram_a[10] || sdram_ba == bank[1:0]) && open[bank]) begin
              if (now < activated[bank] + cycles(TRAS)) violated("tRAS");
              if (written[bank] != 0 && now < written[bank] + cycles(TWR)) violated("tWR");
            end
            if (sdram_a[10] || sdram_ba == bank[1:0]) begin
              open[bank] <= 0;
              precharged[bank] <= now;
            end
          end
        end
        4'b0001: begin  // refresh
          if (open != 0) violated("refresh with an open bank");
          for (bank = 0; bank < 4; bank = bank + 1)
            if (now < precharged[bank] + cycles(TRP)) violated("tRP");
          if (refreshes == 2) first_refresh <= now;
          refreshes <= refreshes + 1;
          refreshed <= now;
        end
        4'b0000: begin  // load mode register
          if (open != 0) violated("mode with an open bank");
          if (sdram_a[2:0] != 0) violated("burst of one");
          latency <= sdram_a[6:4];
          has_mode <= 1;
          moded <= now;
        end
        default: violated("a command in use");
      endcase
    end
    if (refreshes > 2 && now > refreshed + (POSTPONED + 1) * cycles(TREFI))
      violated("tREFI");
  end
endmodule

module OFS1P3BX (input wire D, SCLK, SP, PD, output reg Q);
  initial Q = 1;
  always @(posedge SCLK or posedge PD) if (PD) Q <= 1; else if (SP) Q <= D;
endmodule

module IFS1P3BX (input wire D, SCLK, SP, PD, output reg Q);
  initial Q = 1;
  always @(posedge SCLK or posedge PD) if (PD) Q <= 1; else if (SP) Q <= D;
endmodule

module FD1S3BX (input wire D, CK, PD, output reg Q);
  initial Q = 1;
  always @(posedge CK or posedge PD) if (PD) Q <= 1; else Q <= D;
endmodule

module TRELLIS_IO #(parameter DIR = "BIDIR") (inout wire B, input wire I, T, output wire O);
  assign B = T ? 1'bz : I;
  assign O = B;
endmodule

module ODDRX1F (input wire D0, D1, SCLK, RST, output wire Q);
  assign Q = !RST && (SCLK ? D0 : D1);
endmodule
