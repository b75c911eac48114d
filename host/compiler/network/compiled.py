# SPDX-License-Identifier: Apache-2.0
"""Compiled models and their files.

A file is the eight bytes ``WEFTMODL``, a little-endian 32-bit format version, a 32-bit checksum
(CRC-32) of all that follows, a 64-bit length of the description (UTF-8 JSON), the description, and
the pieces of data that it names by offset and size.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...graph import Graph, ModelError, Operator
from ...hdl.config import Config
from ..program import Program, ProgramError
from .graph_file import Blobs, graph_description, read_graph

__all__ = ["AcceleratorStep", "CompiledModel", "HostStep", "Placement"]

_MAGIC = b"WEFTMODL"
_VERSION = 1
_HEADER = struct.Struct("<IIQ")


@dataclass
class AcceleratorStep:
    """A program.

    Parameters
    ----------
    program : Program
        Segment 0 holds constants, segment 1 tensors.
    layers : list of int
        Entries of the manifest that it computes.
    inputs, outputs : list of str
        Tensors that the host writes to DRAM before it, if it has not yet, and that are in DRAM
        after it.
    """

    program: Program
    layers: list[int]
    inputs: list[str]
    outputs: list[str]


@dataclass
class HostStep:
    """An operator of ``CompiledModel.graph`` that the host runs, by name."""

    operator: str


@dataclass(frozen=True)
class Placement:
    """Where a tensor lies in the tensor segment.

    Parameters
    ----------
    offset : int
        First byte.
    shape : tuple of int
        Images, rows, columns, channels.
    halo : tuple of int
        Pixels around each image: top, left, bottom, right.
    fill : int
        Their value.
    """

    offset: int
    shape: tuple[int, ...]
    halo: tuple[int, int, int, int] = (0, 0, 0, 0)
    fill: int = 0

    def box(self, memory: NDArray[np.uint8]) -> NDArray[np.int8]:
        """The tensor with its halo as a view of ``memory``."""
        batch, height, width, channels = self.shape
        top, left, bottom, right = self.halo
        padded = (batch, height + top + bottom, width + left + right, channels)
        size = int(np.prod(padded))
        return memory[self.offset : self.offset + size].view(np.int8).reshape(padded)

    def write(self, memory: NDArray[np.uint8], value: NDArray[np.int8]) -> None:
        """Put a tensor into ``memory``."""
        top, left, _, _ = self.halo
        box = self.box(memory)
        if any(self.halo):
            box[...] = self.fill
        box[:, top : top + self.shape[1], left : left + self.shape[2]] = value.reshape(self.shape)

    def read(self, memory: NDArray[np.uint8]) -> NDArray[np.int8]:
        """A copy of the tensor in ``memory``."""
        top, left, _, _ = self.halo
        return self.box(memory)[:, top : top + self.shape[1], left : left + self.shape[2]].copy()


@dataclass
class CompiledModel:
    """A model ready to run.

    Parameters
    ----------
    name : str
        For people.
    config : Config
        The accelerator.
    graph : Graph
        Inputs, outputs, and the operators of the host with their tensors.
    steps : list of AcceleratorStep or HostStep
        In order.
    placements : dict of str to Placement
        Tensors in DRAM.
    aliases : dict of str to str
        Tensors that have the bytes of another.
    constants : numpy.ndarray
        uint8, contents of segment 0.
    tensor_bytes : int
        Size of segment 1.
    manifest : list of dict
        Per layer and host operator: name, kind, operators, where, reason, macs.
    info : dict
        Estimated cycles and traffic (JSON values).
    """

    name: str
    config: Config
    graph: Graph
    steps: list[AcceleratorStep | HostStep]
    placements: dict[str, Placement]
    aliases: dict[str, str]
    constants: NDArray[np.uint8]
    tensor_bytes: int
    manifest: list[dict[str, Any]]
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def host_operators(self) -> list[dict[str, Any]]:
        """The manifest's entries that run on the host."""
        return [entry for entry in self.manifest if entry["where"] == "host"]

    @property
    def programs(self) -> list[Program]:
        """The programs in order."""
        return [step.program for step in self.steps if isinstance(step, AcceleratorStep)]

    @property
    def estimated_cycles(self) -> int:
        """Cycles of all programs as the cost model has them."""
        return sum(int(program.info["estimated_cycles"]) for program in self.programs)

    def operator(self, name: str) -> Operator:
        """An operator of the host."""
        return next(item for item in self.graph.operators if item.name == name)

    def to_bytes(self) -> bytes:
        """The contents of a file; the same model gives the same bytes."""
        blobs = Blobs()
        steps: list[dict[str, Any]] = []
        for step in self.steps:
            if isinstance(step, HostStep):
                steps.append({"operator": step.operator})
            else:
                steps.append({
                    "program": blobs.add(step.program.to_file_bytes()), "layers": step.layers,
                    "inputs": step.inputs, "outputs": step.outputs,
                })
        description = {
            "name": self.name, "config": self.config.to_dict(), "steps": steps,
            "graph": graph_description(self.graph, blobs),
            "placements": {name: asdict(item) for name, item in self.placements.items()},
            "aliases": self.aliases, "constants": blobs.add(self.constants.tobytes()),
            "tensor_bytes": self.tensor_bytes, "manifest": self.manifest, "info": self.info,
        }
        text = json.dumps(description, sort_keys=True).encode()
        body = text + bytes(blobs.data)
        header = _HEADER.pack(_VERSION, zlib.crc32(body), len(text))
        return _MAGIC + header + body

    @classmethod
    def from_bytes(cls, content: bytes) -> CompiledModel:
        """The model in the contents of a file; raises `ProgramError`."""
        start = len(_MAGIC) + _HEADER.size
        if content[: len(_MAGIC)] != _MAGIC or len(content) < start:
            raise ProgramError("not a compiled model: the file does not start with 'WEFTMODL'")
        version, checksum, length = _HEADER.unpack_from(content, len(_MAGIC))
        if version != _VERSION:
            raise ProgramError(f"compiled model version must be {_VERSION}, not {version}")
        if zlib.crc32(content[start:]) != checksum or len(content) < start + length:
            raise ProgramError("the compiled model is damaged: its checksum is wrong")
        try:
            return cls._read(json.loads(content[start : start + length]),
                             content[start + length :])
        except ProgramError:
            raise
        except (ArithmeticError, AttributeError, LookupError, ModelError, TypeError,
                ValueError) as error:
            raise ProgramError(f"the compiled model is damaged: {error}") from error

    @classmethod
    def _read(cls, description: dict[str, Any], data: bytes) -> CompiledModel:
        def piece(place: list[int]) -> bytes:
            offset, size = place
            if offset < 0 or size < 0 or offset + size > len(data):
                raise ProgramError("the compiled model is damaged: a piece is missing")
            return data[offset : offset + size]

        steps: list[AcceleratorStep | HostStep] = []
        for item in description["steps"]:
            if "operator" in item:
                steps.append(HostStep(item["operator"]))
            else:
                steps.append(AcceleratorStep(
                    Program.from_file_bytes(piece(item["program"])), item["layers"],
                    item["inputs"], item["outputs"],
                ))
        placements = {
            name: Placement(item["offset"], tuple(item["shape"]), tuple(item["halo"]),
                            item["fill"])
            for name, item in description["placements"].items()
        }
        return cls(
            description["name"], Config.from_dict(description["config"]),
            read_graph(description["graph"], piece), steps, placements, description["aliases"],
            np.frombuffer(piece(description["constants"]), np.uint8), description["tensor_bytes"],
            description["manifest"], description["info"],
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file."""
        Path(path).write_bytes(self.to_bytes())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> CompiledModel:
        """Read a file; raises `ProgramError`."""
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise ProgramError(f"{path}: {error.strerror or error}") from error
        try:
            return cls.from_bytes(content)
        except ProgramError as error:
            raise ProgramError(f"{path}: {error}; compile the model again") from error
