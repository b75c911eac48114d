# SPDX-License-Identifier: Apache-2.0
"""The accelerator: wiring between control, units, memories and the two bus ports."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Const, DomainRenamer, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from .bus import AXI4LiteSignature, AXI4ReadSignature, AXI4WriteSignature, UnitSignature
from .config import Config
from .control.control_registers import ControlRegisters
from .control.counters import Counters
from .control.legality import InstructionRules
from .control.sequencer import Sequencer
from .control.supervisor import Supervisor
from .dma.arbiter import ReadArbiter
from .isa import Unit
from .memory.accumulator import Accumulator
from .memory.parameter_memory import ParameterMemory
from .memory.scratchpad import ActivationScratchpad
from .memory.table_memory import TableMemory
from .memory.weight_scratchpad import WeightScratchpad
from .once import Once
from .registers import ADDRESS_WIDTH, COUNTERS
from .serial.core import SerialCore
from .serial.memories import AccumulatorMemory, ActivationMemory
from .units.issue import ARRAY_ACTIVITY
from .units.load import LoadUnit
from .units.matmul import MatmulUnit
from .units.store import StoreUnit
from .units.vector import VectorUnit

__all__ = ["Accelerator"]

AXI_CONSTANTS = {"lock": (1, 0), "cache": (4, 0b0011), "prot": (3, 0), "qos": (4, 0)}
"""Widths and values of the address channel signals that never change: normal, bufferable."""


class Accelerator(wiring.Component):
    """The whole engine behind an AXI4 manager port and an AXI4-Lite subordinate port.

    ::

        s_axil -- ControlRegisters -- Supervisor -- Counters, if any  (reset: rst)
                        |                 |
        m_axi -+- ReadArbiter -+- Sequencer                           (reset: rst or soft reset)
               |               +- LoadUnit ----> scratchpads, accumulator
               |                  MatmulUnit <-> scratchpads, accumulator
               |                  VectorUnit <-> activation scratchpad, accumulator
               +----------------- StoreUnit <--- activation scratchpad, accumulator

    With serial execution `SerialCore` is in the place of all between registers and memories.

    Parameters
    ----------
    config : Config
        What to build.

    Members
    -------
    irq : Out(1)
        Interrupt, level.
    m_axi_* : AXI4 manager
        As `AXI4ReadSignature` and `AXI4WriteSignature`, and constant ``lock``, ``cache``, ``prot``
        and ``qos`` of both address channels.
    s_axil_* : AXI4-Lite subordinate
        As `AXI4LiteSignature`, 12-bit addresses.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        widths = {"address_width": config.axi_address_width, "data_width": config.axi_width}
        self._read = AXI4ReadSignature(**widths)
        self._write = AXI4WriteSignature(**widths)
        self._lite = AXI4LiteSignature(address_width=ADDRESS_WIDTH).flip()
        members: dict[str, Any] = {"irq": Out(1)}
        for prefix, signature in (
            ("s_axil", self._lite),
            ("m_axi", self._write),
            ("m_axi", self._read),
        ):
            members |= {f"{prefix}_{name}": signature.members[name] for name in signature.members}
        for channel in ("aw", "ar"):
            for name, (width, _) in AXI_CONSTANTS.items():
                members[f"m_axi_{channel}{name}"] = Out(width)
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.registers = registers = Once(ControlRegisters(config))
        m.submodules.supervisor = supervisor = Once(
            Supervisor(address_width=config.axi_address_width)
        )

        # What a soft reset resets: all but these two and the counters.
        m.domains.work = work = ClockDomain(local=True)
        m.d.comb += [
            work.clk.eq(ClockSignal()),
            work.rst.eq(ResetSignal() | supervisor.unit_reset),
            self.irq.eq(registers.irq),
        ]
        weight = WeightScratchpad(
            cols=config.cols, depth=config.weight_depth, single_port=config.weight_single_port
        )
        build = self._serial if config.is_serial else self._decoupled
        build(m, registers, supervisor, weight)
        return m

    def _serial(
        self, m: Module, registers: Any, supervisor: Any, weight: WeightScratchpad
    ) -> None:
        """One instruction at a time."""
        config = self.config
        core = SerialCore(config)
        activation = ActivationMemory(rows=config.rows, depth=config.activation_depth)
        accumulator = AccumulatorMemory(
            cols=config.cols,
            width=config.accumulator_width,
            depth=config.accumulator_depth,
            data_width=config.partial_sum_width,
            slots=config.accumulator_slots,
        )
        parts: dict[str, Any] = {
            "core": core,
            "activation_scratchpad": activation,
            "weight_scratchpad": weight,
            "accumulator": accumulator,
        }
        _add_work(m, parts)
        for port, memory in (
            (core.activation_write, activation.write),
            (core.weight_write, weight.write),
            (core.accumulator_write, accumulator.write),
            (core.matmul_activation_read, activation.matmul_read),
            (core.matmul_weight_read, weight.matmul_read),
            (core.update, accumulator.update),
            (core.activation_read, activation.read),
            (core.activation_data, activation.read_data),
            (core.accumulator_read, accumulator.read),
            (core.accumulator_data, accumulator.read_data),
        ):
            connect(m, port, memory)
        _control(m, registers, supervisor)
        m.d.comb += [
            core.launch.eq(supervisor.launch),
            core.halt.eq(supervisor.halt),
            core.resetting.eq(supervisor.status.resetting),
            core.granted.eq(registers.engine_granted),
            core.register_value.eq(registers.engine_value),
            registers.engine_address.eq(core.address),
            registers.engine_uses.eq(core.uses),
            registers.engine_poke.eq(core.poke),
            registers.engine_data.eq(core.poke_data),
            registers.engine_booted.eq(core.booted),
            # Which error it was is in the registers already.
            supervisor.errors[0].valid.eq(core.failed),
            supervisor.progress.eq(core.progress),
            supervisor.finished.eq(core.rest),
            supervisor.idle.eq(core.idle),
            supervisor.quiet.eq(1),
        ]
        self._connect_ports(m, registers, core.read, core.write)
        in_matmul = core.units[Unit.MATMUL.value]
        events: dict[str, Any] = {"INSTRUCTIONS": core.legal}
        for unit in Unit:
            moves = unit in (Unit.LOAD, Unit.STORE)
            busy = core.units[unit.value]
            events[f"{unit.name}_BUSY"] = busy
            events[f"{unit.name}_WAIT_MEMORY"] = busy & core.moving if moves else Const(0, 1)
            events[f"{unit.name}_WAIT_SEMAPHORE"] = Const(0, 1)
        for name in ARRAY_ACTIVITY.members:
            events[f"ARRAY_{name.upper()}"] = Const(0, 1)
        events |= {
            "ARRAY_ACTIVE": core.issued,
            "ARRAY_ACTIVATIONS": in_matmul & ~core.issued,
            "ARRAY_SEMAPHORE": ~in_matmul & core.stuck,
            "ARRAY_IDLE": ~in_matmul & ~core.stuck,
        }
        self._count(m, registers, supervisor, events)

    def _decoupled(
        self, m: Module, registers: Any, supervisor: Any, weight: WeightScratchpad
    ) -> None:
        """Units that run at the same time."""
        config = self.config
        widths = {"address_width": config.axi_address_width, "data_width": config.axi_width}
        sequencer = Sequencer(
            rules=InstructionRules.of(config),
            **widths,
            max_burst_beats=config.max_burst_beats,
            queue_depth=config.queue_depth,
        )
        arbiter = ReadArbiter(
            **widths, compact=config.compact_transfers and not config.registered_handshakes
        )
        activation = ActivationScratchpad(
            rows=config.rows, depth=config.activation_depth, lanes=config.lanes
        )
        accumulator = Accumulator(
            cols=config.cols,
            width=config.accumulator_width,
            depth=config.accumulator_depth,
            data_width=config.partial_sum_width,
            banks=config.accumulator_banks,
            lanes=config.lanes,
            slots=config.accumulator_slots,
            family=config.family,
        )
        load, matmul, store = LoadUnit(config), MatmulUnit(config), StoreUnit(config)
        parts: dict[str, Any] = {
            "sequencer": sequencer,
            "arbiter": arbiter,
            "load": load,
            "matmul": matmul,
            "store": store,
            "activation_scratchpad": activation,
            "weight_scratchpad": weight,
            "accumulator": accumulator,
        }
        units: dict[Unit, Any] = {Unit.LOAD: load, Unit.MATMUL: matmul, Unit.STORE: store}
        if config.lanes:
            parts |= _vector(m, config, load, activation, accumulator)
            units[Unit.VECTOR] = parts["vector"]
        _add_work(m, parts)

        connect(m, sequencer.axi, arbiter.fetch)
        connect(m, load.axi, arbiter.load)
        connect(m, load.activation_write, activation.write)
        connect(m, load.weight_write, weight.write)
        connect(m, load.accumulator_write, accumulator.write)
        connect(m, matmul.activation_read, activation.matmul_read)
        connect(m, matmul.weight_read, weight.matmul_read)
        connect(m, matmul.update, accumulator.update)
        connect(m, store.activation_read, activation.read)
        connect(m, store.accumulator_read, accumulator.read)
        connect(m, store.activation_data, activation.read_data)
        connect(m, store.accumulator_data, accumulator.read_data)
        m.d.comb += [
            load.segment_write.eq(registers.segment_write),
            store.segment_write.eq(registers.segment_write),
            matmul.waiting_semaphore.eq(sequencer.waiting[Unit.MATMUL.value]),
        ]
        _control(m, registers, supervisor)
        for unit, component in units.items():
            _attach(m, getattr(sequencer, unit.name.lower()), component)
        _supervise(m, registers, supervisor, sequencer, arbiter)
        self._connect_ports(m, registers, arbiter.axi, store.axi)
        events: dict[str, Any] = {"INSTRUCTIONS": sequencer.dispatched}
        for unit in Unit:
            if unit in units:
                events[f"{unit.name}_BUSY"] = units[unit].busy
                events[f"{unit.name}_WAIT_MEMORY"] = units[unit].wait_memory
                events[f"{unit.name}_WAIT_SEMAPHORE"] = sequencer.waiting[unit.value]
            else:
                for what in ("BUSY", "WAIT_MEMORY", "WAIT_SEMAPHORE"):
                    events[f"{unit.name}_{what}"] = Const(0, 1)
        for name in ARRAY_ACTIVITY.members:
            events[f"ARRAY_{name.upper()}"] = matmul.activity[name]
        self._count(m, registers, supervisor, events)

    def _connect_ports(self, m: Module, registers: Any, read: Any, write: Any) -> None:
        for prefix, signature, inner in (
            ("s_axil", self._lite, registers.bus),
            ("m_axi", self._write, write),
            ("m_axi", self._read, read),
        ):
            for name, member in signature.members.items():
                outer, part = getattr(self, f"{prefix}_{name}"), getattr(inner, name)
                m.d.comb += outer.eq(part) if member.flow is Out else part.eq(outer)
        for channel in ("aw", "ar"):
            for name, (_, value) in AXI_CONSTANTS.items():
                m.d.comb += getattr(self, f"m_axi_{channel}{name}").eq(value)

    def _count(
        self, m: Module, registers: Any, supervisor: Any, events: dict[str, Any]
    ) -> None:
        """The performance counters, if there are any; those of the bus and of cycles count the
        same everywhere."""
        if not self.config.performance_counters:
            m.d.comb += registers.counter_valid.eq(1)
            return
        m.submodules.counters = counters = Once(Counters(count=len(COUNTERS)))
        events = events | {
            "CYCLES": Const(1, 1),
            "READ_BEATS": self.m_axi_rvalid & self.m_axi_rready,
            "WRITE_BEATS": self.m_axi_wvalid & self.m_axi_wready,
        }
        m.d.comb += [
            counters.events.eq(Cat(events[name] for name, _ in COUNTERS)),
            counters.clear.eq(supervisor.launch),
            counters.enable.eq(supervisor.count),
            counters.request.eq(registers.counter_request),
            counters.number.eq(registers.counter_number),
            registers.counter_valid.eq(counters.valid),
            registers.counter_value.eq(counters.value),
        ]


