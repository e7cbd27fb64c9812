"""Which arrays of a program share a place in its memory.

The program is a list of units, each one operation or several that run together block by block. An array is alive from
the operation that makes it to the last one that reads it; arrays that are never alive together may share a place.
"""

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from ...core import ComputationNode as Node, Shape, ops
from .calls import replaceable
from .order import Unit, cut_along
from .places import Placement, Places, last_reads, placed
from .slots import Slot, arrange, most_alive

Views = Mapping[Node, Sequence[Node]]
Held = Mapping[Node, Collection[Node]]


@dataclass
class MemoryPlan:
    """The places of all nodes, the offset of each planned array in the memory, and what that memory comes to."""

    places: dict[Node, Placement]
    offsets: dict[Node, int] = field(default_factory=dict)
    shapes: dict[Node, Shape] = field(default_factory=dict)  # of planned arrays: a block's, where a block is enough
    lives: dict[Node, tuple[int, int]] = field(default_factory=dict)  # the operations that make it and read it last
    blocks: set[Node] = field(default_factory=set)  # those of which a block is enough
    size: int = 0  # bytes of the memory
    least: int = 0  # bytes alive at once, at most: no plan can do with less
    separate: int = 0  # bytes if every planned array had a place of its own
    replaced: dict[Node, Node] = field(default_factory=dict)  # results written over this operand
    written: dict[Node, Node] = field(default_factory=dict)  # outputs made right in the memory of an argument
    parts: dict[Node, tuple[Node, int]] = field(default_factory=dict)  # arrays made right in a part of a longer one


def make_plan(
    units: Sequence[Unit], arguments: Mapping[Node, bool], outputs: Sequence[Node], can_write: Iterable[Node],
    copied: Iterable[Node], into: Mapping[int, Node], views: Views, techniques: Container[str],
) -> MemoryPlan:  # fmt: skip
    """Places for all arrays of a program, and an offset for each that lies in its memory.

    `arguments`, `can_write` and `copied` as in `placed`. `into` says which outputs, counted from 0, are to replace
    which arguments, whose memory may also be read through the arguments in `views`.
    """
    order = [node for unit in units for node in unit.nodes]
    kept = {node for i, node in enumerate(outputs) if i not in into}
    plan = MemoryPlan(placed(arguments, order, {*can_write, *copied}, kept, set(copied)))
    last, held = last_reads(order, plan.places, outputs), _held(units, plan.places)
    if "update_in_place" in techniques:
        _replacing(units, plan, last, held, {outputs[i]: leaf for i, leaf in into.items()}, views)
    if "parts_in_place" in techniques:
        plan.parts = _parts(order, plan.places, last)
    plan.shapes = _blocks(units, plan.places, last)
    plan.blocks = set(plan.shapes)
    slots = _slots(units, order, plan, last, held if "in_place" in techniques else None)
    distinct = list(dict.fromkeys(slots.values()))
    if "reuse_memory" not in techniques:
        for slot in distinct:
            slot.start, slot.end = 0, len(order)
    plan.size, plan.least = arrange(distinct), most_alive(distinct)
    plan.offsets = {node: slot.offset for node, slot in slots.items()}
    plan.offsets |= {node: plan.offsets[whole] + start for node, (whole, start) in plan.parts.items()}
    return plan


def _spans(units: Iterable[Unit]) -> list[tuple[int, int]]:
    """For each operation the first and the last one of its unit."""
    spans: list[tuple[int, int]] = []
    for unit in units:
        spans += [(len(spans), len(spans) + len(unit.nodes) - 1)] * len(unit.nodes)
    return spans


def _held(units: Iterable[Unit], places: Places) -> Held:
    """For each operation that runs block by block: the arrays that its loop reads otherwise than row by row.

    The next block reads them again, whole or in other rows, as a transpose does: nothing in the loop is written there.
    """
    held: dict[Node, set[Node]] = {}
    for unit in units:
        if unit.rows:
            reads = [(p, node) for node in unit.nodes for p in node.parents]
            roots = {places[p].root for p, node in reads if places[p].root is not p or not cut_along(p, node)}
            held |= dict.fromkeys(unit.nodes, roots)
    return held


