"""Random examples for checks, smallest first: the first one that fails is the one to show.

`for loss in graphs(seed, budget): require(...)`. The same seed gives the same examples.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from ..core import ops
from ..core.node import ComputationNode, Shape, parameter, placeholder

CLASSICS = 6  # graphs that come before the random ones
LARGEST = 12  # operations of a random graph
DEEPEST = 5_000  # nodes, so deep may a graph of an exercise be
Rng = np.random.Generator
T = TypeVar("T")
NAMES = "xyzwuv"


def generators(seed: int, budget: int) -> Iterator[tuple[int, Rng]]:
    """`budget` pairs: a size that grows from 1, and a generator of random numbers of its own."""
    for i in range(budget):
        yield 1 + i * LARGEST // max(budget, LARGEST), np.random.default_rng([seed, i])


def numbers(rng: Rng, shape: Shape = (), *, positive: bool = False) -> Any:
    """Random numbers that are easy to read: quarters, none of them 0 or 1, no two alike where there is room."""
    choice = rng.permutation(np.delete(np.arange(2, 4 + max(22, int(np.prod(shape)))), 2)) / 4  # 0.5, 0.75, 1.25, ...
    values = choice[: int(np.prod(shape))].reshape(shape)
    return values if positive else values * rng.choice([-1.0, 1.0], size=shape)


def graphs(seed: int, budget: int, *, shape: Shape = ()) -> Iterator[ComputationNode]:
    """Random graphs of `add`, `multiply`, `subtract`, `scale` and `tanh`; each is given by its last node.

    The first are the classics: one parameter alone, one operation, a product of a node with itself, a diamond, a
    diamond on a diamond, two parameters of one name. In the rest nodes are often used again. Every leaf is a parameter
    with a name; every node but the last is needed. `shape` is that of every node.
    """
    for i, (size, rng) in enumerate(generators(seed, budget)):
        yield classics(rng, shape)[i] if i < CLASSICS else random_graph(rng, size + 2, shape)


def puzzle() -> ComputationNode:
    """A small graph without numbers, to be drawn and rebuilt from its picture."""
    x, y = placeholder((), name="x"), placeholder((), name="y")
    total = ops.add(x, y)
    bent = ops.tanh(total)
    return ops.subtract(ops.multiply(total, bent), bent)


def random_graph(rng: Rng, size: int, shape: Shape = (), *, arithmetic_only: bool = False) -> ComputationNode:
    """A graph of about `size` operations. Arithmetic alone gives numbers that can be worked out by hand."""
    operations = _operations[: -1 if arithmetic_only else None]
    nodes = [_leaf(rng, i, shape) for i in range(1 + int(rng.integers(1, 3)))]
    unused = set(nodes)
    for _ in range(size):
        a, b = (nodes[int(rng.integers(max(0, len(nodes) - 5), len(nodes)))] for _ in range(2))
        node = operations[int(rng.integers(len(operations)))](a, b)
        unused -= {a, b}
        unused.add(node)
        nodes.append(node)
    ends = [node for node in nodes if node in unused]
    while len(ends) > 1:
        ends = [*ends[2:], ops.add(ends[0], ends[1])]
    return ends[0]


def _leaf(rng: Rng, i: int, shape: Shape) -> ComputationNode:
    return parameter(numbers(rng, shape), NAMES[i])


def classics(rng: Rng, shape: Shape) -> tuple[ComputationNode, ...]:
    """Small graphs on which the famous mistakes show. In the last, only the nodes themselves tell two leaves apart."""
    x, y = _leaf(rng, 0, shape), _leaf(rng, 1, shape)
    bent, product = ops.tanh(x), ops.multiply(x, y)
    diamond = ops.add(ops.scale(product, factor=2.0), product)
    namesake = parameter(x.value, x.name)
    return (
        x,
        product,
        ops.multiply(x, x),
        ops.add(ops.scale(bent, factor=3.0), ops.multiply(bent, x)),
        ops.add(ops.multiply(diamond, product), diamond),
        ops.subtract(ops.multiply(ops.add(x, ops.scale(namesake, factor=2.0)), x), namesake),
    )


_operations: list[Callable[[Any, Any], Any]] = [
    ops.add, ops.multiply, ops.subtract, lambda a, b: ops.scale(a, factor=-0.5), lambda a, b: ops.tanh(a),
]  # fmt: skip


def chain(length: int) -> ComputationNode:
    """x, scaled by 1 again and again: `length` operations in a row, deeper than Python's recursion limit if many."""
    node = parameter(1.0, "x")
    for _ in range(length):
        node = ops.scale(node, factor=1.0)
    return node


def deep() -> ComputationNode:
    """A chain that is deeper than Python's recursion limit here; one that is raised counts up to `DEEPEST`."""
    return chain(min(DEEPEST, sys.getrecursionlimit() + 20))


def ladder(length: int) -> ComputationNode:
    """`length` diamonds on top of each other: 2**length paths, so whoever walks all paths never arrives."""
    node = parameter(1.0, "x")
    for _ in range(length):
        node = ops.add(ops.scale(node, factor=0.5), ops.scale(node, factor=0.5))
    return node


def shuffled(rng: Rng, items: Sequence[T]) -> list[T]:
    """The items in random order."""
    return [items[int(i)] for i in rng.permutation(len(items))]
