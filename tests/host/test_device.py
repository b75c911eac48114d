# SPDX-License-Identifier: Apache-2.0
"""The device API: answers, refusals, and what happens after an error."""

import re

import numpy as np
import pytest

import weft
from weft import errors
from weft.compiler.assembler import assemble
from weft.hdl.isa import ErrorCode
from weft.hdl.registers import register
from weft.runtime import driver as driver_module
from weft.runtime.device import ProgramDevice
from weft.sim.transport import SimulatorTransport

TINY = weft.Config(rows=2, cols=2, activation_depth=16, weight_depth=16, accumulator_depth=16,
                   axi_width=32, queue_depth=2, vector_lanes=0)
A = np.array([[1, -2, 3], [4, 5, -6]], np.int8)
B = np.array([[7, 8], [-9, 10], [11, -12]], np.int8)


@pytest.mark.parametrize("target", ["reference", "simulator"])
def test_matmul(target):
    with weft.open(target, TINY) as device:
        result = device.matmul(A, B)
        assert result.dtype == np.int32
        assert result.tolist() == (A.astype(int) @ B.astype(int)).tolist()
        run = device.last_run
    assert (run.target, run.cycles, run.macs) == (target, None, 12)
    assert (run.utilization, run.roofline_share, run.counters) == (None, None, {})
    assert run.roofline_cycles == 4


def test_operands_need_not_be_contiguous():
    with weft.open("simulator", TINY) as device:
        expected = device.matmul(A, B)
        np.testing.assert_array_equal(device.matmul(np.asfortranarray(A), B[:, ::-1])[:, ::-1],
                                      expected)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (A.astype(np.uint8), B, ("a must be int8, not uint8; uint8 is int8 with the top bit "
                                "flipped: use (x ^ 0x80).view(numpy.int8)")),
        (A, B.astype(np.float32), ("b must be int8, not float32; convert it with .astype(numpy."
                                  "int8)")),
        (A[0], B, "a must have two dimensions, not 1 (shape (3,))"),
        (A[:0], B, "a must not be empty, but its shape is (0, 3)"),
        (A, B[:2], "a has 3 columns and b 2 rows"),
        ([[1]], B, "a must be int8, not int64"),
    ],
)
@pytest.mark.parametrize("target", ["reference", "simulator"])
def test_wrong_operands(target, a, b, message):
    with weft.open(target, TINY) as device:
        with pytest.raises(errors.OperandError, match=re.escape(message)):
            device.matmul(a, b)
        with pytest.raises(errors.DeviceError, match="nothing has run on this device yet"):
            _ = device.last_run


@pytest.mark.parametrize("target", ["reference", "simulator"])
def test_memory_too_small(target):
    with weft.open(target, TINY, dram_bytes=20) as device:
        with pytest.raises(errors.MemorySizeError, match="28 bytes, the device has 20"):
            device.matmul(A, B)


def test_memory_too_small_for_the_layout():
    with weft.open("simulator", TINY, dram_bytes=8192) as device:
        with pytest.raises(errors.MemorySizeError, match=r"the run needs 16384 bytes of DRAM "
                                                         r"\(program"):
            device.matmul(A, B)


@pytest.mark.parametrize("width", [32, 40])
def test_memory_beyond_the_addresses(width):
    config = TINY.replace(axi_address_width=width)
    with weft.open("simulator", config, dram_bytes=1 << width):
        pass
    with pytest.raises(errors.MemorySizeError, match=f"dram_bytes must be at most {1 << width},"):
        weft.open("simulator", config, dram_bytes=(1 << width) + 1)


@pytest.mark.parametrize("target", ["reference", "simulator"])
def test_reduction_too_deep(target):
    with weft.open(target, TINY.replace(max_reduction_depth=2)) as device:
        with pytest.raises(weft.CompileError, match="k must be at most max_reduction_depth"):
            device.matmul(A, B)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("rlt", "one of reference, simulator, rtl, cocotb or serial:PORT, not 'rlt'; did you "),
        ("serial:", "names no port"),
        (3, "target must be a name"),
    ],
)
def test_unknown_target(target, message):
    with pytest.raises(errors.TargetError, match=re.escape(message)):
        weft.open(target)


def test_unknown_option_and_wrong_config():
    with pytest.raises(errors.TargetError, match="target 'simulator': .*'latency'"):
        weft.open("simulator", latency=3)
    with pytest.raises(errors.TargetError, match="config must be a weft.Config, not dict"):
        weft.open("simulator", {"rows": 4})


def test_closed_device():
    device = weft.open("simulator", TINY)
    device.close()
    device.close()
    with pytest.raises(errors.DeviceError, match="the device is closed"):
        device.matmul(A, B)


def test_reference_runs_no_program():
    with weft.open("reference", TINY) as device:
        with pytest.raises(errors.TargetError, match="open 'simulator' or 'rtl'"):
            device.run_program(assemble("SYNC"))