def _slots(
    units: Sequence[Unit], order: Sequence[Node], plan: MemoryPlan, last: Mapping[Node, int], held: Held | None
) -> dict[Node, Slot]:
    """From when to when each planned array is alive. What is written over an operand continues its slot.

    Without `held` nothing is written over an operand.
    """
    # In a unit that runs block by block a whole array is alive throughout, for the blocks to come or gone by.
    spans = _spans(units)
    slots: dict[Node, Slot] = {}
    for i, node in enumerate(order):
        if plan.places[node].kind != "memory":
            continue
        shape = plan.shapes.setdefault(node, node.shape)
        plan.separate += (size := _bytes(shape, node))
        if node in plan.blocks:
            start, end = i, last[node]
        else:
            start, end = spans[i][0], max(last[node], spans[min(last[node], len(order) - 1)][1])
        plan.lives[node] = start, end
        if node in plan.parts:
            whole = plan.parts[node][0]
            slots.setdefault(whole, Slot(start, last[whole], _bytes(whole.shape, whole)))
        elif node in slots:  # its parts came before it
            slots[node].end = end
        elif held is not None and (operand := _overwritten(node, i, plan, last, held)) is not None:
            plan.replaced[node] = operand
            slots[node] = slots[operand]
            slots[node].end = end
        else:
            slots[node] = Slot(start, end, size)
    return slots


def _replacing(
    units: Sequence[Unit], plan: MemoryPlan, last: Mapping[Node, int], held: Held, into: Mapping[Node, Node],
    views: Views,
) -> None:  # fmt: skip
    """Plan which outputs are written right into the argument they replace: nobody reads the old values afterwards.

    They get the place of that argument. The others are copied there at the end.
    """
    order, spans = [node for unit in units for node in unit.nodes], _spans(units)
    number = {node: i for i, node in enumerate(order)}
    for output, leaf in into.items():
        i = number.get(output, -1)
        if plan.places[output].kind != "memory" or output.dtype != leaf.dtype:
            continue
        same_moment = last.get(leaf, -1) == i and leaf in _replaceable(output, plan.places, held)
        earlier = last.get(leaf, -1) < i and leaf not in held.get(output, ())
        if (earlier or same_moment) and all(last.get(reader, -1) < spans[i][0] for reader in views.get(leaf, ())):
            plan.written[output] = leaf
            plan.places[output] = Placement("argument", output, False, False)
            if same_moment:
                plan.replaced[output] = leaf


def _parts(order: Sequence[Node], places: Places, last: Mapping[Node, int]) -> dict[Node, tuple[Node, int]]:
    """Arrays that are only joined to a longer vector: they can be made there, each at its first byte."""
    parts: dict[Node, tuple[Node, int]] = {}
    wholes: set[Node] = set()  # a vector of parts is not made in another one
    for i, node in enumerate(order):
        if node.op is not ops.concatenate or node.ndim != 1 or places[node].kind != "memory":
            continue
        start = 0
        for operand in node.parents:
            place = places[operand]
            root = place.root
            alone = last[root] == i and root not in parts and places[root].kind == "memory" and root not in wholes
            if alone and place.in_rows and root.size == operand.size and root.dtype == node.dtype:
                parts[root] = node, start
                wholes.add(node)
            start += _bytes(operand.shape, node)
    return parts


def _blocks(units: Iterable[Unit], places: Places, last: Mapping[Node, int]) -> dict[Node, Shape]:
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


def _overwritten(node: Node, i: int, plan: MemoryPlan, last: Mapping[Node, int], held: Held) -> Node | None:
    """The planned operand whose array the result may take over: it is read here for the last time."""
    for operand in _replaceable(node, plan.places, held):
        planned_alike = (operand in plan.blocks) == (node in plan.blocks)  # no block is written over a whole array
        if last[operand] == i and plan.places[operand].kind == "memory" and planned_alike:
            return operand
    return None


def _replaceable(node: Node, places: Places, held: Held) -> list[Node]:
    """The operands over which the result can be written element by element.

    Their elements are as many and of the same dtype, and the operation reads that memory in no other way.
    """
    return [
        operand for operand in replaceable(node)
        if (operand.shape, operand.dtype) == (node.shape, node.dtype)
        and operand not in held.get(node, ())
        and places[operand].root is operand
        and all(p is operand or places[p].root is not operand for p in node.parents)
    ]  # fmt: skip


def _bytes(shape: Shape, node: Node) -> int:
    return prod(shape) * int(node.dtype.itemsize)
