# SPDX-License-Identifier: Apache-2.0
"""The whole way from a graph to a compiled model."""

from __future__ import annotations

from typing import Any

from ...graph import Graph, ModelError, Operator
from ...hdl.config import Config
from ...hdl.isa import Opcode
from ..program import Program, SegmentNeed
from .compiled import AcceleratorStep, CompiledModel, HostStep, Placement
from .constants import Constants
from .forms import form_of
from .layers import Alias, HostOperator, Layer
from .mapper import Mapper
from .mapping import Item, map_graph
from .operations import SEGMENT_CONSTANTS, SEGMENT_TENSORS, Operation
from .placement import Lifetime, place_in_dram
from .step_compiler import StepCompiler, TooSmallError
from .synchronize import in_order, synchronize
from .uses import Step, Uses, make_steps

__all__ = ["check_memory", "compile_network"]

OFFSETS = 1 << 32
"""Bytes of a segment that the offsets of LOAD and STORE reach."""


def compile_network(graph: Graph, config: Config, *, per_layer: bool = False) -> CompiledModel:
    """Compile a graph.

    Parameters
    ----------
    graph : Graph
        Valid.
    config : Config
        The accelerator.
    per_layer : bool
        Give every layer a program of its own, so that its cycles can be told; tensors then go
        through DRAM between layers.

    Returns
    -------
    CompiledModel
        Operators without a kernel are steps of the host that fail when they run.

    Raises
    ------
    ModelError
        If the tensors do not fit the memory that the accelerator's addresses reach.
    """
    items, mapper = map_graph(graph, config)
    while True:
        try:
            return _Compilation(graph, config, items, mapper, per_layer).run()
        except TooSmallError as error:
            items, mapper = _without(graph, config, mapper, error.layer)


def check_memory(config: Config, constants: int, tensors: int) -> None:
    """Raise `ModelError` if a segment has more bytes than offsets or addresses reach."""
    for what, size, reach, reason in (
        ("constants", constants, OFFSETS, "offsets in instructions reach"),
        ("tensors", tensors, OFFSETS, "offsets in instructions reach"),
        ("constants and tensors", constants + tensors, 1 << config.axi_address_width,
         f"axi_address_width ({config.axi_address_width}) reaches"),
    ):
        if size > reach:
            raise ModelError(
                f"the model's {what} take {size:,} bytes of DRAM at one time, more than the "
                f"{reach:,} that {reason}; use smaller inputs, or cut the model in two"
            )


def _without(
    graph: Graph, config: Config, mapper: Mapper, layer: Layer
) -> tuple[list[Item], Mapper]:
    """The mapping again, with the operators of a layer on the host."""
    refused = {**mapper.refused, **{
        operator: "its smallest tile does not fit the scratchpad" for operator in layer.operators
    }}
    return map_graph(graph, config, refused)


