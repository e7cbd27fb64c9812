"""Where each array of a program is: with the caller, in planned memory, or in an array that NumPy allocates."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ...core import ComputationNode as Node, ops
from ...recomputation import later, operands_read


class Placement(NamedTuple):
    """Where a node's array is.

    kind: "argument" (the caller's), "constant", "number" (a NumPy scalar), "memory" (planned), "own" (allocated by
    NumPy in each call, as outputs are), or "view" of the array of `root`. `fixed`: it is there before the call, at the
    same address in every call. `in_rows`: its elements lie one after another, row by row.
    """

    kind: str
    root: Node
    fixed: bool
    in_rows: bool


Places = Mapping[Node, Placement]


def placed(
    arguments: Mapping[Node, bool], order: Iterable[Node], can_write: set[Node], kept: set[Node], copied: set[Node]
) -> dict[Node, Placement]:
    """The place of every node. `arguments` are those of the program, and whether they surely lie in rows.

    `can_write` are the nodes whose operation can write its result into a given array, `kept` the outputs, which are the
    caller's for good, and `copied` the views that are to be written out row by row.
    """
    kinds = {node: "argument" if node.shape else "number" for node in arguments}
    places = {node: Placement(kinds[node], node, False, rows) for node, rows in arguments.items()}
    for node in order:
        for leaf in node.parents:
            if leaf not in places:  # a constant: everything else came before
                places[leaf] = Placement("constant" if leaf.shape else "number", leaf, True, True)
        places[node] = _place(node, places, can_write, kept, copied)
    return places


def _place(node: Node, places: Places, can_write: set[Node], kept: set[Node], copied: set[Node]) -> Placement:
    if not node.shape:
        return Placement("number", node, False, True)
    if node.op.view and node not in copied:
        operand = places[node.parents[0]]
        if node.op is ops.reshape and operand.kind == "argument":  # a view, or a new array where that cannot be
            return Placement("view", operand.root, False, True)
        if node.op is ops.reshape and not operand.in_rows and operand.kind != "number":
            return Placement("own" if node in kept else "memory", node, node not in kept, True)  # a copy
        if operand.kind == "number" and not operand.fixed:
            return Placement("own", node, False, False)
        in_rows = operand.in_rows and node.op in (ops.reshape, ops.identity, ops.stop_gradient, later)
        return Placement("view", operand.root, operand.fixed, in_rows)
    if node in can_write and node not in kept:
        return Placement("memory", node, True, True)
    return Placement("own", node, False, node.ndim < 2 or _comes_in_rows(node, places))


def _comes_in_rows(node: Node, places: Places) -> bool:
    """Whether NumPy allocates this result row by row: an elementwise one lies as its operands do."""
    arrays = [p for p in node.parents if p.shape]
    return node.op.elementwise and all(places[p].in_rows for p in arrays) and any(p.shape == node.shape for p in arrays)


def last_reads(order: Sequence[Node], places: Places, outputs: Iterable[Node]) -> dict[Node, int]:
    """For each array that is some place's root, the number of the last operation that reads it."""
    last: dict[Node, int] = {}
    for i, node in enumerate(order):
        last.setdefault(node, i)
        for parent in operands_read(node):
            last[places[parent].root] = i
        if places[node].root is not node:
            last[places[node].root] = i
    for node in outputs:
        if node in places:
            last[places[node].root] = len(order)
    return last
