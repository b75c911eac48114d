# SPDX-License-Identifier: Apache-2.0
"""Vivado projects for boards with a Zynq-7000: the accelerator beside the processing system.

Vivado was not at hand when this was written: the recipe has not been run.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...generators.generate import MODULES, component_of
from ...generators.verilog import emit
from ...hdl.config import Config
from ..flow.harness import Port, ports_of

__all__ = ["SHELL_MODULE", "ZYNQ_BOARDS", "ZynqBoard", "project_tcl", "shell", "vivado_files"]

SHELL_MODULE = "weft_zynq"
"""The accelerator with the attributes by which Vivado knows its buses, and AXI's low reset."""

REGISTERS_BASE = 0x43C0_0000
"""Where the processor finds the registers: the usual place behind M_AXI_GP0."""


@dataclass(frozen=True)
class ZynqBoard:
    """A board that Vivado knows by a board file.

    Attributes
    ----------
    name : str
        As ``--vivado`` takes it.
    title : str
        As its maker calls it.
    part : str
        The device.
    board_part : str
        Beginning of the name of its board file, without the version.
    """

    name: str
    title: str
    part: str
    board_part: str


ZYNQ_BOARDS = {
    board.name: board
    for board in (
        ZynqBoard("pynq-z2", "TUL PYNQ-Z2", "xc7z020clg400-1", "tul.com.tw:pynq-z2:part0"),
        ZynqBoard("zybo-z7-20", "Digilent Zybo Z7-20", "xc7z020clg400-1",
                  "digilentinc.com:zybo-z7-20:part0"),
    )
}
"""By name."""


def _attributes(**values: str) -> str:
    return "  (* " + ", ".join(f'{name} = "{value}"' for name, value in values.items()) + " *)"


def _declaration(port: Port) -> str:
    span = f"[{port.width - 1}:0] " if port.width > 1 else ""
    return f"  {'input' if port.is_input else 'output'} wire {span}{port.name}"


def shell(ports: list[Port]) -> str:
    """Verilog of `SHELL_MODULE` around an accelerator with these ports (without its clock)."""
    inner = [port for port in ports if port.name != "rst"]
    declared = []
    for port in inner:
        bus, _, field = port.name.rpartition("_")
        if port.name == "irq":
            info = _attributes(
                X_INTERFACE_INFO="xilinx.com:signal:interrupt:1.0 irq INTERRUPT",
                X_INTERFACE_PARAMETER="SENSITIVITY LEVEL_HIGH",
            )
        else:
            info = _attributes(
                X_INTERFACE_INFO=f"xilinx.com:interface:aximm:1.0 {bus} {field.upper()}"
            )
        declared.append(f"{info}\n{_declaration(port)}")
    clock = _attributes(
        X_INTERFACE_INFO="xilinx.com:signal:clock:1.0 aclk CLK",
        X_INTERFACE_PARAMETER="ASSOCIATED_BUSIF m_axi:s_axil, ASSOCIATED_RESET aresetn",
    )
    reset = _attributes(
        X_INTERFACE_INFO="xilinx.com:signal:reset:1.0 aresetn RST",
        X_INTERFACE_PARAMETER="POLARITY ACTIVE_LOW",
    )
    connections = ["    .clk(aclk)", "    .rst(rst)"]
    connections += [f"    .{port.name}({port.name})" for port in inner]
    return "\n".join(
        [
            "// The accelerator for a block design of Vivado.",
            f"module {SHELL_MODULE} (",
            ",\n".join(
                [f"{clock}\n  input wire aclk", f"{reset}\n  input wire aresetn", *declared]
            ),
            ");",
            "  reg rst = 1'b1;",
            "  always @(posedge aclk) rst <= !aresetn;",
            f"  {MODULES['accelerator']} accelerator (",
            ",\n".join(connections),
            "  );",
            "endmodule\n",
        ]
    )


