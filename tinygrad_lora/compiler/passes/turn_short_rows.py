"""The largest of each short row is found slowly, that of each column fast: so the whole array is computed turned.

Why it is legal. The columns of a transpose are the rows, an elementwise operation treats each element by itself, and
$(AB)^\\top = B^\\top A^\\top$: a product comes turned for free, from views of its operands.
"""

from math import prod

import numpy as np

from ...core import ops
from ...core.graph import Graph, rebuilt
from ...core.node import ComputationNode as Node, constant
from ..patterns import is_constant

# Numbers in a row: of fewer it makes no difference, and of more neither; besides, the sum of a column adds one number
# after the other, which loses digits.
SHORTEST_TO_TURN, LONGEST = 16, 384
LARGEST = 65_536  # elements of one matrix: of larger ones, rows run in blocks that fit the cache, and columns cannot
REDUCTIONS = (ops.reduce_max, ops.reduce_sum)


def turn_short_rows(graph: Graph) -> Graph:
    r"""$\max_j x_{ij}$ of short rows is that of the columns of $X^\top$, and $(AB)^\top = B^\top A^\top$ is free.

    Measured on one core: the largest of a row of 64 numbers takes 120 ns, that of a column of as many 9 ns.
    """
    turned: set[Node] = set()
    for node in graph.nodes:
        if node.op is ops.reduce_max and node not in turned and _is_short(node):
            turned |= _around(node, graph)
    if not turned:
        return graph

    def straight(old: Node, new: Node) -> Node:
        """What takes the place of the transpose of this operand."""
        if is_constant(old) and old.ndim > 1:
            return constant(np.ascontiguousarray(old.value.mT))
        return _transpose(new) if old.ndim > 1 else new

    def build(old: Node, parents: tuple[Node, ...]) -> Node:
        if old not in turned:
            is_view = old.op is ops.transpose and parents != old.parents
            return _transpose(parents[0]) if is_view else rebuilt(old, parents)
        if old.op is ops.matmul:
            return _transpose(_transpose(parents[1]) @ _transpose(parents[0]))
        params = {"axis": (old.ndim - 2,), "keepdims": True} if old.op in REDUCTIONS else old.params
        return _transpose(old.op(*(straight(*pair) for pair in zip(old.parents, parents, strict=True)), **params))

    return graph.map(build)


def _is_short(largest: Node) -> bool:
    x = largest.parents[0]
    return _of_rows(largest) and SHORTEST_TO_TURN <= x.shape[-1] <= LONGEST and prod(x.shape[-2:]) <= LARGEST


def _of_rows(node: Node) -> bool:
    """Whether it reduces each row of a matrix to one number, in a column; of float16 no sum is added up anew."""
    if node.op not in REDUCTIONS or node.dtype not in (np.float32, np.float64):
        return False
    last = node.parents[0].ndim - 1
    return last > 0 and node.params == {"axis": (last,), "keepdims": True}


def _around(largest: Node, graph: Graph) -> set[Node]:
    """All that must be turned with this node: down to products and constants, up to products and transposes.

    Nothing where some other operation needs one of them as it is. And nothing where more is summed than looked through,
    as in the gradient of a softmax: the sum of a row is a product with ones, which takes less than that of a column.
    """
    region, todo, outputs = set[Node](), [largest], set(graph.outputs)
    while todo:
        node = todo.pop()
        if node in region:
            continue
        if node in outputs or (operands := _turned_operands(node)) is None:
            return set()
        region.add(node)
        todo += operands
        if node.parents:
            todo += [user for user in graph.users[node] if user.op not in (ops.matmul, ops.transpose)]
    sums = sum(node.op is ops.reduce_sum for node in region)
    return region if sums <= sum(node.op is ops.reduce_max for node in region) else set()


def _turned_operands(node: Node) -> list[Node] | None:
    """Which operands must be turned with this node; None where it cannot be."""
    if is_constant(node) or (node.op is ops.matmul and min(p.ndim for p in node.parents) > 1):
        return []
    is_turned = node.parents and (_of_rows(node) or node.op.elementwise) and all(p.ndim != 1 for p in node.parents)
    return [p for p in node.parents if p.ndim] if is_turned else None


def _transpose(x: Node) -> Node:
    return x.parents[0] if x.op is ops.transpose else ops.transpose(x)