SEGMENTS = ".segment 0 name=in bytes=64\n.segment 1 name=out bytes=64 role=output\n"
FAULTS = [
    (ErrorCode.ILLEGAL_INSTRUCTION, errors.IllegalInstructionError, "MATMUL last_rows=3"),
    (ErrorCode.NOT_CONFIGURED, errors.NotConfiguredError, "VECTOR"),
    (ErrorCode.MEMORY_RANGE, errors.MemoryRangeError, "LOAD address=99 bytes=1"),
    (ErrorCode.SEGMENT_LIMIT, errors.SegmentLimitError, "LOAD offset=64 bytes=1"),
    (ErrorCode.SEMAPHORE_OVERFLOW, errors.SemaphoreOverflowError, "SYNC signal={2}\n" * 64),
    (ErrorCode.NO_PROGRESS, errors.NoProgressError, "SYNC wait={2}"),
]


@pytest.mark.parametrize(("code", "kind", "text"), FAULTS)
def test_errors_name_the_instruction_and_the_device_survives(code, kind, text):
    program = assemble(SEGMENTS + text)
    with weft.open("simulator", TINY) as device:
        with pytest.raises(kind) as caught:
            device.run_program(program)
        error = caught.value
        assert error.code is code
        assert error.disassembly == text.strip().splitlines()[error.instruction].replace(
            "LOAD ", "LOAD memory=activation ").replace("VECTOR", error.disassembly).replace(
            "SYNC ", "SYNC unit=load ")
        for part in (code.name, f"instruction {error.instruction}", error.disassembly,
                     "what to do:"):
            assert part in str(error)
        np.testing.assert_array_equal(device.matmul(A, B), A.astype(int) @ B.astype(int))


def test_every_error_code_has_its_class():
    for code in ErrorCode:
        if code is not ErrorCode.NONE:
            error = errors.accelerator_error(code.value, 0, 7, 9)
            assert isinstance(error, weft.AcceleratorError)
            assert error.code is code
    assert "does not know" in str(errors.accelerator_error(200, 0, 0, 0))


def test_run_program():
    program = assemble(
        SEGMENTS + "LOAD segment=0 bytes=8 signal={0}\n"
        "STORE memory=activation segment=1 offset=3 bytes=5 wait={0}"
    )
    data = np.arange(8, dtype=np.int8)
    with weft.open("simulator", TINY) as device:
        result = device.run_program(program, {0: data})
        assert result[1][3:8].tolist() == [0, 1, 2, 3, 4]
        assert device.last_run.instructions == 2
        assert device.last_run.bytes_written == 8
        with pytest.raises(errors.SegmentLimitError):
            device.run_program(program, {0: data}, {0: 7})
        with pytest.raises(errors.MemorySizeError, match=r"segment 0 \(in\) holds 64 bytes"):
            device.run_program(program, {0: np.zeros(65, np.uint8)})
        with pytest.raises(errors.MemorySizeError, match="the program has no segment 6"):
            device.run_program(program, {6: data})


class Tampering(SimulatorTransport):
    """A transport whose jobs end differently."""

    def __init__(self, config, change):
        super().__init__(config)
        self.change = change
        self.jobs = []

    def execute(self, job):
        self.jobs.append(job)
        result = super().execute(job)
        self.change(result)
        return result


def test_canaries():
    def change(result):
        result.memory[-1] ^= 1

    device = ProgramDevice(TINY, Tampering(TINY, change))
    with pytest.raises(errors.MemoryCorruptionError, match="1 bytes changed in the gap after C"):
        device.matmul(A, B)


def test_inputs_are_canaries_too():
    def change(result):
        result.memory[4096] ^= 1

    device = ProgramDevice(TINY, Tampering(TINY, change))
    with pytest.raises(errors.MemoryCorruptionError, match="changed in A, which is only read, the "
                                                           "first at DRAM address 0x1000"):
        device.matmul(A, B)


def test_another_configuration():
    def change(result):
        result.values[register("ROWS").offset] = 9

    device = ProgramDevice(TINY, Tampering(TINY, change))
    with pytest.raises(errors.ConfigurationMismatchError, match="ROWS reads 0x9, but the "
                                                                "configuration says 0x2"):
        device.matmul(A, B)


def test_timeout_then_soft_reset():
    def change(result):
        if len(transport.jobs) == 1:
            result.interrupt = False
            result.values[register("STATUS").offset] = 1

    transport = Tampering(TINY, change)
    device = ProgramDevice(TINY, transport, max_cycles=1234)
    with pytest.raises(errors.AcceleratorTimeoutError, match="no interrupt within 1234 cycles"):
        device.matmul(A, B)
    device.matmul(A, B)
    reset = (register("CONTROL").offset, driver_module.bit("CONTROL", "SOFT_RESET"))
    assert transport.jobs[1].writes == [reset]


def test_refused_write():
    def change(result):
        result.refused.append(register("WATCHDOG").offset)

    device = ProgramDevice(TINY, Tampering(TINY, change))
    with pytest.raises(errors.RegisterAccessError, match="refused writes to WATCHDOG"):
        device.matmul(A, B)


def test_soft_reset_that_never_ends(monkeypatch):
    monkeypatch.setattr(driver_module, "_RESET_POLLS", 3)

    def change(result):
        result.values[register("STATUS").offset] = 0b10000

    device = ProgramDevice(TINY, Tampering(TINY, change))
    with pytest.raises(errors.AcceleratorTimeoutError, match="does not come out of its soft"):
        device.driver.soft_reset()
