# SPDX-License-Identifier: Apache-2.0
"""Who computes and who reads each tensor, and in which step of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .dense import dense_halo
from .layers import Addition, Alias, Convolution, HostOperator, Layer
from .mapper import Mapper
from .mapping import Item

__all__ = ["Group", "Step", "Use", "Uses", "make_steps"]


@dataclass
class Group:
    """Layers emitted together: one, or a convolution and what the vector unit does next."""

    layers: list[Layer]
    time: int = 0


@dataclass
class Step:
    """Groups that run as one program, or one operator of the host."""

    groups: list[Group] = field(default_factory=list)
    host: HostOperator | None = None
    time: int = 0


@dataclass(frozen=True)
class Use:
    """A layer that reads a tensor, at a time, in a step."""

    layer: Layer
    time: int
    step: int


def _chained(first: Layer, second: Layer) -> bool:
    """Whether the second layer is vector work that can follow tile by tile."""
    return (
        isinstance(first, Convolution) and not isinstance(second, Convolution)
        and first.output in second.inputs and first.result == second.source
    )


def _reordered(items: Sequence[Item]) -> list[Item]:
    """Of two convolutions that an addition follows, the longer one last.

    The vector unit adds while the array computes the second one.
    """
    result: list[Item] = [item for item in items if not isinstance(item, Alias)]
    for place in range(2, len(result)):
        first, second, last = result[place - 2 : place + 1]
        if (
            isinstance(first, Convolution) and isinstance(second, Convolution)
            and isinstance(last, Addition) and set(last.inputs) == {first.output, second.output}
            and first.output not in second.inputs and first.macs > second.macs
        ):
            result[place - 2 : place] = [second, first]
    return result


def make_steps(items: Sequence[Item], *, per_layer: bool = False) -> list[Step]:
    """Programs and host operators in order; times count groups and host operators."""
    steps: list[Step] = []
    time = 0
    for item in _reordered(items):
        if isinstance(item, Alias):
            continue
        if isinstance(item, HostOperator):
            steps.append(Step(host=item, time=time))
            time += 1
            continue
        if per_layer or not steps or steps[-1].host is not None:
            steps.append(Step())
        groups = steps[-1].groups
        if groups and len(groups[-1].layers) == 1 and _chained(groups[-1].layers[0], item):
            groups[-1].layers.append(item)
            continue
        groups.append(Group([item], time))
        time += 1
    return steps


class Uses:
    """Uses of tensors, by root.

    Parameters
    ----------
    mapper : Mapper
        From mapping the graph.
    steps : list of Step
        The model.

    Attributes
    ----------
    rivals : dict of str to set of str
        Per root: those that another unit reads at the same time.
    """

    def __init__(self, mapper: Mapper, steps: Sequence[Step]) -> None:
        self.mapper = mapper
        self.layers: dict[str, list[Use]] = {}
        self.host: dict[str, list[int]] = {}
        self.made: dict[str, tuple[int, int]] = {}
        self.end = 1 + sum(len(step.groups) or 1 for step in steps)
        for number, step in enumerate(steps):
            for group in step.groups:
                for layer in group.layers:
                    self.made[layer.output] = number, group.time
                    for name in layer.inputs:
                        use = Use(layer, group.time, number)
                        self.layers.setdefault(mapper.root(name), []).append(use)
            if step.host is not None:
                for operand in step.host.operator.inputs:
                    if operand is not None and not mapper.graph.tensors[operand].constant:
                        self.host.setdefault(mapper.root(operand), []).append(step.time)
        self.rivals: dict[str, set[str]] = {}
        for step in steps:
            for group in step.groups:
                self._add_rivals(group)
        self.outputs = {mapper.root(name) for name in mapper.graph.outputs}

    def _add_rivals(self, group: Group) -> None:
        """What the array reads, against what the vector unit reads beside it."""
        first, last = group.layers[0], group.layers[-1]
        if first is last or not isinstance(first, Convolution):
            return
        for name in last.inputs:
            pair = self.mapper.root(first.inputs[0]), self.mapper.root(name)
            self.rivals.setdefault(pair[0], set()).add(pair[1])
            self.rivals.setdefault(pair[1], set()).add(pair[0])

    def on_chip(self, root: str) -> list[Use]:
        """Uses that can read a tensor where the accelerator has just computed it."""
        if root not in self.made:
            return []
        step, _ = self.made[root]
        form = self.mapper.forms[root]
        return [use for use in self.layers.get(root, ())
                if use.step == step and use.layer.source == form]

    def last_on_chip(self, root: str) -> int:
        """Time of the last use on chip."""
        times = [use.time for use in self.on_chip(root)]
        return max(times, default=self.made[root][1])

    def needs_dram(self, root: str) -> bool:
        """Whether a tensor must be in DRAM even if it is on chip too."""
        return (
            root in self.outputs or root in self.host
            or len(self.on_chip(root)) < len(self.layers.get(root, ()))
        )

    def last(self, root: str) -> int:
        """Time of the last use."""
        if root in self.outputs:
            return self.end
        times = [use.time for use in self.layers.get(root, ())] + self.host.get(root, [])
        return max(times, default=self.made.get(root, (0, 0))[1])

    def halo(self, root: str) -> tuple[int, int, int, int]:
        """Padding that the host puts around a tensor in DRAM for a dense first layer."""
        uses = self.layers.get(root, ())
        if root in self.made or root in self.outputs or root in self.host or len(uses) != 1:
            return (0, 0, 0, 0)
        layer = uses[0].layer
        if not isinstance(layer, Convolution) or layer.inputs[0] != root:
            return (0, 0, 0, 0)
        return dense_halo(self.mapper.config, layer) or (0, 0, 0, 0)
