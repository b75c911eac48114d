# SPDX-License-Identifier: Apache-2.0
"""Emits the program of one step: where each tensor lies, then layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...hdl.config import Config
from .constants import Constants
from .convolution import ConvolutionEmitter, ConvolutionPlan
from .convolution_plans import convolution_plans
from .dense import make_dense
from .emitter import Emitter
from .forms import View
from .layers import Addition, Convolution, Layer, Pooling
from .operations import Operation
from .placement import Range, Scratchpad
from .pooling import PoolingEmitter
from .synchronize import in_order, synchronize
from .tiles import NoSpaceError, Source, Target
from .uses import Group, Step, Uses
from .vector_layers import AdditionEmitter, UnaryEmitter, VectorEmitter

__all__ = ["StepCompiler", "TooSmallError"]

_CANDIDATES = 12
_OPERATIONS = 3000


class TooSmallError(Exception):
    """A layer whose smallest tile does not fit an empty scratchpad."""

    def __init__(self, layer: Layer) -> None:
        super().__init__(layer.name)
        self.layer = layer


class StepCompiler:
    """Compiles one step.

    Parameters
    ----------
    config : Config
        The accelerator.
    uses : Uses
        Of the whole model.
    step : Step
        What to compile.
    number : int
        Its number.
    constants : Constants
        Where weights go.
    """

    def __init__(self, config: Config, uses: Uses, step: Step, number: int,
                 constants: Constants) -> None:
        self.config = config
        self.uses = uses
        self.step = step
        self.number = number
        self.constants = constants
        self.demoted: set[str] = set()
        self.plans: dict[Any, ConvolutionPlan] = {}
        self.layers = [layer for group in step.groups for layer in group.layers]

    def run(self) -> list[Operation]:
        """All operations in sequential order, offsets of tensors relative to their places.

        Raises
        ------
        TooSmallError
            If a layer does not fit.
        """
        while True:
            operations = self._attempt()
            if operations is not None:
                return operations

    def _attempt(self) -> list[Operation] | None:
        """The operations, or None after another tensor has been sent to DRAM."""
        self.emitter = Emitter(self.config, self.constants)
        self.scratchpad = Scratchpad(self.config.activation_depth)
        self.views: dict[str, View] = {}
        for group in self.step.groups:
            for root in list(self.views):
                if self.uses.last_on_chip(root) < group.time:
                    self.scratchpad.free(root)
                    del self.views[root]
            try:
                self._group(group)
            except NoSpaceError:
                if self.views:
                    largest = max(self.views, key=lambda root: (self.views[root].size, root))
                    self.demoted.add(largest)
                    return None
                if len(group.layers) == 1:
                    raise TooSmallError(group.layers[0]) from None
                place = self.step.groups.index(group)
                self.step.groups[place : place + 1] = [
                    Group([layer], group.time) for layer in group.layers
                ]
                return None
        return self.emitter.operations

    # Where tensors are.

    def _target(self, layer: Layer, avoid: Sequence[Range] = ()) -> Target:
        root, form = layer.output, layer.result
        tensor = self.uses.mapper.graph.tensors[root]
        fill = 0 if tensor.quantization is None else tensor.zero_point
        view, padded = None, False
        readers = [] if root in self.demoted else self.uses.on_chip(root)
        if readers:
            top, left, bottom, right = (
                max(values) for values in zip(*(use.layer.padding for use in readers),
                                              strict=True)
            )
            shape = View(0, -(-form.channels // self.config.rows), 0, -top, -left,
                         form.height + top + bottom, form.width + left + right, form.batch)
            base = self.scratchpad.place(root, shape.size, [*avoid, *(
                self.scratchpad.used[rival] for rival in sorted(self.uses.rivals.get(root, ()))
                if rival in self.scratchpad.used
            )])
            if base is not None:
                view = replace(shape, base=base)
                padded = shape.height > form.height or shape.width > form.width
                self.views[root] = view
        name = root if view is None or self.uses.needs_dram(root) else None
        return Target(form, view, name, fill, padded)

    def _source(self, layer: Layer, name: str) -> Source:
        root = self.uses.mapper.root(name)
        view = self.views.get(root)
        if view is not None and layer.source != self.uses.mapper.forms[root]:
            view = None
        return Source(layer.source, view, root, layer.fill, self.uses.halo(root))

    # Layers.

    def _group(self, group: Group) -> None:
        first = group.layers[0]
        self.emitter.layer = self.layers.index(first)
        if len(group.layers) == 2 and self._passed(group):
            return
        targets = [self._target(layer) for layer in group.layers]
        base, room = self.scratchpad.largest_gap()
        share = room // len(group.layers)
        if not isinstance(first, Convolution):
            for _ in self._vector(first, targets[0], base, room, None).run():
                pass
            return
        runner = self._convolution(first, targets[0], base, share)
        if len(group.layers) == 1:
            for _ in runner.run():
                pass
            return
        second = group.layers[1]
        rows = runner.plan.height if isinstance(second, Addition) else None
        follower = self._vector(second, targets[1], base + share, room - share, rows)
        self._interleave(runner, follower, self.layers.index(first))

    def _passed(self, group: Group) -> bool:
        """Emit two layers that need no more than a tile of what is between them, if possible."""
        first, second = group.layers
        columns = -(-first.result.channels // self.config.cols) * self.config.cols
        words = -(-first.result.channels // self.config.rows) * self.config.rows
        root = first.output
        if (
            not isinstance(first, Convolution) or not isinstance(second, Addition)
            or self.uses.needs_dram(root) or columns < words
            or any(use.layer is not second for use in self.uses.layers[root])
        ):
            return False
        before = dict(self.views), dict(self.scratchpad.used), self.scratchpad.head
        source = self.uses.mapper.root(first.inputs[0])
        beside = [self.scratchpad.other_bank(source)] if source in self.views else []
        target = self._target(second, beside)
        between = Target(first.result, None, None, first.zero_point)
        gaps = [self.scratchpad.largest_gap_within(words) for words in beside]
        for base, room in (*gaps, self.scratchpad.largest_gap()):
            share = room // 2
            try:
                runner = self._convolution(first, between, base, share)
                follower = self._vector(second, target, base + share, room - share,
                                        runner.plan.height, {root: between})
            except NoSpaceError:
                continue
            if follower.tile.height == runner.plan.height and len(follower.words) == 1 and (
                follower.tile.width >= second.result.width
            ):
                self._interleave(runner, follower, self.layers.index(first))
                return True
        self.views, self.scratchpad.used, self.scratchpad.head = before
        return False

    def _interleave(self, runner: ConvolutionEmitter, follower: VectorEmitter,
                    number: int) -> None:
        """Emit the follower's tiles as soon as the rows that they need are there."""
        waiting: Iterator[int] = follower.run()
        needed = next(waiting, None)
        for complete in runner.run():
            self.emitter.layer = number + 1
            while needed is not None and needed <= complete:
                needed = next(waiting, None)
            self.emitter.layer = number
        self.emitter.layer = number + 1
        for _ in waiting:
            pass

    def _vector(self, layer: Layer, target: Target, base: int, room: int, rows: int | None,
                passed: Mapping[str, Target] | None = None) -> VectorEmitter:
        kind: type[VectorEmitter] = UnaryEmitter
        if isinstance(layer, Addition):
            kind = AdditionEmitter
        elif isinstance(layer, Pooling):
            kind = PoolingEmitter
        sources = [
            replace(self._source(layer, name), passing=(passed or {}).get(
                self.uses.mapper.root(name)
            ))
            for name in layer.inputs
        ]
        return kind(self.emitter, layer, sources, target, base, room, rows)

    def _convolution(self, layer: Convolution, target: Target, base: int,
                     room: int) -> ConvolutionEmitter:
        source = self._source(layer, layer.inputs[0])
        if any(source.halo):
            layer, source = make_dense(self.config, layer, source)
        key = (layer.name, source.view is None or source.view.pitch, target.view is None,
               target.passing, room)
        if key not in self.plans:
            self.plans[key] = self._best(layer, source, target, base, room)
        return ConvolutionEmitter(self.emitter, layer, source, target, self.plans[key], base)

    def _best(self, layer: Convolution, source: Source, target: Target, base: int,
              room: int) -> ConvolutionPlan:
        """The plan with the fewest estimated cycles when the layer runs alone."""
        best: tuple[float, ConvolutionPlan] | None = None
        plans = list(convolution_plans(self.config, layer, source, target, room))
        for plan in plans[:_CANDIDATES]:
            cycles = self._cycles(layer, source, target, plan, base)
            if best is None or cycles < best[0]:
                best = cycles, plan
        if best is None:
            raise NoSpaceError(f"no tile of {layer.name} fits {room} words")
        return best[1]

    def _cycles(self, layer: Convolution, source: Source, target: Target,
                plan: ConvolutionPlan, base: int) -> float:
        emitter = Emitter(self.config, Constants())
        runner = ConvolutionEmitter(emitter, layer, source, replace(target), plan, base)
        tiles = -(-layer.result.height // plan.height) * -(-layer.result.width // plan.width)
        total = tiles * layer.result.batch
        done = 0
        for _ in runner.run():
            done += 1
            if len(emitter.operations) > _OPERATIONS:
                break
        if not done:
            return float("inf")
        places = {source.tensor: 0, target.tensor or "": 0}
        operations = [item.relocated(places) for item in emitter.operations]
        size = 2 * (layer.source.bytes + layer.result.bytes) + (1 << 16)
        synchronize(self.config, operations, size)
        return in_order(self.config, operations)[1].cycles * total / done
