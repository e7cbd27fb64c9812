r"""What a graph costs: $t \approx \text{calls}\,c + \text{flops}/f + \text{bytes}/b + \text{slow functions}$.

The constants describe one core of a recent computer running NumPy. They only have to rank two graphs that mean the
same, so being right within a factor of two is enough. Times here are estimates, never results.
"""

from collections.abc import Callable, Collection, Iterable
from math import prod
from operator import attrgetter
from typing import Any, NamedTuple

from ..core import ComputationNode, Graph, ops
from .patterns import packed

NS_PER_CALL = 500.0  # entering and leaving a NumPy function, and making its result
FLOPS_PER_NS = 30.0  # a matrix product in float32
BYTES_PER_NS = 10.0  # reading and writing arrays that do not fit the cache
NS_PER_ELEMENT = {"exp": 1.0, "log": 1.0, "tanh": 3.0, "power": 10.0}  # functions that take longer than their memory
NS_PER_REPEATED_ROW = 28.0  # an elementwise function starts anew for each row where an operand is repeated
NS_PER_SUMMED_ROW, NS_PER_SUMMED_ELEMENT = 18.0, 0.15  # beyond what a product with ones takes
NS_PER_POWER = {-1: 1.0, 0: 0.0, 0.5: 0.0, 1: 0.0, 2: 1.0}  # exponents for which NumPy has a shortcut


class Cost(NamedTuple):
    """Floating-point operations, bytes moved, NumPy calls, and nanoseconds in slow functions. Views are free."""

    flops: int = 0
    bytes: int = 0
    calls: int = 0
    slow: float = 0.0

    @property
    def nanoseconds(self) -> float:
        """The estimate that decides whether a pass is worth it."""
        return self.calls * NS_PER_CALL + self.flops / FLOPS_PER_NS + self.bytes / BYTES_PER_NS + self.slow


FREE = Cost()
_kind = attrgetter("_shape", "_dtype")


def product_price(m: int, n: int, p: int, itemsize: int) -> float:
    """The nanoseconds of the product of two matrices, (m, n) and (n, p)."""
    return Cost(2 * m * n * p, (m * n + n * p + m * p) * itemsize, 1).nanoseconds


def sum_price(size: int, itemsize: int) -> float:
    """The nanoseconds of adding two arrays of this many elements."""
    return Cost(size, 3 * size * itemsize, 1).nanoseconds


def node_cost(node: ComputationNode) -> Cost:
    """The cost of one operation on its operands."""
    op, parents = node.op, node.parents
    if op.view:
        return FREE
    flops = op.flops(node.shape, *[p.shape for p in parents], **node.params)
    moved = prod(node.shape) * node.dtype.itemsize
    for p in parents:
        moved += prod(p.shape) * p.dtype.itemsize
    slow = sum(map(_slow, op.steps)) if hasattr(op, "steps") else _slow(node)
    return Cost(flops, moved, 1, slow)


def _slow(step: Any) -> float:
    nanoseconds = NS_PER_ELEMENT.get(step.op.name, 0.0)
    if step.op.name == "power":
        nanoseconds = NS_PER_POWER.get(step.params["exponent"], nanoseconds)
    return nanoseconds * prod(step.shape)


def price(node: ComputationNode) -> float:
    """The nanoseconds of one operation."""
    return node_cost(node).nanoseconds


def price_of_new(node: ComputationNode, is_new: Callable[[ComputationNode], bool]) -> float:
    """The nanoseconds of an operation and of all that it takes, as far as that is new."""
    new, todo = dict[ComputationNode, float](), [node]
    while todo:
        each = todo.pop()
        if each not in new and is_new(each):
            new[each] = price(each)
            todo += each.parents
    return sum(new.values())


def graph_cost(graph: Graph) -> Cost:
    """The cost of one run. What this graph shares with the one it was made of is not counted again."""
    known: dict[ComputationNode, Cost] = graph.memory.setdefault(node_cost, {})
    kinds: dict[Any, tuple[Cost, Any]] = graph.memory.setdefault(Cost, {})
    for node in graph.nodes:
        if node not in known:  # most of the new ones are an old one on new operands of the same kinds
            kind = node.op, id(node.params), *map(_kind, (node, *node.parents))
            cost, _ = kinds.get(kind) or kinds.setdefault(kind, (node_cost(node), node.params))
            known[node] = cost
    return Cost(*map(sum, zip(*[known[node] for node in graph.nodes], strict=True)))


def planned_cost(graph: Graph, frozen: Iterable[ComputationNode] = ()) -> Cost:
    """The cost of one run in planned memory, where calls are so short that more of what NumPy does shows.

    Arrays that depend on `frozen` inputs alone are there already, so a repeated row among them can be written out.
    """
    cost, kept = graph_cost(graph), set(packed(graph, frozen))
    return cost._replace(slow=cost.slow + sum([_reducing(node) + _repeating(node, kept) for node in graph.nodes]))


def _reducing(node: ComputationNode) -> float:
    """Nanoseconds by which NumPy adds up rows or columns more slowly than BLAS multiplies them by ones."""
    if node.op is not ops.reduce_sum or node.parents[0].ndim < 2:
        return 0.0
    shape = node.parents[0].shape
    return NS_PER_SUMMED_ROW * prod(shape[:-1]) + NS_PER_SUMMED_ELEMENT * prod(shape)


def _repeating(node: ComputationNode, kept: Collection[ComputationNode]) -> float:
    """Nanoseconds for operands that an elementwise operation repeats: it reads them again for each row."""
    if not node.op.elementwise or not node.shape:
        return 0.0
    nanoseconds = 0.0
    for p in node.parents:
        if p.shape and (p.shape != node.shape or (p.op is ops.broadcast and p not in kept)):
            again = (node.size - p.size) * p.dtype.itemsize
            nanoseconds += NS_PER_REPEATED_ROW * prod(node.shape[:-1]) + again / BYTES_PER_NS
    return nanoseconds