def _add_work(m: Module, parts: dict[str, Any]) -> None:
    """Parts that a soft reset resets."""
    for name, part in parts.items():
        m.submodules[name] = DomainRenamer("work")(Once(part))


def _vector(
    m: Module,
    config: Config,
    load: LoadUnit,
    activation: ActivationScratchpad,
    accumulator: Accumulator,
) -> dict[str, Any]:
    """The vector unit and its own memories, connected; to be added by the names returned."""
    unit = VectorUnit(config)
    parameters = ParameterMemory(
        lanes=config.lanes,
        depth=config.parameter_depth,
        convention=config.requantize,
        slots=config.parameter_slots,
    )
    table = TableMemory(lanes=config.lanes)
    memories: dict[str, Any] = {"activation": activation, "accumulator": accumulator}
    for name, memory in memories.items():
        for port in ("read", "data", "write"):
            connect(m, getattr(unit, f"{name}_{port}"), getattr(memory, f"vector_{port}"))
    m.d.comb += unit.accumulator_busy.eq(accumulator.busy)
    connect(m, unit.parameter_read, parameters.vector_read)
    for lane in range(config.lanes):
        connect(m, getattr(unit, f"table_{lane}"), getattr(table, f"lane_{lane}"))
    writes: Any = load
    connect(m, writes.parameter_write, parameters.write)
    connect(m, writes.table_write, table.write)
    return {"vector": unit, "parameter_memory": parameters, "table_memory": table}


