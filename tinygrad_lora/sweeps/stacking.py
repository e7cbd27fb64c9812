"""From a graph of one run to a graph of n runs side by side: what differs between runs has one axis more, the first.

What all runs share has no such axis, and is computed once. The new axis is never summed over, so no number of one run
depends on another run, not even where that one is not finite any more.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..core import ops
from ..core.graph import rebuilt, topological_order
from ..core.node import ComputationNode as Node, Op, constant
from ..errors import SweepError


class Operand(NamedTuple):
    """A node of one run, the node that takes its place, and whether that has the axis of runs."""

    one: Node
    new: Node
    stacked: bool


Rule = Callable[[Node, list[Operand], int], Any]


def stacked(outputs: Iterable[Node], leaves: Mapping[Node, Node], n: int) -> list[Node]:
    """What these nodes of one run are for n runs. `leaves` says which leaf becomes which, for some of them.

    A leaf becomes one of the same shape, which all runs share, or one with n in front of its shape. Raises SweepError
    for an operation that has no form for several runs.
    """
    outputs = list(outputs)
    operands = {leaf: Operand(leaf, new, new.ndim > leaf.ndim) for leaf, new in leaves.items()}
    for node in topological_order(outputs):
        if node not in operands:
            own = [operands[p] for p in node.parents]
            several = any(operand.stacked for operand in own)
            new = _rule(node)(node, own, n) if several else rebuilt(node, tuple(operand.new for operand in own))
            operands[node] = Operand(node, new, several)
    return [operands[node].new for node in outputs]


def _rule(node: Node) -> Rule:
    if rule := RULES.get(node.op) or (_elementwise if node.op.elementwise else None):
        return rule
    raise SweepError(f"{node.op} has no form for several runs at once: train these adapters one after another")


def _aligned(operands: list[Operand], ndim: int) -> list[Node]:
    """The operands with axes of length 1 behind that of the runs, so that they broadcast as those of one run do."""
    return [
        _shaped(new, (new.shape[0], *[1] * (ndim - one.ndim), *one.shape)) if several else new
        for one, new, several in operands
    ]


def _below(node: Node, operands: list[Operand], n: int) -> list[Node] | None:
    """The operands with the rows of all runs below each other; None where that is not all that happens to rows.

    Then n runs are one run with n times as many rows, and the program for them is as simple. Of a constant there shall
    not be n.
    """

    def own(x: Operand) -> bool:
        of_run = x.stacked or not x.one.known
        return of_run and x.one.ndim == node.ndim and x.one.shape[:1] == node.shape[:1]

    def shared(x: Operand) -> bool:
        return not x.stacked and (x.one.ndim < node.ndim or x.one.shape[0] == 1)

    if not node.shape or not all(own(x) or shared(x) for x in operands):
        return None
    return [_rows(x, n) if own(x) else x.new for x in operands]


def _rows(x: Operand, n: int) -> Any:
    """The rows of all runs below each other; those that all runs share n times."""
    rows, *rest = x.one.shape
    return _shaped(x.new, (n * rows, *rest)) if x.stacked else ops.concatenate(*[x.new] * n, axis=0)


def _shaped(x: Node, shape: tuple[int, ...]) -> Any:
    """The array in this shape. A reshape that it is the result of is left out."""
    x = x.parents[0] if x.op is ops.reshape else x
    return x if x.shape == shape else ops.reshape(x, shape=shape)


def _repeated(operand: Operand, n: int) -> Any:
    return operand.new if operand.stacked else ops.broadcast(operand.new, shape=(n, *operand.one.shape))


def _elementwise(node: Node, operands: list[Operand], n: int) -> Any:
    if below := _below(node, operands, n):
        return _shaped(node.op(*below, **node.params), (n, *node.shape))
    return node.op(*_aligned(operands, node.ndim), **node.params)


def _transpose(node: Node, operands: list[Operand], n: int) -> Any:
    x = operands[0]
    return x.new.mT if node.ndim == 2 else _shaped(_rows(x, n).mT, (n, *node.shape))


def _matmul(node: Node, operands: list[Operand], n: int) -> Any:
    a, b = operands
    if b.one.ndim == 2 and not b.stacked:  # a weight that all runs share: one product of all rows
        product = _rows(a, n) @ b.new
    elif b.one.ndim == 2 < a.one.ndim:  # one of each run: a product of all its rows
        product = _shaped(a.new, (*[n] * a.stacked, -1, a.one.shape[-1])) @ b.new
    elif a.one.ndim == b.one.ndim > 2 and (below := _below(node, operands, n)):  # batches
        product = below[0] @ below[1]
    else:
        left, right = _aligned(operands, node.ndim)
        return left @ right
    return _shaped(product, (n, *node.shape))


def _reduce(node: Node, operands: list[Operand], n: int) -> Any:
    x, axes = operands[0], node.params["axis"]
    if 0 in axes:
        return node.op(x.new, **{**node.params, "axis": tuple(i + 1 for i in axes)})
    return _shaped(node.op(_rows(x, n), **node.params), (n, *node.shape))


def _place(node: Node, operands: list[Operand], n: int) -> Any:
    key, shape = (slice(None), *node.params["key"]), (n, *node.params["shape"])
    return ops.place(operands[0].new, key=key, shape=shape)


def _concatenate(node: Node, operands: list[Operand], n: int) -> Any:
    return ops.concatenate(*[_repeated(operand, n) for operand in operands], axis=node.params["axis"] + 1)


def _take(node: Node, operands: list[Operand], n: int) -> Any:
    x, *indices = operands
    runs, aligned = _numbered(indices, n)
    first, shape = indices[0].one, (n, *node.shape)
    if not x.stacked:
        alone = len(indices) == 1 and first.ndim
        return _shaped(ops.take(x.new, _rows(indices[0], n)), shape) if alone else ops.take(x.new, *aligned)
    known = first.known and not indices[0].stacked and first.ndim == 1 and first.value.min(initial=0) >= 0
    if not known or any(index.one.shape != first.shape for index in indices):
        return ops.take(x.new, constant(runs), *aligned)
    # Rows that are known, as in a loss: the rows of all runs are one list, and the program a simpler one.
    rows = constant((runs * x.one.shape[0] + first.value).reshape(-1))
    return _shaped(ops.take(_rows(x, n), rows, *(_rows(index, n) for index in indices[1:])), shape)


def _scatter_add(node: Node, operands: list[Operand], n: int) -> Any:
    runs, aligned = _numbered(operands[1:], n)
    return ops.scatter_add(_repeated(operands[0], n), constant(runs), *aligned, shape=(n, *node.params["shape"]))


def _numbered(indices: list[Operand], n: int) -> tuple[Any, list[Node]]:
    """The numbers of the runs as an index, and these indices, all of as many axes."""
    ndim = max(index.one.ndim for index in indices)
    return np.arange(n).reshape(n, *[1] * ndim), _aligned(indices, ndim)


RULES: dict[Op, Rule] = {
    ops.transpose: _transpose, ops.identity: _elementwise, ops.stop_gradient: _elementwise, ops.matmul: _matmul,
    ops.reduce_sum: _reduce, ops.reduce_max: _reduce, ops.place: _place, ops.concatenate: _concatenate,
    ops.take: _take, ops.scatter_add: _scatter_add,
    ops.reshape: lambda node, operands, n: _shaped(operands[0].new, (n, *node.shape)),
    ops.broadcast: lambda node, operands, n: ops.broadcast(*_aligned(operands, node.ndim), shape=(n, *node.shape)),
    ops.index: lambda node, operands, n: ops.index(operands[0].new, key=(slice(None), *node.params["key"])),
}  # fmt: skip