def project_tcl(board: ZynqBoard, clock_mhz: float) -> str:
    """A script for ``vivado -mode batch -source project.tcl``: project, block design, bitstream."""
    sources = f"{MODULES['accelerator']}.v {SHELL_MODULE}.v"
    return f"""\
# {board.title}: the accelerator on S_AXI_HP0, its registers on M_AXI_GP0.
#   vivado -mode batch -source project.tcl
set here [file dirname [file normalize [info script]]]
create_project weft $here/vivado -part {board.part} -force
set board_parts [get_board_parts -quiet {board.board_part}:*]
if {{[llength $board_parts] == 0}} {{
  error "Vivado has no board file {board.board_part}; install it (Tools, Vivado Store)"
}}
set_property board_part [lindex [lsort $board_parts] end] [current_project]
foreach source {{{sources}}} {{
  add_files -norecurse $here/$source
}}
update_compile_order -fileset sources_1

create_bd_design system
set ps [create_bd_cell -type ip -vlnv xilinx.com:ip:processing_system7 ps]
apply_bd_automation -rule xilinx.com:bd_rule:processing_system7 \\
  -config {{make_external "FIXED_IO, DDR" apply_board_preset 1}} $ps
set_property -dict [list \\
  CONFIG.PCW_USE_S_AXI_HP0 1 \\
  CONFIG.PCW_USE_M_AXI_GP0 1 \\
  CONFIG.PCW_USE_FABRIC_INTERRUPT 1 \\
  CONFIG.PCW_IRQ_F2P_INTR 1 \\
  CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ {clock_mhz:g} \\
] $ps
set reset [create_bd_cell -type ip -vlnv xilinx.com:ip:proc_sys_reset reset]
set weft [create_bd_cell -type module -reference {SHELL_MODULE} weft]
set memory [create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect memory]
set registers [create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect registers]
set_property CONFIG.NUM_SI 1 $memory
set_property CONFIG.NUM_SI 1 $registers

set clock [get_bd_pins ps/FCLK_CLK0]
foreach pin {{
  reset/slowest_sync_clk weft/aclk memory/aclk registers/aclk ps/S_AXI_HP0_ACLK ps/M_AXI_GP0_ACLK
}} {{
  connect_bd_net $clock [get_bd_pins $pin]
}}
connect_bd_net [get_bd_pins ps/FCLK_RESET0_N] [get_bd_pins reset/ext_reset_in]
foreach pin {{weft/aresetn memory/aresetn registers/aresetn}} {{
  connect_bd_net [get_bd_pins reset/peripheral_aresetn] [get_bd_pins $pin]
}}
connect_bd_net [get_bd_pins weft/irq] [get_bd_pins ps/IRQ_F2P]
connect_bd_intf_net [get_bd_intf_pins weft/m_axi] [get_bd_intf_pins memory/S00_AXI]
connect_bd_intf_net [get_bd_intf_pins memory/M00_AXI] [get_bd_intf_pins ps/S_AXI_HP0]
connect_bd_intf_net [get_bd_intf_pins ps/M_AXI_GP0] [get_bd_intf_pins registers/S00_AXI]
connect_bd_intf_net [get_bd_intf_pins registers/M00_AXI] [get_bd_intf_pins weft/s_axil]
assign_bd_address -offset {REGISTERS_BASE:#x} -range 4K \\
  -target_address_space [get_bd_addr_spaces ps/Data] [get_bd_addr_segs weft/s_axil/*]
assign_bd_address -target_address_space [get_bd_addr_spaces weft/m_axi] \\
  [get_bd_addr_segs ps/S_AXI_HP0/*]
validate_bd_design
save_bd_design

make_wrapper -files [get_files system.bd] -top -import
set_property top system_wrapper [current_fileset]
launch_runs impl_1 -to_step write_bitstream -jobs 4
wait_on_run impl_1
if {{[get_property PROGRESS [get_runs impl_1]] ne "100%"}} {{
  error "the implementation failed; see $here/vivado/weft.runs/impl_1/runme.log"
}}
open_run impl_1
report_utilization -hierarchical -file $here/utilization.txt
report_timing_summary -file $here/timing.txt
write_hw_platform -fixed -include_bit -force $here/weft.xsa
"""


def vivado_files(
    board: ZynqBoard, config: Config, clock_mhz: float = 100.0, verilog: str | None = None
) -> dict[str, str]:
    """What a Vivado project needs besides the accelerator's Verilog, by file name.

    Parameters
    ----------
    board : ZynqBoard
        The board.
    config : Config
        The accelerator.
    clock_mhz : float
        Frequency of FCLK_CLK0.
    verilog : str, optional
        The accelerator's Verilog if it is at hand.
    """
    module = MODULES["accelerator"]
    text = verilog if verilog is not None else emit(component_of(config, "accelerator"), module)
    return {
        f"{SHELL_MODULE}.v": shell(ports_of(text, module)),
        "project.tcl": project_tcl(board, clock_mhz),
    }
