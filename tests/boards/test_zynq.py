# SPDX-License-Identifier: Apache-2.0
"""Projects for Vivado. Vivado itself is not run: Icarus reads the Verilog, Tcl the script."""

import json
import re
import shutil
import subprocess

import pytest

from weft.boards.flow.harness import ports_of
from weft.boards.zynq import SHELL_MODULE, ZYNQ_BOARDS, project_tcl
from weft.cli import main


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    arguments = ["generate", "--preset", "tiny", "--vivado", "pynq-z2", "-o", str(folder)]
    assert main(arguments) == 0
    return folder


def test_the_shell_has_every_port(project):
    accelerator = (project / "weft_accelerator.v").read_text()
    text = (project / f"{SHELL_MODULE}.v").read_text()
    ports = {port.name for port in ports_of(accelerator, "weft_accelerator")} - {"rst"}
    declared = set(re.findall(r"^  (?:in|out)put wire (?:\[\d+:0\] )?(\w+)", text, re.M))
    assert declared == ports | {"aclk", "aresetn"}
    # Every port but clock, reset and interrupt belongs to one of the two buses, by its own name.
    buses = re.findall(r'aximm:1.0 (\w+) (\w+)" \*\)\n  \w+ wire (?:\[\d+:0\] )?(\w+)', text)
    assert {port for _, _, port in buses} == ports - {"irq"}
    assert all(port == f"{bus}_{field.lower()}" for bus, field, port in buses)


def test_the_verilog_elaborates(project):
    if shutil.which("iverilog") is None:
        pytest.skip("needs iverilog")
    family = "xilinx7"
    assert f"family: {family}" in (project / "config.yaml").read_text()
    done = subprocess.run(
        ["iverilog", "-g2005", "-t", "null", "-i", "-s", SHELL_MODULE,
         "weft_accelerator.v", f"{SHELL_MODULE}.v"],
        cwd=project, capture_output=True, text=True, timeout=120, check=False,
    )
    assert done.returncode == 0, done.stderr


RECORDER = """
proc record {args} {lappend ::seen $args; return [lindex $args end]}
foreach name {create_project add_files update_compile_order create_bd_design apply_bd_automation
    set_property connect_bd_net connect_bd_intf_net assign_bd_address validate_bd_design
    save_bd_design make_wrapper launch_runs wait_on_run open_run report_utilization
    report_timing_summary write_hw_platform create_bd_cell} {
  proc $name {args} "record $name {*}\\$args"
}
foreach name {get_bd_pins get_bd_intf_pins get_bd_addr_spaces get_bd_addr_segs get_runs get_files
    current_project current_fileset} {
  proc $name {args} {return [lindex $args end]}
}
proc get_board_parts {args} {return $::parts}
proc get_property {args} {return 100%}
set seen {}
"""


@pytest.mark.parametrize("board", ZYNQ_BOARDS.values(), ids=ZYNQ_BOARDS)
def test_the_script(board):
    tcl = pytest.importorskip("tkinter").Tcl()
    tcl.eval(RECORDER)
    script = project_tcl(board, 100.0)
    tcl.eval("set parts {}; proc info_script {} {return x}")
    with pytest.raises(Exception, match=f"Vivado has no board file {board.board_part}; install"):
        tcl.eval(script)
    tcl.eval("set parts {old:1.0 new:1.1}; set seen {}")
    tcl.eval(script)
    seen = [tcl.splitlist(line) for line in tcl.splitlist(tcl.eval("set seen"))]
    nets = [line[1:] for line in seen if line[0] == "connect_bd_intf_net"]
    assert ("weft/m_axi", "memory/S00_AXI") in nets and ("memory/M00_AXI", "ps/S_AXI_HP0") in nets
    assert ("registers/M00_AXI", "weft/s_axil") in nets
    clocked = [line[2] for line in seen if line[:2] == ("connect_bd_net", "ps/FCLK_CLK0")]
    assert set(clocked) == {
        "reset/slowest_sync_clk", "weft/aclk", "memory/aclk", "registers/aclk",
        "ps/S_AXI_HP0_ACLK", "ps/M_AXI_GP0_ACLK",
    }
    assert [line[0] for line in seen][-1] == "write_hw_platform"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--vivado", "arty"], "--vivado must be one of pynq-z2, zybo-z7-20, not 'arty'"),
        (["--vivado", "pynq-z2", "--top", "array"], "--vivado needs --top accelerator, not array"),
    ],
)
def test_illegal_options(arguments, message, tmp_path, capfd):
    assert main(["generate", "--preset", "tiny", "-o", str(tmp_path), "--json", *arguments]) == 1
    assert json.loads(capfd.readouterr().out)["error"]["message"] == message
