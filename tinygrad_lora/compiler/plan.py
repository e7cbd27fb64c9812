"""Where each array of a program lives, and which arrays take turns in the same place.

The program is a list of units, each one operation or several that run together block by block. An array is alive from
the operation that makes it to the last one that reads it; arrays that are never alive together may share a place.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple

from .. import ops
from ..core.node import ComputationNode as Node
from ..core.node import Shape
from .calls import replaceable
from .schedule import Unit

LINE = 64  # bytes of a cache line: every array starts at one


class Place(NamedTuple):
    """Where a node's array is.

    kind: "argument" (the caller's), "constant", "number" (a NumPy scalar), "memory" (planned), "own" (allocated by
    NumPy in each call, as outputs are), or "view" of the array of `root`. `fixed`: it is there before the call, at the
    same address in every call. `in_rows`: its elements lie one after another, row by row.
    """

    kind: str
    root: Node
    fixed: bool
    in_rows: bool


@dataclass(eq=False, slots=True)
class Slot:
    """Bytes that one array, or several one after another, occupy from one operation to another."""

    start: int
    end: int
    size: int
    offset: int = 0


@dataclass
class Plan:
    """The places of all nodes, the offset of each planned array in the memory, and what that memory comes to."""

    places: dict[Node, Place]
    offsets: dict[Node, int] = field(default_factory=dict)
    shapes: dict[Node, Shape] = field(default_factory=dict)  # of planned arrays: a block's, where a block is enough
    size: int = 0  # bytes of the memory
    least: int = 0  # bytes alive at once, at most: no plan can do with less
    separate: int = 0  # bytes if every planned array had a place of its own
    replaced: dict[Node, Node] = field(default_factory=dict)  # results written over this operand
    written: dict[Node, Node] = field(default_factory=dict)  # outputs made right in the memory of an argument
    parts: dict[Node, tuple[Node, int]] = field(default_factory=dict)  # arrays made right in a part of a longer one


def make_plan(
    units: Sequence[Unit], given: Mapping[Node, bool], outputs: Iterable[Node], written_form: Iterable[Node],
    *, copied: Iterable[Node] = (), into: Mapping[int, Node] | None = None,
    views: Mapping[Node, Sequence[Node]] | None = None, techniques: Container[str] = frozenset(),
) -> Plan:  # fmt: skip
    """Places for all arrays of a program.

    `given` are the arguments, and whether they surely lie in rows. `written_form` are the nodes whose operation can
    write its result into a given array, `copied` the views that are to be written out row by row. `into` says which
    outputs, counted from 0, are to replace which arguments, whose memory may also be read through the arguments in
    `views`.
    """
    order = [node for unit in units for node in unit.nodes]
    outputs, into = list(outputs), into or {}
    can_write, kept = {*written_form, *copied}, {node for i, node in enumerate(outputs) if i not in into}
    plan = Plan(_places(given, order, can_write, kept, set(copied)))
    last = _last_reads(order, plan.places, outputs)
    if "update_in_place" in techniques:
        plan.written = _replacing(order, plan, last, {outputs[i]: leaf for i, leaf in into.items()}, views or {})
    spans: dict[Node, tuple[int, int]] = {}  # of a unit that runs block by block: all its arrays are alive throughout
    for unit in units:
        start = len(spans)
        spans |= {node: (start, start + len(unit.nodes) - 1) for node in unit.nodes}
    blocks = _blocks(units, plan.places, last)
    plan.shapes |= blocks
    plan.parts = _parts(order, plan.places, last) if "parts_in_place" in techniques else {}
    reuse, in_place = "reuse_memory" in techniques, "in_place" in techniques
    slots: dict[Node, Slot] = {}
    for i, node in enumerate(order):
        if plan.places[node].kind != "memory":
            continue
        if node in plan.parts:
            whole = plan.parts[node][0]
            slots.setdefault(whole, Slot(spans[node][0], last[whole], _bytes(whole.shape, whole)))
            plan.shapes[node] = node.shape
            plan.separate += _bytes(node.shape, node)
            continue
        shape = blocks.get(node, node.shape)
        plan.shapes[node] = shape
        size = _bytes(shape, node)
        plan.separate += size
        scratch = node in blocks
        operand = _overwritten(node, i, plan, last, blocks) if in_place else None
        end = last[node] if scratch else max(spans[order[min(last[node], len(order) - 1)]][1], last[node])
        if node in slots:  # its parts came before it
            slots[node].end = end
        elif operand is not None:
            slots[node] = slots[operand]
            slots[node].end = end
            plan.replaced[node] = operand
        else:
            slots[node] = Slot(i if scratch else spans[node][0], end, size)
    distinct = list(dict.fromkeys(slots.values()))
    if not reuse:
        for slot in distinct:
            slot.start, slot.end = 0, len(order)
    plan.size = _arrange(distinct)
    plan.least = _most_alive(distinct)
    plan.offsets = {node: slot.offset for node, slot in slots.items()}
    plan.offsets |= {node: plan.offsets[whole] + start for node, (whole, start) in plan.parts.items()}
    return plan


def _places(
    given: Mapping[Node, bool], order: Iterable[Node], can_write: set[Node], kept: set[Node], copied: set[Node]
) -> dict[Node, Place]:
    places = {
        node: Place("argument" if node.shape else "number", node, False, in_rows) for node, in_rows in given.items()
    }
    for node in order:
        for leaf in node.parents:
            if leaf not in places:  # a constant: everything else came before
                places[leaf] = Place("constant" if leaf.shape else "number", leaf, True, True)
        places[node] = _place(node, places, can_write, kept, copied)
    return places


def _place(node: Node, places: Mapping[Node, Place], can_write: set[Node], kept: set[Node], copied: set[Node]) -> Place:
    if not node.shape:
        return Place("number", node, False, True)
    if node.op.view and node not in copied:
        operand = places[node.parents[0]]
        if node.op is ops.reshape and not operand.in_rows and operand.kind != "number":
            return Place("own" if node in kept else "memory", node, node not in kept, True)  # a copy
        if operand.kind == "number" and not operand.fixed:
            return Place("own", node, False, False)
        in_rows = operand.in_rows and node.op in (ops.reshape, ops.identity, ops.stop_gradient)
        return Place("view", operand.root, operand.fixed, in_rows)
    if node in can_write and node not in kept:
        return Place("memory", node, True, True)
    return Place("own", node, False, node.ndim < 2)


def _last_reads(order: Sequence[Node], places: Mapping[Node, Place], outputs: Iterable[Node]) -> dict[Node, int]:
    """For each array that is some place's root, the number of the last operation that reads it."""
    last: dict[Node, int] = {}
    for i, node in enumerate(order):
        last.setdefault(node, i)
        for parent in node.parents:
            last[places[parent].root] = i
        if places[node].root is not node:
            last[places[node].root] = i
    for node in outputs:
        if node in places:
            last[places[node].root] = len(order)
    return last


