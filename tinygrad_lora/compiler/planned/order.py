"""The order in which operations run, and which of them run together, block by block.

An elementwise operation on a large array waits for memory: it reads and writes more than the cache holds. A chain of
them runs faster on a few rows at a time, while these are in the cache. So neighbors in the graph become one unit.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ...core import ComputationNode as Node, Graph, ops
from ..operations import row_products, ufunc_call
from ..patterns import is_constant

LARGE = 16_384  # elements from which arrays compete for the cache
BLOCK_BYTES = 262_144  # of one array in one block: a few of them fit a cache of a megabyte


class Unit(NamedTuple):
    """Operations that run one after another; `rows` at a time where they run block by block, else 0."""

    nodes: tuple[Node, ...]
    rows: int = 0

    @property
    def length(self) -> int:
        """Of the first axis, along which the blocks are cut."""
        return self.nodes[0].shape[0]


def needed(graph: Graph, results: Iterable[Node], known: Iterable[Node] = ()) -> list[Node]:
    """The operations that these results need, in order, down to what is known."""
    wanted, known = set(results), set(known)
    for node in reversed(graph.nodes):
        if node in wanted and node not in known:
            wanted.update(node.parents)
    return [node for node in graph.nodes if node.parents and node in wanted and node not in known]


def soon_forgotten(order: Sequence[Node], outputs: Iterable[Node]) -> list[Node]:
    """The same operations in an order in which arrays are forgotten soon: what is ready early is computed early.

    Each result after its operands, and of these the one with the shortest way from the inputs first. So the gradient of
    the last layer's weights is computed as soon as the backward pass comes there, not when it has come to the first.
    """
    depth: dict[Node, int] = {}
    for node in order:
        depth[node] = 1 + max([depth.get(p, 0) for p in node.parents])
    seen, result = set[Node](), list[Node]()
    stack: list[Any] = sorted((y for y in outputs if y in depth), key=lambda y: -depth[y])
    while stack:
        node = stack.pop()
        if node is None:  # as in `topological_order`
            result.append(stack.pop())
        elif node not in seen:
            seen.add(node)
            stack += (node, None, *sorted((p for p in node.parents if p in depth), key=lambda p: -depth[p]))
    return result


def replacing_last(order: Sequence[Node], replacing: set[Node]) -> list[Node]:
    """The same operations, and what replaces arguments, with all that follows from it, at the end.

    So whatever goes wrong in a training step, such as a label out of range, goes wrong before a parameter is changed.
    """
    late = set(replacing)
    for node in order:
        if not late.isdisjoint(node.parents):
            late.add(node)
    return [n for n in order if n not in late] + [n for n in order if n in late]


def need_blocks(order: Iterable[Node]) -> bool:
    """Whether some array is larger than a block."""
    return any(node.size * node.dtype.itemsize > BLOCK_BYTES for node in order)


def scheduled(order: Sequence[Node], graph: Graph, *, cache_blocks: bool) -> list[Unit]:
    """The operations as units. An operation that reads what a unit computes joins it as soon as its operands are there.

    So a derivative that only needs values of the forward pass is computed beside them, and they can be forgotten.
    """
    if not cache_blocks or not any(_large(node) for node in order):
        return [Unit((node,)) for node in order]
    order = chained(order, graph)
    position = {node: i for i, node in enumerate(order)}
    done: set[Node] = set()
    units: list[Unit] = []
    for i, node in enumerate(order):
        if node not in done:
            members = _together(i, order, position, done, graph) if _large(node) and _by_rows(node) else [node]
            done.update(members)
            units += _units(members)
    return units


def chained(order: Sequence[Node], graph: Graph) -> list[Node]:
    """The same operations, with nothing between those that could run block by block.

    Numbers that depend on no array come first, and large arrays that depend on arguments alone wait for their reader.
    """
    made, place = set(order), {node: float(i) for i, node in enumerate(order)}
    for node in order:
        if not node.shape and all(place[p] < 0 for p in node.parents if p in made):
            place[node] = -1
        elif node.op.elementwise and _large(node) and made.isdisjoint(node.parents):
            place[node] = min([place[user] for user in graph.users[node] if user in made], default=len(order)) - 0.5
    return sorted(order, key=place.__getitem__)


def _units(members: list[Node]) -> list[Unit]:
    """One unit that runs block by block, or several where all of it fits the cache."""
    widest = max(node.size // max(node.shape[0], 1) * node.dtype.itemsize if node.shape else 0 for node in members)
    rows = max(1, BLOCK_BYTES // max(widest, 1))
    if len(members) == 1 or rows >= members[0].shape[0]:
        return [Unit((node,)) for node in members]
    return [Unit(tuple(members), _even(members[0].shape[0], rows))]


def _even(length: int, most: int) -> int:
    """At most `most` rows in a block: so many that all blocks are equal, if that is half of it at least."""
    divisor = next((n for n in range(most, most // 2, -1) if length % n == 0), 0)
    return divisor or -(-length // -(-length // most))


def _together(at: int, order: Sequence[Node], position: dict[Node, int], done: set[Node], graph: Graph) -> list[Node]:
    """The operation at this place and those that can run block by block with it, in an order that respects operands."""
    length = order[at].shape[0]
    members: list[Node] = []
    inside: set[Node] = set()

    def fits(node: Node) -> bool:
        """Whether the operands are there, and cut along the same rows or not at all."""
        ready = all(cut_along(p, node) if p in inside else p in done or p not in position for p in node.parents)
        return ready and node not in inside and node not in done and _by_rows(node) and node.shape[0] == length

    while at < len(order):
        node = order[at]
        if node in inside or node in done:
            at += 1
            continue
        if not fits(node):
            break
        waiting = [node]
        while waiting:
            node = waiting.pop()
            if fits(node):
                members.append(node)
                inside.add(node)
                users = (user for user in graph.users[node] if user in position)
                waiting += sorted(users, key=position.__getitem__, reverse=True)
    return members


def _large(node: Node) -> bool:
    return max(node.size, *(p.size for p in node.parents)) >= LARGE


def _by_rows(node: Node) -> bool:
    """Whether some rows of the result need the same rows of the operands and nothing else."""
    if not node.shape:
        return False
    if node.op in (ops.reduce_sum, ops.reduce_max):
        return node.params["keepdims"] and 0 not in node.params["axis"]
    if node.op is ops.matmul:  # a sum over each row, as a product with ones
        return node.ndim == 2 and node.shape[1] == 1 and is_constant(node.parents[1])
    if node.op is ops.reshape:  # a column of sums
        return node.parents[0].op is row_products and node.shape[0] == node.parents[0].shape[0]
    by_rows = ufunc_call(node.op)[0] or node.op in (ops.cast, row_products)
    return bool(by_rows) and any(cut_along(p, node) for p in node.parents)


def cut_along(operand: Node, node: Node) -> bool:
    """Whether rows of the result need just those rows of this operand; if not, it is needed whole."""
    if operand.ndim != node.ndim and node.op not in (ops.reshape, row_products):
        return False
    if node.op is ops.matmul and operand is not node and operand is not node.parents[0]:
        return False
    return operand.shape[:1] == node.shape[:1] > (1,)