class _Compilation:
    """One attempt."""

    def __init__(self, graph: Graph, config: Config, items: list[Item], mapper: Mapper,
                 per_layer: bool) -> None:
        self.graph = graph
        self.config = config
        self.items = items
        self.mapper = mapper
        self.steps = make_steps(items, per_layer=per_layer)
        self.uses = Uses(mapper, self.steps)
        self.constants = Constants()
        self.manifest: list[dict[str, Any]] = []
        self.entries: dict[Layer | HostOperator, int] = {}

    def run(self) -> CompiledModel:
        """Everything."""
        self._describe()
        emitted = {
            number: StepCompiler(self.config, self.uses, step, number, self.constants).run()
            for number, step in enumerate(self.steps) if step.host is None
        }
        placements, size = self._place(emitted)
        places = {name: item.offset for name, item in placements.items()}
        steps: list[AcceleratorStep | HostStep] = []
        for number, step in enumerate(self.steps):
            if step.host is not None:
                steps.append(HostStep(step.host.operator.name))
            else:
                steps.append(self._program(step, emitted[number], places, size))
        model = CompiledModel(
            self.graph.name, self.config, self._host_graph(), steps, placements,
            dict(self.mapper.roots), self.constants.contents(), size, self.manifest,
        )
        model.info = {
            "estimated_cycles": model.estimated_cycles,
            "macs": sum(entry["macs"] for entry in self.manifest),
            "constant_bytes": self.constants.size,
            "tensor_bytes": size,
        }
        return model

    def _describe(self) -> None:
        """The manifest."""
        for item in self.items:
            if isinstance(item, Alias):
                operators, where, reason = [item.operator], "none", "leaves the bytes as they are"
            elif isinstance(item, HostOperator):
                operators, where, reason = [item.operator], "host", item.reason
            else:
                operators, where, reason = item.operators, "accelerator", ""
            if not isinstance(item, Alias):
                self.entries[item] = len(self.manifest)
            self.manifest.append({
                "name": operators[0].name, "kind": operators[0].kind,
                "operators": [f"{operator.name} ({operator.kind})" for operator in operators],
                "where": where, "reason": reason,
                "macs": item.macs if isinstance(item, Layer) else 0,
            })

    def _place(
        self, emitted: dict[int, list[Operation]]
    ) -> tuple[dict[str, Placement], int]:
        """Places of all tensors that programs read or write in DRAM."""
        names = {item.tensor for items in emitted.values() for item in items
                 if item.tensor is not None}
        boxes, lifetimes = {}, []
        for name in sorted(names):
            tensor = self.graph.tensors[name]
            form = self.mapper.forms.get(name, form_of(tensor.shape))
            halo = self.uses.halo(name)
            fill = 0 if tensor.quantization is None else tensor.zero_point
            boxes[name] = form, halo, fill
            top, left, bottom, right = halo
            size = (form.batch * (form.height + top + bottom)
                    * (form.width + left + right) * form.channels)
            made = self.uses.made.get(name)
            lifetimes.append(Lifetime(name, size, -1 if made is None else made[1],
                                      self.uses.last(name)))
        offsets, size = place_in_dram(lifetimes)
        check_memory(self.config, self.constants.size, size)
        return {name: Placement(offsets[name], tuple(box[0]), box[1], box[2])
                for name, box in boxes.items()}, max(size, 64)

    def _program(self, step: Step, emitted: list[Operation], places: dict[str, int],
                 size: int) -> AcceleratorStep:
        operations = [item.relocated(places) for item in emitted]
        synchronize(self.config, operations, size)
        ordered, cost = in_order(self.config, operations)
        layers = [layer for group in step.groups for layer in group.layers]
        made = {layer.output for layer in layers}
        read = {item.tensor for item in emitted if item.opcode is Opcode.LOAD and item.tensor}
        written = {item.tensor for item in emitted if item.opcode is Opcode.STORE and item.tensor}
        macs = sum(layer.macs for layer in layers)
        program = Program(
            [item.instruction() for item in ordered],
            [SegmentNeed(SEGMENT_CONSTANTS, "constants", max(self.constants.size, 64)),
             SegmentNeed(SEGMENT_TENSORS, "tensors", size, "scratch")],
            self.config, f"{self.graph.name} {layers[0].name}",
            {"estimated_cycles": cost.cycles, "macs": macs, "read_beats": cost.read_beats,
             "write_beats": cost.write_beats,
             "layers": [layer.name for layer in layers],
             "instruction_layers": [item.layer for item in ordered]},
        )
        return AcceleratorStep(program, [self.entries[layer] for layer in layers],
                               sorted(read - made), sorted(written))

    def _host_graph(self) -> Graph:
        """What the host needs to know of the graph."""
        operators: list[Operator] = [
            item.operator for item in self.items if isinstance(item, HostOperator)
        ]
        names = {name for operator in operators for name in operator.tensors}
        names.update(self.graph.inputs, self.graph.outputs)
        tensors = {name: tensor for name, tensor in self.graph.tensors.items() if name in names}
        return Graph(self.graph.name, tensors, operators, self.graph.inputs, self.graph.outputs,
                     self.graph.convention)


