# SPDX-License-Identifier: Apache-2.0
"""Cocotb tests of the host link: the real client on one side, a memory on the other."""

import cocotb
from cocotb.task import bridge
from cocotb.triggers import Timer, with_timeout
from pytest import raises

from weft.hdl.link.protocol import (
    FLAG,
    REQUEST_LAYOUT,
    Command,
    Request,
    Response,
    Status,
    decode_body,
    encode_frame,
)
from weft.runtime.errors import BusAccessError
from weft.runtime.serial_link import LinkClient
from weft.sim.bench.runner import bench_parameters, bench_random
from weft.sim.bench.streams import cycles, reset, start_clock
from weft.sim.bench.uart import SimulatedPort, UARTModel
from weft.sim.line_noise import Noise

MEMORY_BYTES = 4096
BIT_PS = 40_000
LATENCY = 100 * BIT_PS * 1e-12
SLOWEST_MS = 1000

EXPECTED = bytearray(MEMORY_BYTES)
"""What the memory must hold; a reset between two tests leaves it alone."""


class Bench:
    """The link in front of a memory and registers, at the other end of a UART."""

    def __init__(self, dut):
        self.dut = dut
        self.random = bench_random()
        self.uart = UARTModel(dut.rx, dut.tx, BIT_PS)
        dut.irq.value = dut.hold.value = 0
        start_clock(dut)

    async def start(self):
        await reset(self.dut)
        await cycles(self.dut, 10)

    @property
    def writes(self):
        return int(self.dut.writes.value)

    async def exchange(self, raw, silence_bits=40):
        """Send bytes as they are; the responses that come until the line is silent."""
        self.uart.put(raw)
        await self.uart.drained()
        count = -1
        while count != len(self.uart.received):
            count = len(self.uart.received)
            await Timer(silence_bits * BIT_PS, "ps")
        frames = bytes(self.uart.received).split(bytes([FLAG]))
        self.uart.received.clear()
        bodies = [decode_body(frame) for frame in frames if frame]
        assert None not in bodies
        return [Response.decode(body) for body in bodies]

    async def client(self, work, noise=None):
        """Run ``work(client)``, which knows no simulator, and wait for it."""

        def body():
            client = LinkClient(port, latency=LATENCY)
            client.identify()
            work(client)
            return client

        port = SimulatedPort(self.uart, noise)
        return await with_timeout(bridge(body)(), SLOWEST_MS, "ms")

    async def check_memory(self):
        """Every byte is as expected, read over a line without noise."""
        seen = []
        await self.client(lambda client: seen.append(client.read_memory(0, MEMORY_BYTES)))
        assert seen == [bytes(EXPECTED)], "wrong memory contents"


@cocotb.test()
async def reads_and_writes_any_bytes(dut):
    bench = Bench(dut)
    await bench.start()
    random = bench.random

    def work(client):
        EXPECTED[:] = random.randbytes(MEMORY_BYTES)
        client.write_memory(0, bytes(EXPECTED))
        spans = [(0, 1), (3, 1), (1, 2), (2, 5), (1020, 8), (1023, 2), (MEMORY_BYTES - 3, 3)]
        spans += [(random.randrange(4000), random.randrange(1, 40)) for _ in range(3)]
        spans.append((1000, 300))
        for address, size in spans:
            data = random.randbytes(size)
            client.write_memory(address, data)
            EXPECTED[address : address + size] = data
            low, high = max(0, address - 5), min(MEMORY_BYTES, address + size + 5)
            assert client.read_memory(low, high - low) == EXPECTED[low:high]
        values = [random.getrandbits(32) for _ in range(5)]
        client.write_registers(0xFF0 - 16, values)
        assert client.read_registers(0xFF0 - 16, 5) == values

    client = await bench.client(work)
    assert client.statistics.damaged == client.statistics.unanswered == 0
    assert bench.uart.framing_errors == 0


@cocotb.test()
async def names_the_access_that_failed(dut):
    bench = Bench(dut)
    await bench.start()

    def work(client):
        with raises(BusAccessError, match="0xffc failed: the access was refused") as caught:
            client.write_registers(0xFF0, [1, 2, 3, 4])
        assert caught.value.address == 0xFFC
        assert client.read_registers(0xFF0, 3) == [1, 2, 3]
        for access in (
            lambda: client.read_memory(MEMORY_BYTES - 8, 16),
            lambda: client.write_memory(MEMORY_BYTES, b"data"),
        ):
            with raises(BusAccessError, match="0x1000 failed: there is nothing") as caught:
                access()
            assert caught.value.status is Status.DECODE_ERROR
        assert client.read_memory(0, 8) == EXPECTED[:8]

    await bench.client(work)


@cocotb.test()
async def answers_with_identity_and_interrupt(dut):
    bench = Bench(dut)
    await bench.start()

    def work(client):
        identity = client.identify()
        assert identity.memory_bytes == MEMORY_BYTES
        assert identity.clock_hz == 100_000_000
        assert not client.irq

    await bench.client(work)
    dut.irq.value = 1
    [response] = await bench.exchange(Request(Command.IDENTIFY, 200).encode())
    assert response.irq and response.sequence == 200


@cocotb.test()
async def noise_never_writes_wrong_memory(dut):
    bench = Bench(dut)
    await bench.start()
    random = bench.random
    noise = Noise(0.01, random.getrandbits(32))

    def work(client):
        for _ in range(bench_parameters()["noisy_writes"]):
            address, size = random.randrange(1000, 3000), random.randrange(60, 150)
            data = random.randbytes(size)
            client.write_memory(address, data)
            EXPECTED[address : address + size] = data
            assert client.read_memory(address, size) == data
        value = random.getrandbits(32)
        client.write_registers(0x40, [value])
        assert client.read_registers(0x40) == [value]

    client = await bench.client(work, noise)
    await bench.check_memory()
    assert noise.events > 0 and client.statistics.unanswered > 0


