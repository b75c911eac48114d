# SPDX-License-Identifier: Apache-2.0
"""The register file of two configurations."""

import pytest

from weft.hdl.config import Config
from weft.hdl.control.control_registers import ControlRegisters
from weft.hdl.control.register_map import Kind, RegisterMap
from weft.hdl.registers import REGISTERS
from weft.sim.bench.runner import run_bench


@pytest.mark.parametrize("address_width", [16, 32, 40])
def test_control_registers(simulator, address_width):
    config = Config.preset("tiny", axi_address_width=address_width)
    result = run_bench(
        ControlRegisters(config),
        name="control_registers",
        test_module="bench_control_registers",
        simulator=simulator,
        parameters={"config": config.to_dict()},
    )
    assert result.tests == 9


def test_every_register_has_one_place():
    placed = [item for kind in Kind for item in RegisterMap.of_kind(kind)]
    assert sorted(item.offset for item in placed) == [item.offset for item in REGISTERS]
    assert not RegisterMap.of_kind(Kind.NONE)