def _attach(m: Module, port: Any, unit: Any) -> None:
    """Connect a unit, which has the members of `UnitSignature` among its own, to control."""
    connect(m, port.command, unit.command)
    for name, member in UnitSignature().members.items():
        if name != "command":
            source, target = (port, unit) if member.flow is In else (unit, port)
            m.d.comb += getattr(target, name).eq(getattr(source, name))


def _control(m: Module, registers: Any, supervisor: Any) -> None:
    """Connect the supervisor with the host."""
    m.d.comb += [
        supervisor.start.eq(registers.start),
        supervisor.soft_reset.eq(registers.soft_reset),
        supervisor.watchdog_limit.eq(registers.watchdog_limit),
        registers.startable.eq(supervisor.startable),
        registers.status.eq(supervisor.status),
        registers.done_event.eq(supervisor.done_event),
        registers.error_event.eq(supervisor.error_event),
        registers.clear_events.eq(supervisor.unit_reset),
    ]


def _supervise(
    m: Module, registers: Any, supervisor: Any, sequencer: Sequencer, arbiter: ReadArbiter
) -> None:
    """Connect the supervisor with the program."""
    m.d.comb += [
        registers.fault.eq(supervisor.fault),
        sequencer.start.eq(supervisor.launch),
        sequencer.halt.eq(supervisor.halt),
        sequencer.program_address.eq(registers.program_address),
        sequencer.program_length.eq(registers.program_length),
        supervisor.errors.eq(sequencer.errors),
        supervisor.progress.eq(sequencer.progress),
        supervisor.oldest.eq(sequencer.oldest),
        supervisor.finished.eq(sequencer.finished),
        supervisor.idle.eq(sequencer.idle & arbiter.idle),
        supervisor.quiet.eq(sequencer.quiet),
    ]