def _replacing(
    order: Sequence[Node], plan: Plan, last: Mapping[Node, int], into: Mapping[Node, Node],
    views: Mapping[Node, Sequence[Node]],
) -> dict[Node, Node]:  # fmt: skip
    """The outputs that can be written right into the argument they replace: nobody reads the old values afterwards.

    They get the place of that argument. The others are copied there at the end.
    """
    number = {node: i for i, node in enumerate(order)}
    written = {}
    for output, leaf in into.items():
        i = number.get(output, -1)
        if plan.places[output].kind != "memory" or output in written:
            continue
        earlier = all(last.get(reader, -1) < i for reader in views.get(leaf, ()))
        same_moment = last.get(leaf, -1) == i and output.op.elementwise and output.shape == leaf.shape
        if earlier and (last.get(leaf, -1) < i or same_moment):
            written[output] = leaf
            plan.places[output] = Place("argument", output, False, False)
    return written


def _parts(
    order: Sequence[Node], places: Mapping[Node, Place], last: Mapping[Node, int]
) -> dict[Node, tuple[Node, int]]:
    """Arrays that are only joined to a longer vector: they can be made there, each at its first byte."""
    parts: dict[Node, tuple[Node, int]] = {}
    for i, node in enumerate(order):
        if node.op is not ops.concatenate or node.ndim != 1 or places[node].kind != "memory":
            continue
        start = 0
        for operand in node.parents:
            place = places[operand]
            root = place.root
            alone = last[root] == i and root not in parts and places[root].kind == "memory" and root.parents
            if alone and place.in_rows and root.size == operand.size and root.dtype == node.dtype:
                parts[root] = node, start
            start += _bytes(operand.shape, node)
    return parts


