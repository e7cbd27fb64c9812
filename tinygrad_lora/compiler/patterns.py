"""Questions about nodes that several passes ask, and the rewrite that most of them are."""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from functools import lru_cache
from itertools import chain
from math import isfinite, log10
from typing import Any

import numpy as np

from ..core import ComputationNode as Node, Graph, Op, Shape, ops, rebuilt

REPEATED = (ops.broadcast, ops.reshape)
SHORTEST_BLOCK = 16
LARGEST_TRANSPOSE = 4_000_000  # bytes; beyond that a product reads the transposed view just as fast
SUMS = (ops.add, ops.subtract)


def is_constant(node: Node) -> bool:
    """Whether this is a leaf with a value. In a closed graph parameters have none, so it never changes."""
    return not node.parents and node.known


def uniform(node: Node) -> float | None:
    """The number that fills every element of a constant (of one element, repeated or not), or None."""
    while node.op in REPEATED:
        node = node.parents[0]
    if node.parents or not node.known or node.size != 1 or node.dtype.kind != "f":
        return None
    return float(node.value.reshape(()))


# Decades. If no number of the graph as it was traced is larger than 10^100 in float64 (10^12 in float32) or closer to
# zero than its inverse, a product of three that it does not form stays within the range of the dtype. One of four may
# not.
ORDINARY, FARTHEST = {4: 12.0, 8: 100.0, 16: 100.0}, {4: 37.9, 8: 307.6, 16: 307.6}


def reach(node: Node, known: Mapping[Node, float]) -> float:
    """How many decades from 1 the numbers of a new node may be; `known` says it of other new ones.

    Every other array has ordinary numbers, and zeros do not count.
    """
    ordinary = ORDINARY[node.dtype.itemsize]
    match node:
        case Node(ops.scale, [x]):
            return known.get(x, ordinary) + decades(node.params["factor"])
        case Node(ops.multiply | ops.divide, [a, b]):
            return known.get(a, ordinary) + known.get(b, ordinary)
    if is_constant(node) and node.size == 1:
        return decades(float(node.value.reshape(())))
    return max([known.get(p, ordinary) for p in node.parents], default=ordinary)


def decades(factor: float) -> float:
    """How far a number is from 1, in powers of ten; none for zero."""
    return abs(log10(abs(factor))) if factor and isfinite(factor) else 0.0


def is_ordinary(scale: Node) -> bool:
    """Whether the factor of a scale may move to another array: then no number gets too large or too small by it."""
    return isfinite(scale.params["factor"]) and decades(scale.params["factor"]) <= ORDINARY[scale.dtype.itemsize]


def block(n: int, longest: int) -> int | None:
    """The length of equal parts of n numbers: as long as `longest` allows, and None where they would be tiny."""
    length = next(k for k in range(min(n, longest), 0, -1) if n % k == 0) if n else n
    return length if length == n or length >= SHORTEST_BLOCK else None


def uses(graph: Graph, node: Node) -> int:
    """How often a result is used: by operations, and as an output."""
    return _uses(graph)[node]


@lru_cache(maxsize=8)
def _uses(graph: Graph) -> Counter[Node]:
    return Counter(chain(graph.outputs, *(node.parents for node in graph.nodes)))


def rewrite_unshared(
    graph: Graph, rule: Callable[[Node, set[Node]], Node], may_change: Callable[[Node], bool], op: Op | None = None,
    at: Container[Op] | None = None,
) -> Graph:  # fmt: skip
    """The graph in which `rule(node, once)` takes the place of each operation, parents first.

    `once` holds those results so far that one operation uses and that `may_change` is true of: nobody else needs them
    as they are. Without the operation `op` the graph has nothing to rewrite. With `at`, rule and `may_change` are asked
    at these operations alone.
    """
    once: set[Node] = set()
    if op is not None and all(node.op is not op for node in graph.nodes):
        return graph

    def build(old: Node, parents: tuple[Node, ...]) -> Node:
        node = rule(rebuilt(old, parents), once)
        if may_change(node) and uses(graph, old) == 1:
            once.add(node)
        return node

    return graph.map(build, at=at)


def shaped(x: Node, shape: Shape) -> Node:
    """The array in this shape: itself, where it has it."""
    return x if x.shape == shape else ops.reshape(x, shape=shape)


def scaled(x: Node, factor: float) -> Node:
    """The array times a number: itself, where that is 1."""
    return x if factor == 1 else ops.scale(x, factor=factor)


def padded(x: Node, ndim: int) -> Shape:
    """The shape of an array beside one of `ndim` axes: NumPy lets axes of length 1 stand before it."""
    return (1,) * (ndim - x.ndim) + x.shape


def counts(node: Node) -> bool:
    """Whether this is the constant 0, 1, 2, ..."""
    return is_constant(node) and node.ndim == 1 and np.array_equal(node.value, np.arange(node.size))


def one_factor(a: float, b: float, dtype: Any) -> float | None:
    """$a b$ if scaling by it is as good as scaling by both: floats, and a product with all its digits."""
    if not is_precise(dtype):
        return None
    product = a * b
    if 1e-30 < abs(product) < 1e30:
        return product  # far from the limits of float32
    limits = np.finfo(dtype)
    exact_zero = product == 0 and (a == 0 or b == 0)
    return product if float(limits.tiny) <= abs(product) <= float(limits.max) or exact_zero else None


def is_precise(dtype: Any) -> bool:
    """Whether the laws of real numbers hold but for rounding in the last digits.

    Whole numbers wrap around and booleans saturate. The three digits of float16 are too few to add up in another order.
    """
    return bool(dtype.kind == "f" and dtype.itemsize > 2)


def is_real(node: Node) -> bool:
    """Whether the laws of real numbers hold for this operation: all operands and the result are floats of one dtype."""
    dtype = node.dtype
    return is_precise(dtype) and all(p.dtype == dtype for p in node.parents)


# --- What depends on frozen weights alone: computed once, kept, and computed again when one gets a new value ---


def settled(graph: Graph, frozen: Iterable[Node]) -> set[Node]:
    """The frozen inputs, and every result that depends on them alone: known before the call, and no constants."""
    known = set(frozen)
    for node in graph.nodes:
        if any(p in known for p in node.parents) and all(p in known or is_constant(p) for p in node.parents):
            known.add(node)
    return known


def packed(graph: Graph, frozen: Iterable[Node]) -> list[Node]:
    """The nodes to keep from call to call: settled results that something else reads.

    A transpose that a product reads from the right is one of them: written out row by row it is read faster. So is what
    `repeat_rows` repeats.
    """
    known, outputs = settled(graph, frozen), set(graph.outputs)
    kept = []
    for node in graph.nodes:
        if node in known and node.parents:
            readers = [user for user in graph.users[node] if user not in known]
            if (readers or node in outputs) and (not node.op.view or _worth_copying(node, readers)):
                kept.append(node)
    return kept


def _worth_copying(view: Node, readers: list[Node]) -> bool:
    if view.op is ops.broadcast:
        return all(reader.op.elementwise for reader in readers)
    turned = view.op is ops.transpose and view.ndim == 2 and view.size * view.dtype.itemsize <= LARGEST_TRANSPOSE
    return turned and any(reader.op is ops.matmul and reader.parents[1] is view for reader in readers)
