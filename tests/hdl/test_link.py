# SPDX-License-Identifier: Apache-2.0
"""The host link: UART, frames, requests, noise."""

import zlib

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out, connect, flipped

from weft.hdl.control.register_port import RegisterPort
from weft.hdl.link.baud import Baud
from weft.hdl.link.link import HostLink
from weft.hdl.link.protocol import (
    ESCAPE,
    FLAG,
    Command,
    Request,
    Response,
    decode_body,
    encode_frame,
    identity_word,
)
from weft.hdl.link.uart_receiver import UARTReceiver
from weft.hdl.link.uart_transmitter import UARTTransmitter
from weft.hdl.memory.axi_memory import AXIMemory
from weft.sim.bench.runner import run_bench

CLOCK_HZ = 100_000_000
TIMEOUT = 4096


class UARTPair(wiring.Component):
    """A receiver and a transmitter that do not know each other."""

    def __init__(self, baud):
        self.baud = baud
        super().__init__(
            {
                "rx": In(1),
                "tx": Out(1),
                "error": Out(1),
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8, always_ready=True)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.receiver = receiver = UARTReceiver(self.baud)
        m.submodules.transmitter = transmitter = UARTTransmitter(self.baud)
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            self.error.eq(receiver.error),
        ]
        connect(m, receiver.o, flipped(self.o))
        connect(m, flipped(self.i), transmitter.i)
        return m