def _blocks(units: Iterable[Unit], places: Mapping[Node, Place], last: Mapping[Node, int]) -> dict[Node, Shape]:
    """The shape of one block for each array that only the blocks of its own unit read."""
    blocks: dict[Node, Shape] = {}
    end = 0
    for unit in units:
        end += len(unit.nodes)
        if unit.rows:
            inside = [node for node in unit.nodes if places[node].kind == "memory" and last[node] < end]
            inside += [node for node in unit.nodes if places[node].kind == "view" and places[node].root in inside]
            blocks |= {node: (unit.rows, *node.shape[1:]) for node in inside}
    return blocks


def _overwritten(node: Node, i: int, plan: Plan, last: Mapping[Node, int], blocks: Mapping[Node, Shape]) -> Node | None:
    """The operand whose array the result may replace, element by element: planned, of this size, and read last here."""
    for operand in replaceable(node):
        place = plan.places[operand]
        if place.kind != "memory" or place.root is not operand or last[operand] != i:
            continue
        if operand.shape != node.shape or operand.dtype.itemsize != node.dtype.itemsize:
            continue
        if plan.shapes[operand] != blocks.get(node, node.shape):  # a block for the whole, or the other way around
            continue
        if all(p is operand or plan.places[p].root is not operand for p in node.parents):
            return operand
    return None


def _bytes(shape: Shape, node: Node) -> int:
    size: int = node.dtype.itemsize
    for n in shape:
        size *= n
    return size


def _arrange(slots: Sequence[Slot]) -> int:
    """Give each slot an offset so that no two overlap in time and place; the bytes needed in all.

    First come, first served, and each into the smallest gap that fits.
    """
    gaps: list[tuple[int, int]] = []  # (offset, size), in the order of offsets
    alive: list[tuple[int, int, int]] = []  # (end, offset, size), the first to end on top
    top = 0
    for slot in sorted(slots, key=lambda s: s.start):
        done = []
        while alive and alive[0][0] < slot.start:
            done.append(heappop(alive)[1:])
        if done:
            gaps = _joined([*gaps, *done])
        size = _rounded(slot.size)
        fitting = [g for g in gaps if g[1] >= size]
        if fitting and size:
            gap = min(fitting, key=lambda g: g[1])
            gaps.remove(gap)
            slot.offset = gap[0]
            if gap[1] > size:
                gaps = sorted([*gaps, (gap[0] + size, gap[1] - size)])
        else:
            if gaps and sum(gaps[-1]) == top and size:  # the gap at the end can grow
                top = gaps.pop()[0]
            slot.offset, top = top, top + size
        heappush(alive, (slot.end, slot.offset, size))
    return top


def _joined(gaps: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Gaps side by side become one."""
    joined: list[tuple[int, int]] = []
    for offset, size in sorted(gaps):
        if joined and sum(joined[-1]) == offset:
            joined[-1] = (joined[-1][0], joined[-1][1] + size)
        else:
            joined.append((offset, size))
    return joined


def _rounded(size: int) -> int:
    return -(-size // LINE) * LINE


def _most_alive(slots: Sequence[Slot]) -> int:
    """The most bytes that are alive at once."""
    changes = [(s.start, s.size) for s in slots] + [(s.end + 1, -s.size) for s in slots]
    alive = most = 0
    for _, change in sorted(changes):
        alive += change
        most = max(most, alive)
    return most
