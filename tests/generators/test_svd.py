# SPDX-License-Identifier: Apache-2.0
"""The SVD file: element order of the schema, and the registers of the table."""

from __future__ import annotations

import xml.etree.ElementTree as xml

from weft.generators.svd import svd
from weft.hdl.config import PRESETS, Config
from weft.hdl.isa import ErrorCode, ErrorSource
from weft.hdl.registers import REGISTERS, configuration_value

# xs:sequence of the CMSIS-SVD 1.3 schema, the elements we use.
ORDER = {
    "device": "name version description addressUnitBits width size access resetValue resetMask "
    "peripherals",
    "peripheral": "name description baseAddress addressBlock interrupt registers",
    "addressBlock": "offset size usage",
    "interrupt": "name description value",
    "register": "name description addressOffset size access resetValue modifiedWriteValues fields",
    "field": "name description bitOffset bitWidth enumeratedValues",
    "enumeratedValue": "name description value",
}


def root(config: Config | None = None) -> xml.Element:
    return xml.fromstring(svd(config or Config()).encode())


def test_elements_come_in_the_order_of_the_schema() -> None:
    for element in root().iter():
        if element.tag in ORDER:
            order = ORDER[element.tag].split()
            positions = [order.index(child.tag) for child in element]
            assert positions == sorted(set(positions)), element.tag


def test_registers() -> None:
    for preset in PRESETS:
        config = Config.preset(preset)
        found = {item.findtext("name"): item for item in root(config).iter("register")}
        assert list(found) == [item.name for item in REGISTERS]
        for item in REGISTERS:
            element = found[item.name]
            assert int(element.findtext("addressOffset") or "", 0) == item.offset
            reset = configuration_value(item, config) if item.constant else item.reset
            assert int(element.findtext("resetValue") or "", 0) == reset
            fields = [
                (f.findtext("name"), int(f.findtext("bitOffset") or ""),
                 int(f.findtext("bitWidth") or ""))
                for f in element.iter("field")
            ]
            assert fields == [(f.name, f.low, f.width) for f in item.fields]


def test_access() -> None:
    found = {item.findtext("name"): item for item in root().iter("register")}
    assert found["STATUS"].findtext("access") == "read-only"
    assert found["CONTROL"].findtext("access") == "write-only"
    assert found["WATCHDOG"].findtext("access") == "read-write"
    assert found["IRQ_STATUS"].findtext("modifiedWriteValues") == "oneToClear"
    assert found["IRQ_ENABLE"].find("modifiedWriteValues") is None


def test_address_block_holds_every_register() -> None:
    size = int(root().findtext(".//addressBlock/size") or "", 0)
    assert size == 4096
    assert max(item.offset for item in REGISTERS) + 4 <= size


def test_error_codes_are_enumerated() -> None:
    fields = {
        item.findtext("name"): {
            value.findtext("name"): int(value.findtext("value") or "")
            for value in item.iter("enumeratedValue")
        }
        for item in root().iter("field")
        if item.find("enumeratedValues") is not None
    }
    assert fields == {
        "CODE": {code.name: code.value for code in ErrorCode},
        "SOURCE": {source.name: source.value for source in ErrorSource},
    }