@cocotb.test()
async def a_repeated_write_is_executed_once(dut):
    bench = Bench(dut)
    await bench.start()
    first = Request(Command.WRITE_MEMORY, 7, 64, 2, [1, 2]).encode()
    await bench.exchange(Request(Command.IDENTIFY, 6).encode())
    answers = await bench.exchange(first)
    answers += await bench.exchange(first)
    assert answers[0] == answers[1] and answers[0].status is Status.OKAY
    assert bench.writes == 2
    await bench.exchange(Request(Command.WRITE_MEMORY, 8, 64, 2, [1, 2]).encode())
    assert bench.writes == 4
    # A repetition fails as the request did.
    failing = Request(Command.WRITE_REGISTERS, 9, 0xFF8, 2, [1, 2]).encode()
    answers = await bench.exchange(failing) + await bench.exchange(failing)
    assert answers[0] == answers[1]
    assert answers[0].status is Status.SLAVE_ERROR and answers[0].word == 0xFF
    EXPECTED[64:72] = bytes([1, 0, 0, 0, 2, 0, 0, 0])


def request_body(command, last, address, data=b"", **fields):
    header = REQUEST_LAYOUT.const({"command": command, "last": last, "sequence": 9, **fields})
    return header.as_bits().to_bytes(4, "little") + address.to_bytes(4, "little") + data


@cocotb.test()
async def refuses_what_makes_no_sense(dut):
    bench = Bench(dut)
    await bench.start()
    write = Command.WRITE_MEMORY
    strobes = {"first_strobe": 15, "last_strobe": 15}
    for name, body in {
        "too few data": request_body(write, 17, 64, b"abcd", **strobes),
        "too many data": request_body(write, 16, 64, b"abcdefgh", **strobes),
        "half a word": request_body(write, 16, 64, b"abcdef", **strobes),
        "last before first": request_body(write, 15, 64, b"abcd", **strobes),
        "last before first, around": request_body(write, 15, 64, b"abcd" * 256, **strobes),
        "unaligned": request_body(write, 16, 65, b"abcd", **strobes),
        "reserved bits": request_body(write, 16, 64, b"abcd", reserved=1, **strobes),
        "an answer": request_body(write, 16, 64, b"abcd", answer=1, **strobes),
        "register too far": request_body(Command.WRITE_REGISTERS, 0, 4096, b"abcd", **strobes),
        "data to a read": request_body(Command.READ_MEMORY, 16, 64, b"abcd"),
    }.items():
        [response] = await bench.exchange(encode_frame(body))
        assert response.status is Status.BAD_REQUEST, name
        await bench.exchange(Request(Command.IDENTIFY, 8).encode())
    for command in (1, 6, 7):
        data = b"abcd" if command & 1 else b""
        body = bytes([command]) + request_body(write, 16, 64, data, **strobes)[1:]
        # The answer holds the unknown command, which has no name here.
        assert await bench.exchange(encode_frame(body)) == [None], command
        await bench.exchange(Request(Command.IDENTIFY, 8).encode())
    assert bench.writes == 0


@cocotb.test()
async def finds_frames_among_garbage(dut):
    bench = Bench(dut)
    await bench.start()
    random = bench.random
    whole = Request(Command.WRITE_MEMORY, 1, 128, 1, [0x1234]).encode()
    flag = bytes([FLAG])
    for number, garbage in enumerate([
        b"", random.randbytes(40), flag * 3, bytes(30), whole[:-6] + flag, whole[3:],
        whole[:6] + whole[7:], bytes([FLAG, 0x7D, FLAG]), bytes([FLAG, 0, 0, 0, 0, FLAG]),
    ]):
        request = Request(Command.READ_MEMORY, 50 + number, 256, 2)
        answers = await bench.exchange(garbage + request.encode())
        assert [answer.sequence for answer in answers] == [50 + number]
        assert answers[0].data == tuple(
            int.from_bytes(EXPECTED[at : at + 4], "little") for at in (256, 260)
        )
    assert bench.writes == 0
    # The first flag of a frame serves as the last of the one before; what comes while that is
    # executed is lost.
    [answer] = await bench.exchange(whole[:-1] + request.encode())
    assert answer.sequence == 1 and bench.writes == 1
    EXPECTED[128:132] = (0x1234).to_bytes(4, "little")


@cocotb.test()
async def gives_up_a_bus_that_does_not_answer(dut):
    bench = Bench(dut)
    await bench.start()
    for number, (command, data) in enumerate([
        (Command.READ_MEMORY, []), (Command.WRITE_MEMORY, [5]), (Command.READ_REGISTERS, []),
        (Command.WRITE_REGISTERS, [6]),
    ]):
        dut.hold.value = 1
        request = Request(command, 77 + number, 32, 1, data).encode()
        [response] = await bench.exchange(request, bench_parameters()["timeout"] // 4 + 40)
        assert response.status is Status.TIMEOUT
        assert await bench.exchange(Request(Command.IDENTIFY, 70).encode()) == []
        dut.hold.value = 0
        await cycles(dut, 20)
        [response] = await bench.exchange(Request(Command.IDENTIFY, 71).encode())
        assert response.status is Status.OKAY
    EXPECTED[32:36] = (5).to_bytes(4, "little")
    await bench.check_memory()