class LinkWithMemory(wiring.Component):
    """The link, a memory, and registers of which the last refuses writes.

    While ``hold`` is high nothing answers. ``writes`` counts writes of memory.
    """

    def __init__(self, data_width):
        self.data_width = data_width
        super().__init__(
            {"rx": In(1), "tx": Out(1), "irq": In(1), "hold": In(1), "writes": Out(16)}
        )

    def elaborate(self, platform):
        m = Module()
        # Beyond memory the wide bus has no addresses, the other has some.
        widths = {"address_width": 12 if self.data_width > 32 else 32,
                  "data_width": self.data_width}
        m.submodules.link = link = HostLink(
            baud=Baud(CLOCK_HZ, CLOCK_HZ // 4), memory_bytes=4096, timeout=TIMEOUT, **widths
        )
        m.submodules.memory = ram = AXIMemory(size=4096, **widths)
        m.submodules.port = port = RegisterPort(address_width=12)
        m.submodules.registers = registers = Memory(shape=32, depth=1024, init=[])
        for near, far, answer in (
            (link.read, ram.read, ("r",)),
            (link.write, ram.write, ("b",)),
            (link.registers, port.bus, ("r", "b")),
        ):
            for name, member in near.signature.members.items():
                side, other = getattr(near, name), getattr(far, name)
                if name.endswith(("valid", "ready")) and name[:-5] in answer:
                    other, side = (other & ~self.hold, side) if name.endswith("valid") else (
                        other, side & ~self.hold
                    )
                m.d.comb += other.eq(side) if member.flow is Out else side.eq(other)
        access = port.access
        read, write = registers.read_port(domain="comb"), registers.write_port()
        last = access.payload.address == 1023
        m.d.comb += [
            read.addr.eq(access.payload.address),
            write.addr.eq(access.payload.address),
            write.data.eq(access.payload.data),
            write.en.eq(access.valid & access.payload.write & ~last),
            access.ready.eq(1),
            port.response.valid.eq(access.valid),
            port.response.payload.data.eq(read.data),
            port.response.payload.refused.eq(last & access.payload.write),
            link.rx.eq(self.rx),
            self.tx.eq(link.tx),
            link.irq.eq(self.irq),
        ]
        with m.If(ram.write.awvalid & ram.write.awready):
            m.d.sync += self.writes.eq(self.writes + 1)
        return m


@pytest.mark.parametrize("skew", [0.98, 1.0, 1.02])
@pytest.mark.parametrize("cycles_per_bit", [4, 8.3333, 12])
def test_uart(simulator, cycles_per_bit, skew):
    if cycles_per_bit < 8 and skew != 1:
        pytest.skip("a bit of four cycles leaves no room for another clock")
    baud = Baud(CLOCK_HZ, round(CLOCK_HZ / cycles_per_bit))
    run_bench(
        UARTPair(baud),
        name="uart_pair",
        test_module="bench_link_uart",
        simulator=simulator,
        parameters={"cycles_per_bit": cycles_per_bit, "skew": skew},
    )


@pytest.mark.slow_on("icarus")
def test_link(simulator):
    run_bench(
        LinkWithMemory(32 if simulator == "icarus" else 128),
        name="link_with_memory",
        test_module="bench_link",
        simulator=simulator,
        parameters={"noisy_writes": 3, "timeout": TIMEOUT},
    )


@pytest.mark.full
def test_link_in_much_noise(simulator):
    run_bench(
        LinkWithMemory(32),
        name="link_with_memory",
        test_module="bench_link",
        testcase="noise_never_writes_wrong_memory",
        simulator=simulator,
        parameters={"noisy_writes": 100, "timeout": TIMEOUT},
    )


@pytest.mark.parametrize(
    ("clock_hz", "baud", "divisor", "fraction"),
    [
        (12_000_000, 1_000_000, 12, 0),
        (25_000_000, 3_000_000, 267, 5),
        (48_000_000, 115_200, 417, 0),
        (27_000_000, 2_000_000, 27, 1),
    ],
)
def test_baud(clock_hz, baud, divisor, fraction):
    value = Baud(clock_hz, baud)
    assert (value.divisor, value.fraction) == (divisor, fraction)
    assert value.error == abs(divisor / 2**fraction * baud / clock_hz - 1) <= 0.002


@pytest.mark.parametrize("baud", [0, 3_000_001, 100, 1.5, True])
def test_baud_out_of_range(baud):
    with pytest.raises(ValueError, match="baud must be"):
        Baud(12_000_000, baud)


def test_frames_survive_every_byte():
    body = bytes(range(256)) + bytes([FLAG, ESCAPE] * 20)
    frame = encode_frame(body)
    assert frame[0] == frame[-1] == FLAG and FLAG not in frame[1:-1]
    assert decode_body(frame[1:-1]) == body


def test_damaged_frames_are_refused():
    body = bytes(range(100, 140))
    inner = encode_frame(body)[1:-1]
    for at in range(len(inner)):
        assert decode_body(inner[:at] + inner[at + 1 :]) is None
        assert decode_body(inner[:at] + b"\x00" + inner[at:]) is None
        for bit in range(8):
            assert decode_body(inner[:at] + bytes([inner[at] ^ 1 << bit]) + inner[at + 1 :]) is None
    for short in (b"", b"\x00", bytes([ESCAPE]), b"abc"):
        assert decode_body(short) is None


def test_the_frame_of_the_documentation():
    request = Request(Command.WRITE_MEMORY, 3, 0x1008, 2, [0x11223344, 0x7D7E5566], 0b1111, 0b0011)
    body = bytes.fromhex("05 03 03 3f 08 10 00 00 44 33 22 11 66 55 7e 7d")
    check = zlib.crc32(body).to_bytes(4, "little")
    assert request.encode() == b"\x7e" + body[:-2] + b"\x7d\x5e\x7d\x5d" + check + b"\x7e"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((Command.READ_MEMORY, 0, 2, 1), "multiple of 4"),
        ((Command.READ_MEMORY, 0, 1 << 32, 1), "below 2"),
        ((Command.READ_MEMORY, 0, 1020, 2), "takes 1 to 1 words"),
        ((Command.READ_MEMORY, 0, 0, 0), "takes 1 to 256 words"),
        ((Command.WRITE_MEMORY, 0, 0, 2, [1]), "carries 2 words"),
        ((Command.READ_MEMORY, 0, 0, 1, [1]), "carries 0 words"),
    ],
)
def test_requests_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        Request(*arguments).encode()


@pytest.mark.parametrize("body", ["", "85 00 00", "05 00 00 00", "87 00 00 00", "85 00 00 0f"])
def test_what_is_no_response(body):
    assert Response.decode(bytes.fromhex(body)) is None


def test_identity_needs_a_power_of_two():
    with pytest.raises(ValueError, match="power of two"):
        identity_word(5000, CLOCK_HZ)
