// SPDX-License-Identifier: Apache-2.0
// A copy engine with the ports of an accelerator, to test the simulation harness with.
// Copies PROGRAM_LENGTH bursts of 16 beats from the base of segment 0 to that of segment 1.
// PROGRAM_ADDRESS_LOW chooses a protocol fault to commit, 0 for none.
module weft_accelerator #(parameter DATA = 128) (
  input clk, input rst, output irq,
  output m_axi_arvalid, input m_axi_arready, output m_axi_arid, output [31:0] m_axi_araddr,
  output [7:0] m_axi_arlen, output [2:0] m_axi_arsize, output [1:0] m_axi_arburst,
  input m_axi_rvalid, output m_axi_rready, input m_axi_rid, input [DATA-1:0] m_axi_rdata,
  input [1:0] m_axi_rresp, input m_axi_rlast,
  output m_axi_awvalid, input m_axi_awready, output m_axi_awid, output [31:0] m_axi_awaddr,
  output [7:0] m_axi_awlen, output [2:0] m_axi_awsize, output [1:0] m_axi_awburst,
  output m_axi_wvalid, input m_axi_wready, output [DATA-1:0] m_axi_wdata,
  output [DATA/8-1:0] m_axi_wstrb, output m_axi_wlast,
  input m_axi_bvalid, output m_axi_bready, input m_axi_bid, input [1:0] m_axi_bresp,
  input s_axil_awvalid, output s_axil_awready, input [11:0] s_axil_awaddr,
  input s_axil_wvalid, output s_axil_wready, input [31:0] s_axil_wdata, input [3:0] s_axil_wstrb,
  output s_axil_bvalid, input s_axil_bready, output [1:0] s_axil_bresp,
  input s_axil_arvalid, output s_axil_arready, input [11:0] s_axil_araddr,
  output s_axil_rvalid, input s_axil_rready, output [31:0] s_axil_rdata, output [1:0] s_axil_rresp
);
  localparam BYTES = DATA / 8;
  localparam SIZE = $clog2(BYTES);
  localparam BURST = 16;

  // Registers.
  reg [31:0] source, target, length, fault, cycles;
  reg running, done, failed;
  reg bvalid, rvalid;
  reg [1:0] bresp;
  reg [31:0] rdata;
  wire write = s_axil_awvalid && s_axil_wvalid && !bvalid && fault != 6;
  wire start = write && s_axil_awaddr == 12'h080 && s_axil_wdata[0] && !running;
  assign irq = done;
  assign s_axil_awready = write;
  assign s_axil_wready = write;
  assign s_axil_bvalid = bvalid;
  assign s_axil_bresp = bresp;
  assign s_axil_arready = !rvalid;
  assign s_axil_rvalid = rvalid;
  assign s_axil_rdata = rdata;
  assign s_axil_rresp = 0;

  // Reads: an address as soon as the buffer has room for the burst.
  reg [DATA-1:0] buffer [0:255];
  reg [8:0] filled, promised;
  reg [7:0] head, tail;
  reg [31:0] reads_left, read_address, writes_left, write_address, answers_left;
  reg arvalid, awvalid, wvalid;
  reg [7:0] beat;
  wire ar = arvalid && m_axi_arready;
  wire r = m_axi_rvalid && m_axi_rready;
  wire aw = awvalid && m_axi_awready;
  wire w = wvalid && m_axi_wready;
  wire b = m_axi_bvalid && m_axi_bready;
  assign m_axi_arvalid = arvalid;
  assign m_axi_arid = 0;
  assign m_axi_araddr = read_address + (fault == 2 ? cycles << SIZE : 0);
  assign m_axi_arlen = BURST - 1;
  assign m_axi_arsize = SIZE;
  assign m_axi_arburst = fault == 5 ? 0 : 1;
  assign m_axi_rready = 1;
  assign m_axi_awvalid = awvalid;
  assign m_axi_awid = 0;
  assign m_axi_awaddr = write_address;
  assign m_axi_awlen = BURST - 1;
  assign m_axi_awsize = SIZE;
  assign m_axi_awburst = 1;
  assign m_axi_wvalid = wvalid;
  assign m_axi_wdata = buffer[tail];
  assign m_axi_wstrb = ~0;
  assign m_axi_wlast = beat == (fault == 3 ? 14 : 15);
  assign m_axi_bready = 1;

  always @(posedge clk) begin
    if (s_axil_bready) bvalid <= 0;
    if (s_axil_rready) rvalid <= 0;
    if (write) begin
      bvalid <= 1;
      bresp <= 0;
      case (s_axil_awaddr)
        12'h080: bresp <= running ? 2 : 0;
        12'h08c: if (s_axil_wdata[0]) done <= 0;
        12'h090: fault <= s_axil_wdata;
        12'h098: length <= s_axil_wdata;
        12'h100: source <= s_axil_wdata;
        12'h110: target <= s_axil_wdata;
        default: bresp <= 2;
      endcase
    end
    if (s_axil_arvalid && !rvalid) begin
      rvalid <= 1;
      rdata <= s_axil_araddr == 12'h000 ? 32'h54464557
             : s_axil_araddr == 12'h084 ? {failed, done, running}
             : s_axil_araddr == 12'h200 ? cycles : 0;
    end

    if (running) cycles <= cycles + 1;
    promised <= promised + (ar ? BURST : 0) - (w ? 1 : 0);
    filled <= filled + (r ? 1 : 0) - (w ? 1 : 0);
    if (r) begin
      buffer[head] <= m_axi_rdata;
      head <= head + 1;
      if (m_axi_rresp != 0) failed <= 1;
    end
    if (ar) begin
      read_address <= read_address + BURST * BYTES;
      reads_left <= reads_left - 1;
    end
    arvalid <= running && (arvalid && !ar ? fault != 1
             : reads_left - ar != 0 && promised + (ar ? BURST : 0) <= 256 - BURST);
    if (running && !awvalid && !wvalid && writes_left != 0 && filled >= BURST) begin
      awvalid <= 1;
      wvalid <= 1;
      writes_left <= writes_left - 1;
      beat <= 0;
    end
    if (aw) awvalid <= 0;
    if (aw) write_address <= write_address + BURST * BYTES;
    if (w) begin
      tail <= tail + 1;
      beat <= beat + 1;
      if (beat == BURST - 1) wvalid <= 0;
    end
    if (b) begin
      answers_left <= answers_left - 1;
      if (m_axi_bresp != 0) failed <= 1;
      if (answers_left == 1) {running, done} <= 2'b01;
    end
    if (start) begin
      running <= 1;
      cycles <= 0;
      failed <= 0;
      reads_left <= length;
      writes_left <= length;
      answers_left <= length;
      read_address <= source;
      write_address <= target;
    end
    if (rst) begin
      {running, done, failed, bvalid, rvalid, arvalid, awvalid, wvalid} <= 0;
      {filled, promised, head, tail, fault, beat, reads_left, writes_left} <= 0;
    end
  end
endmodule
