# SPDX-License-Identifier: Apache-2.0
"""The configuration of an accelerator: one frozen object, every legal range checked here."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

__all__ = [
    "EXECUTIONS",
    "FAMILIES",
    "PRESETS",
    "SEGMENT_COUNT",
    "SEMAPHORE_COUNT",
    "SEMAPHORE_MAXIMUM",
    "Config",
    "ConfigurationError",
]

SEMAPHORE_COUNT = 16
"""Counting semaphores of every configuration; the width of an instruction's masks."""

SEMAPHORE_MAXIMUM = 63
"""Largest count of a semaphore; one more signal is an error."""

SEGMENT_COUNT = 8
"""DRAM segments of every configuration; an instruction's segment field has three bits."""

EXECUTIONS = ("decoupled", "serial")
"""Ways to execute a program; each one's number is its place."""

FAMILIES = ("generic", "ecp5", "ice40", "gowin", "nexus", "xilinx7")
"""FPGA families that the array can be mapped to; ``generic`` leaves it to the synthesizer."""

PARAMETER_LANE_BYTES = 12
"""Bytes of one channel's parameters: bias int32, multiplier int32 (or scale float32), shifts."""

LANE_MULTIPLIERS = 4
"""Multipliers of a lane of the vector unit."""

ALIGNER_MULTIPLIERS = 8
"""Multipliers that move the bytes of one direction."""

SINGLE_PORT_BLOCKS = {"ice40": 16384}
"""Words of the memories with a single port, in families that have such beside block RAM."""

SHALLOWEST_BLOCKS = {"ice40": 256}
"""Words of a block RAM at its widest, in families with so few of them that it decides."""

AXI_WIDTHS = (32, 64, 128, 256)

SERIAL_VALUES = {
    "vector_lanes": 0, "axi_width": 32, "max_burst_beats": 1, "read_outstanding": 1,
    "write_outstanding": 1, "queue_depth": 1,
}
"""What serial execution has, and nothing else: one instruction and one beat at a time."""

SERIAL_DEEPEST = 32768
"""Words of the deepest memory with serial execution, whose addresses have 16 bits: one beyond plus
a stride still fits."""


class ConfigurationError(ValueError):
    """A configuration value outside its legal range, or a feature this build does not have."""


def _integer(name: str, value: object, low: int, high: int, fix: str = "") -> None:
    legal = f"an integer from {low} to {high}"
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        hint = f"; {fix}" if fix else ""
        raise ConfigurationError(f"{name} must be {legal}, not {value!r}{hint}")


def _power_of_two(name: str, value: object, low: int, high: int) -> None:
    if (
        isinstance(value, bool)
        or not isinstance(value, int)
        or not low <= value <= high
        or value & (value - 1)
    ):
        suggestion = ""
        if isinstance(value, int) and low < value < high:
            suggestion = f"; the next power of two is {1 << (value - 1).bit_length()}"
        raise ConfigurationError(
            f"{name} must be a power of two from {low} to {high}, not {value!r}{suggestion}"
        )


