# SPDX-License-Identifier: Apache-2.0
"""Change the parts of a module without a look at its expressions.

Each step leaves the same hardware: blocks move to the registers they serve, equal wires become
one, registers with equal conditions share a block.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from .expression_text import show
from .expressions import LEAVES, Node
from .module import ModuleText, is_anonymous
from .statements import Assign, If, Statement, merge, outline, rewrite, walk

__all__ = ["count_reads", "restructure", "targets_of", "values"]


def restructure(module: ModuleText) -> None:
    """Apply all steps."""
    _combine_slices(module)
    _merge_next_values(module)
    _drop_copies(module)
    _share(module)
    _group(module)


def _renamed(node: Node, table: Mapping[str, str]) -> Node:
    if node.args:
        node = node.replace(tuple(_renamed(arg, table) for arg in node.args))
    if node.kind in ("name", "select", "index", "part", "bits") and node.text in table:
        node = Node(
            node.kind,
            table[node.text],
            node.width,
            node.args,
            signed=node.signed,
            high=node.high,
            low=node.low,
        )
    return node


def values(body: list[Statement]) -> list[Node]:
    """Return everything that a block reads."""
    found: list[Node] = []
    for statement in walk(body):
        if isinstance(statement, Assign):
            found.append(statement.value)
            for part in _parts(statement.target):
                found += part.args
        elif isinstance(statement, If):
            found += [condition for condition, _ in statement.branches if condition]
        else:
            found.append(statement.subject)
    return found


def targets_of(body: list[Statement]) -> set[str]:
    """Return the names that a block assigns."""
    return {
        part.text for each in walk(body) if isinstance(each, Assign) for part in _parts(each.target)
    }


def _parts(target: Node) -> tuple[Node, ...]:
    """Return the wires and slices that an assignment changes."""
    return target.args if target.kind == "concat" else (target,)


def _rename_all(module: ModuleText, table: Mapping[str, str]) -> None:
    def assignment(old: Assign) -> Assign:
        return Assign(_renamed(old.target, table), _renamed(old.value, table), old.nonblocking)

    module.assigns = [
        (_renamed(target, table), _renamed(value, table)) for target, value in module.assigns
    ]
    module.blocks = [
        (clock, rewrite(body, assignment, lambda node: _renamed(node, table)))
        for clock, body in module.blocks
    ]
    for instance in module.instances:
        instance.ports = [
            (port, value and _renamed(value, table)) for port, value in instance.ports
        ]


def count_reads(module: ModuleText) -> Counter[str]:
    """Return how often each name is read."""
    reads: Counter[str] = Counter()
    for target, value in module.assigns:
        reads.update(value.names())
        for arg in target.args:
            reads.update(arg.names())
    for _, body in module.blocks:
        for node in values(body):
            reads.update(node.names())
    for instance in module.instances:
        for _, connected in instance.ports:
            if connected:
                reads.update(connected.names())
    return reads


def _combine_slices(module: ModuleText) -> None:
    """Turn assignments to all slices of a wire into one of a concatenation."""
    slices: dict[str, list[tuple[Node, Node]]] = {}
    for target, value in module.assigns:
        if target.kind == "select":
            slices.setdefault(target.text, []).append((target, value))
    whole: dict[str, Node] = {}
    for name, parts in slices.items():
        parts.sort(key=lambda part: -part[0].high)
        ends = [module.widths[name] - 1, *(target.low - 1 for target, _ in parts)]
        if ends[-1] != -1 or [target.high for target, _ in parts] != ends[:-1]:
            continue
        values = [value for _, value in parts]
        if any(value.width != target.width for target, value in parts) or any(
            name in value.names() for value in values
        ):
            continue
        whole[name] = Node("concat", "{", module.widths[name], tuple(values))
    done: set[str] = set()
    result: list[tuple[Node, Node]] = []
    for target, value in module.assigns:
        if target.kind != "select" or target.text not in whole:
            result.append((target, value))
        elif target.text not in done:
            done.add(target.text)
            name = target.text
            result.append((Node("name", name, module.widths[name]), whole[name]))
    module.assigns = result


def _merge_next_values(module: ModuleText) -> None:
    """Move blocks that compute the next value of one register to where it is stored."""
    reads = count_reads(module)
    stores: dict[str, int] = {}
    for number, (clock, body) in enumerate(module.blocks):
        if clock and len(body) == 1 and isinstance(body[0], Assign):
            only = body[0]
            if only.value.kind == only.target.kind == "name":
                stores[only.value.text] = number
    done: set[int] = set()
    writers = Counter(name for _, body in module.blocks for name in targets_of(body))
    for number, (clock, body) in enumerate(module.blocks):
        targets = targets_of(body)
        if clock or len(targets) != 1:
            continue
        (name,) = targets
        where = stores.get(name)
        if where is None or not is_anonymous(name) or reads[name] != 1 or writers[name] != 1:
            continue
        edge, store = module.blocks[where]
        register = store[0]
        assert isinstance(register, Assign)
        if register.target.width != module.widths[name]:
            continue
        table = {name: register.target.text}

        def assignment(old: Assign, table: dict[str, str] = table) -> Assign:
            return Assign(_renamed(old.target, table), old.value, True)

        moved = rewrite(body, assignment, lambda node: node)
        while moved and isinstance(moved[0], Assign):
            if show(moved[0].target) != show(moved[0].value):
                break
            moved.pop(0)
        module.blocks[where] = (edge, moved)
        module.forget(name)
        done.add(number)
    module.blocks = [block for number, block in enumerate(module.blocks) if number not in done]


def _drop_copies(module: ModuleText) -> None:
    """Let blocks assign to a wire directly that is a copy of a nameless register."""
    reads = count_reads(module)
    assigned = {name for _, body in module.blocks for name in targets_of(body)}
    table: dict[str, str] = {}
    kept: list[tuple[Node, Node]] = []
    for target, value in module.assigns:
        name = value.text
        if (
            value.kind == target.kind == "name"
            and is_anonymous(name)
            and name in assigned
            and reads[name] == 1
            and value.width == target.width
            and name not in module.initial
        ):
            table[name] = target.text
            module.registers.add(target.text)
            module.forget(name)
        else:
            kept.append((target, value))
    if table:
        module.assigns = kept
        _rename_all(module, table)


def _share(module: ModuleText) -> None:
    """Use one wire for equal expressions."""
    drivers = {
        target.text: value
        for target, value in module.assigns
        if target.kind == "name" and value.width <= target.width
    }
    table: dict[str, str] = {}
    known: dict[tuple[str, int], str] = {}
    done: set[str] = set()
    named = [name for name in drivers if not is_anonymous(name)]
    stack = [name for name in reversed([*named, *drivers])]
    waiting: set[str] = set()
    while stack:
        name = stack[-1]
        if name in done:
            stack.pop()
            continue
        value = drivers[name]
        inner = {word for word in value.names() if word in drivers and word not in done}
        inner -= waiting
        if inner - {name} and name not in waiting:
            waiting.add(name)
            stack += sorted(inner - {name})
            continue
        stack.pop()
        done.add(name)
        if value.kind in LEAVES:
            continue
        key = (show(_renamed(value, table)), module.widths[name])
        first = known.setdefault(key, name)
        if first != name and is_anonymous(name):
            table[name] = first
    if table:
        module.assigns = [each for each in module.assigns if each[0].text not in table]
        for name in table:
            module.forget(name)
        _rename_all(module, table)


def _group(module: ModuleText) -> None:
    """Join clocked blocks whose registers depend on the same conditions."""
    groups: dict[tuple[str, ...], list[int]] = {}
    result: list[tuple[str, list[Statement]]] = []
    for clock, body in module.blocks:
        if not body:
            continue
        if not clock or any(
            each.target.kind in ("index", "bits") for each in walk(body) if isinstance(each, Assign)
        ):
            result.append((clock, body))
            continue
        places = groups.setdefault((clock, *outline(body)), [])
        for place in places[-8:]:
            joined = merge(result[place][1], body)
            if joined is not None:
                result[place] = (clock, joined)
                break
        else:
            places.append(len(result))
            result.append((clock, body))
    module.blocks = result