def _one_of(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigurationError(
            f"{name} must be {' or '.join(map(repr, choices))}, not {value!r}"
        )


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that decides what hardware is generated.

    Parameters
    ----------
    rows : int
        Rows of the array: the reduction elements one pass covers. 1 to 256.
    cols : int
        Columns of the array: the outputs one pass produces. 1 to 256.
    dataflow : str
        ``"weight-stationary"``.
    activation_depth : int
        Words of the activation scratchpad, each ``rows`` int8 elements. Power of two.
    weight_depth : int
        Words of the weight scratchpad, each ``cols`` int8 elements. Power of two. From 16384 on
        iCE40 has it in single-port memory, which LOAD does not write while MATMUL reads.
    accumulator_depth : int
        Words of the accumulator, each ``cols`` integers. Power of two. Two banks, halved by the
        top address bit: the array updates one while the store unit reads the other. A single one
        on iCE40 with fewer than 512 words: the others wait while the array is at work.
    accumulator_width : int
        Bits of one accumulator element. Must hold ``max_reduction_depth`` products, and ``rows``.
    max_reduction_depth : int
        The longest reduction a program may run, in products.
    axi_width : int
        Data width of the AXI4 memory port in bits: 32, 64, 128 or 256.
    axi_address_width : int
        Address width of the AXI4 memory port in bits, 16 to 64. Below 32 everything that handles
        addresses is narrower.
    max_burst_beats : int
        Longest AXI burst. Power of two up to 256; bursts never cross 4 KB either way.
    read_outstanding : int
        Read bursts in flight. Power of two.
    write_outstanding : int
        Write bursts in flight. Power of two. With at most four of either on a port of 32 bits LOAD
        and STORE are less than half as large, and each works on one instruction at a time.
    queue_depth : int
        Instructions each unit's queue holds at least. Power of two.
    vector_lanes : int
        Lanes of the vector unit: elements it takes in a cycle. A common divisor of ``rows`` and
        ``cols``, up to 64; 0 leaves the unit out. By default the largest such divisor up to 4.
    parameter_depth : int
        Words of the parameter memory, each bias, multiplier and shifts of ``vector_lanes``
        channels. Power of two from 16 to 4096.
    requantize : str
        Numeric convention of the vector unit: ``"tflite"`` (Q31 multiplier, double rounding) or
        ``"onnx"`` (float32 scale, round half to even).
    execution : str
        ``"decoupled"``: units run at the same time, each through its own queue, ordered by
        semaphores. ``"serial"``: one instruction at a time, in the order of the program, by a
        microprogram; a fraction of the logic, for the smallest devices. It has no vector unit and
        no queues, and moves a byte a cycle through a port of 32 bits; see `SERIAL_VALUES` for what
        else it fixes. Rows and columns are then powers of two, memories have at most 32768 words
        and addresses at most 32 bits.
    performance_counters : int
        1: with performance counters. 0 leaves them out: their registers read as zero, and the host
        does not know how many cycles a program took.
    family : str
        FPGA family whose multiplier blocks the array instantiates: ``"generic"`` (none, for any
        synthesizer), ``"ecp5"``, ``"ice40"``, ``"gowin"``, ``"nexus"`` or ``"xilinx7"``. Changes
        the array's latency, never a result.
    multipliers : int, optional
        Multipliers that the device has in its blocks, 0 to 65536. Processing elements beyond
        get multipliers of look-up tables. By default there are enough.

    Raises
    ------
    ConfigurationError
        On any illegal value; the message names the value, the legal range and the fix.
    """

    rows: int = 16
    cols: int = 16
    dataflow: str = "weight-stationary"
    activation_depth: int = 4096
    weight_depth: int = 4096
    accumulator_depth: int = 1024
    accumulator_width: int = 32
    max_reduction_depth: int = 65536
    axi_width: int = 128
    axi_address_width: int = 32
    max_burst_beats: int = 64
    read_outstanding: int = 32
    write_outstanding: int = 16
    queue_depth: int = 8
    vector_lanes: int | None = None
    parameter_depth: int = 512
    requantize: str = "tflite"
    execution: str = "decoupled"
    performance_counters: int = 1
    family: str = "generic"
    multipliers: int | None = None

    def __post_init__(self) -> None:
        _integer("rows", self.rows, 1, 256)
        _integer("cols", self.cols, 1, 256)
        if self.dataflow != "weight-stationary":
            raise ConfigurationError(
                f"dataflow must be 'weight-stationary', not {self.dataflow!r}: "
                "no other dataflow is in this configuration"
            )
        _power_of_two("activation_depth", self.activation_depth, 16, 65536)
        _power_of_two("weight_depth", self.weight_depth, 16, 65536)
        _power_of_two("accumulator_depth", self.accumulator_depth, 16, 65536)
        _integer("max_reduction_depth", self.max_reduction_depth, 1, 131071)
        _integer("accumulator_width", self.accumulator_width, 16, 32)
        needed = self.required_accumulator_width
        if self.accumulator_width < needed:
            raise ConfigurationError(
                f"accumulator_width must be at least {needed} to hold "
                f"{self._deepest_sum} products of int8 without overflow, not "
                f"{self.accumulator_width}; widen it or lower "
                f"{'max_reduction_depth' if self.max_reduction_depth > self.rows else 'rows'}"
            )
        if self.weight_depth < self.rows:
            raise ConfigurationError(
                f"weight_depth must be at least rows ({self.rows}) to hold one tile of weights, "
                f"not {self.weight_depth}"
            )
        if not isinstance(self.axi_width, int) or self.axi_width not in AXI_WIDTHS:
            raise ConfigurationError(
                f"axi_width must be one of {', '.join(map(str, AXI_WIDTHS))}, "
                f"not {self.axi_width!r}"
            )
        _integer("axi_address_width", self.axi_address_width, 16, 64)
        _power_of_two("max_burst_beats", self.max_burst_beats, 1, 256)
        _power_of_two("read_outstanding", self.read_outstanding, 1, 256)
        _power_of_two("write_outstanding", self.write_outstanding, 1, 256)
        _one_of("execution", self.execution, EXECUTIONS)
        _power_of_two("queue_depth", self.queue_depth, 1 if self.is_serial else 2, 64)
        common = math.gcd(self.rows, self.cols)
        if self.vector_lanes is None:
            lanes = max(count for count in range(1, 5) if common % count == 0)
            object.__setattr__(self, "vector_lanes", lanes)
        else:
            _integer("vector_lanes", self.vector_lanes, 0, 64)
            if self.vector_lanes and common % self.vector_lanes:
                legal = [count for count in range(1, common + 1) if common % count == 0]
                raise ConfigurationError(
                    f"vector_lanes must divide rows ({self.rows}) and cols ({self.cols}): one of "
                    f"{', '.join(map(str, legal))}, or 0 for no vector unit, "
                    f"not {self.vector_lanes!r}"
                )
        _power_of_two("parameter_depth", self.parameter_depth, 16, 4096)
        _one_of("requantize", self.requantize, ("tflite", "onnx"))
        _integer("performance_counters", self.performance_counters, 0, 1)
        if self.family not in FAMILIES:
            raise ConfigurationError(
                f"family must be one of {', '.join(FAMILIES)}, not {self.family!r}"
            )
        if self.multipliers is not None:
            _integer("multipliers", self.multipliers, 0, 65536)
        if self.is_serial:
            self._check_serial()

    def _check_serial(self) -> None:
        """Refuse what serial execution does not have."""
        for name, wanted in SERIAL_VALUES.items():
            if getattr(self, name) != wanted:
                raise ConfigurationError(
                    f"{name} must be {wanted} with serial execution, not {getattr(self, name)!r}"
                )
        for name in ("rows", "cols"):
            _power_of_two(name, getattr(self, name), 1, 256)
        for name in ("activation_depth", "weight_depth", "accumulator_depth"):
            _power_of_two(name, getattr(self, name), 16, SERIAL_DEEPEST)
        _integer("axi_address_width", self.axi_address_width, 16, 32)

    # Derived values. Each is a property so that no two places compute it.

    @property
    def is_serial(self) -> bool:
        """Whether instructions are executed one at a time, in the order of the program."""
        return self.execution == "serial"

    @property
    def _deepest_sum(self) -> int:
        """Products that an accumulator element must hold: a pass adds ``rows`` in any case."""
        return max(self.max_reduction_depth, self.rows)

    @property
    def required_accumulator_width(self) -> int:
        """Bits that hold ``max_reduction_depth`` products of two int8 (at most 2**14 each), and a
        partial sum."""
        return (self._deepest_sum << 14).bit_length() + 1

    @property
    def partial_sum_width(self) -> int:
        """Bits of a partial sum inside the array, which adds ``rows`` products."""
        return (self.rows << 14).bit_length() + 1

    @property
    def axi_bytes(self) -> int:
        """Bytes of one AXI beat."""
        return self.axi_width // 8

    @property
    def activation_bytes(self) -> int:
        """Bytes of one activation scratchpad word as LOAD and STORE see it."""
        return self.rows

    @property
    def weight_bytes(self) -> int:
        """Bytes of one weight scratchpad word as LOAD sees it."""
        return self.cols

    @property
    def accumulator_bytes(self) -> int:
        """Bytes of one accumulator word as LOAD and STORE see it: int32 per column."""
        return 4 * self.cols

    @property
    def weight_single_port(self) -> bool:
        """Whether the weight scratchpad is in memory that is read or written in a cycle, not both:
        where it is as large as the family's memories of that kind."""
        return self.weight_depth >= SINGLE_PORT_BLOCKS.get(self.family, self.weight_depth + 1)

    @property
    def accumulator_banks(self) -> int:
        """Banks of the accumulator. Two, one of which can be read and written while the array has
        the other; one where two would each fill less than the depth of a block RAM."""
        return 1 if self.accumulator_depth // 2 < SHALLOWEST_BLOCKS.get(self.family, 0) else 2

    @property
    def spare_multipliers(self) -> int | None:
        """Multipliers beside those of the array and of the vector unit; ``None`` if enough."""
        if self.multipliers is None:
            return None
        return self.multipliers - self.rows * self.cols - LANE_MULTIPLIERS * self.lanes

    @property
    def multiplying_aligners(self) -> bool:
        """Whether multipliers move bytes to their lanes: eight for each direction, of up to eight
        lanes, in a family that has them in blocks, on a device that has some to spare."""
        spare = self.spare_multipliers
        enough = spare is None or spare >= 2 * ALIGNER_MULTIPLIERS
        return self.family == "ecp5" and self.axi_bytes <= 8 and enough

    @property
    def multiplying_lanes(self) -> bool:
        """Whether the vector unit shifts by multipliers, as many again as it has without, on a
        device that has some to spare beside those of `multiplying_aligners`."""
        needed = LANE_MULTIPLIERS * self.lanes + 2 * ALIGNER_MULTIPLIERS
        spare = self.spare_multipliers
        return self.family == "ecp5" and (spare is None or spare >= needed)

    @property
    def multiplying_word_count(self) -> bool:
        """Whether LOAD divides the bytes of a row by those of a word with a multiplier, on a device
        that has one beside all others."""
        needed = LANE_MULTIPLIERS * self.lanes + 2 * ALIGNER_MULTIPLIERS + 1
        spare = self.spare_multipliers
        return self.family == "ecp5" and (spare is None or spare >= needed)

    @property
    def compact_transfers(self) -> bool:
        """Whether LOAD and STORE are built small, and work on one instruction at a time: on a port
        of 32 bits with at most four bursts in flight, where there is little to gain from more."""
        return self.axi_bytes <= 4 and max(self.read_outstanding, self.write_outstanding) <= 4

    @property
    def registered_handshakes(self) -> bool:
        """Whether registers cut the paths that pass through several parts of LOAD and STORE, though
        these be compact. Not on iCE40, which is too small for them."""
        return self.family != "ice40"

    @property
    def accumulator_slots(self) -> int:
        """Parts of an accumulator word that LOAD and STORE move one at a time: its beats, if it is
        made of whole beats."""
        beats, rest = divmod(self.accumulator_bytes, self.axi_bytes)
        return beats if beats and not rest else 1

    @property
    def parameter_slots(self) -> int:
        """Parts of a parameter word that LOAD writes one at a time: the largest that beats are made
        of too, since parameters are loaded rarely and a gearbox between odd widths is large."""
        return max(1, self.parameter_bytes // math.gcd(self.parameter_bytes, self.axi_bytes))

    @property
    def lanes(self) -> int:
        """Lanes of the vector unit; 0 where there is none."""
        return self.vector_lanes or 0

    @property
    def parameter_bytes(self) -> int:
        """Bytes of one parameter word as LOAD sees it: 12 a lane."""
        return PARAMETER_LANE_BYTES * self.lanes

    # Names, files, variants.

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Config:
        """The configuration called ``name`` in `PRESETS`, with ``changes`` applied."""
        if name not in PRESETS:
            raise ConfigurationError(f"preset must be one of {', '.join(PRESETS)}, not {name!r}")
        return cls.from_dict({**PRESETS[name], **changes})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Config:
        """A configuration from a mapping; unknown names are refused with a suggestion.

        With serial execution, what the mapping leaves out of `SERIAL_VALUES` has those values.
        """
        if not isinstance(values, Mapping):
            raise ConfigurationError(
                f"a configuration must be a mapping of names to values, not {values!r}"
            )
        names = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in names:
                close = difflib.get_close_matches(str(name), names, 1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise ConfigurationError(
                    f"{name!r} is not a configuration parameter{hint} (known: {', '.join(names)})"
                )
        if values.get("execution") == "serial":
            values = SERIAL_VALUES | dict(values)
        return cls(**values)

    @classmethod
    def from_yaml(cls, source: str | Path) -> Config:
        """A configuration from a YAML file (a `Path`) or YAML text (a `str`)."""
        try:
            text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
            values = yaml.safe_load(text)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"the configuration is not valid YAML: {error}") from error
        return cls.from_dict({} if values is None else values)

    def to_dict(self) -> dict[str, Any]:
        """Every parameter by name, in declaration order."""
        return dataclasses.asdict(self)

    def to_yaml(self) -> str:
        """The configuration as YAML text that `from_yaml` reads back."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False)

    def replace(self, **changes: Any) -> Config:
        """A copy with some parameters changed."""
        return Config.from_dict({**self.to_dict(), **changes})


PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {
        "rows": 4,
        "cols": 4,
        "activation_depth": 1024,
        "weight_depth": 1024,
        "accumulator_depth": 256,
        "axi_width": 32,
    },
    "small": {
        "rows": 8,
        "cols": 8,
        "activation_depth": 2048,
        "weight_depth": 2048,
        "accumulator_depth": 512,
        "axi_width": 64,
    },
    "default": {},
    "large": {"rows": 32, "cols": 32, "axi_width": 256},
}
"""Configurations by name, as differences from the defaults."""
