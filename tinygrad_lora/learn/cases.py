"""Random examples for checks, smallest first: the first one that fails is the one to show.

`for loss in graphs(seed, budget): require(...)`. The same seed gives the same examples.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from ..core import ops
from ..core.node import ComputationNode, parameter, placeholder

LARGEST = 12  # operations of a random graph
DEEPEST = 5_000  # nodes, so deep may a graph of an exercise be
Rng = np.random.Generator
T = TypeVar("T")
NAMES = "xyzwuv"


def generators(seed: int, budget: int) -> Iterator[tuple[int, Rng]]:
    """`budget` pairs: a size that grows from 1, and a generator of random numbers of its own."""
    for i in range(budget):
        yield 1 + i * LARGEST // max(budget, LARGEST), np.random.default_rng([seed, i])


def numbers(rng: Rng, shape: tuple[int, ...] = (), *, positive: bool = False) -> Any:
    """Random numbers that are easy to read: quarters, none of them 0 or 1, no two alike where there is room."""
    choice = rng.permutation(np.delete(np.arange(2, 4 + max(22, int(np.prod(shape)))), 2)) / 4  # 0.5, 0.75, 1.25, ...
    values = choice[: int(np.prod(shape))].reshape(shape)
    return values if positive else values * rng.choice([-1.0, 1.0], size=shape)


def graphs(seed: int, budget: int, *, shape: tuple[int, ...] = ()) -> Iterator[ComputationNode]:
    """Random graphs of `add`, `multiply`, `subtract`, `scale` and `tanh`; each is given by its last node.

    The first are the classics: one parameter alone, one operation, a product of a node with itself, a diamond, a
    diamond on a diamond, two parameters of one name. In the rest nodes are often used again. Every leaf is a parameter
    with a name; every node but the last is needed. `shape` is that of every node.
    """
    for i, (size, rng) in enumerate(generators(seed, budget)):
        yield classics[i](rng, shape) if i < len(classics) else random_graph(rng, size + 2, shape)


def puzzle() -> ComputationNode:
    """A small graph without numbers, to be drawn and rebuilt from its picture."""
    x, y = placeholder((), name="x"), placeholder((), name="y")
    total = ops.add(x, y)
    bent = ops.tanh(total)
    return ops.subtract(ops.multiply(total, bent), bent)


def random_graph(
    rng: Rng, size: int, shape: tuple[int, ...] = (), *, arithmetic_only: bool = False
) -> ComputationNode:  # fmt: skip
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


def _leaf(rng: Rng, i: int, shape: tuple[int, ...]) -> ComputationNode:
    return parameter(numbers(rng, shape), NAMES[i])


def _alone(rng: Rng, shape: tuple[int, ...]) -> ComputationNode:
    return _leaf(rng, 0, shape)


def _one_operation(rng: Rng, shape: tuple[int, ...]) -> ComputationNode:
    return ops.multiply(_leaf(rng, 0, shape), _leaf(rng, 1, shape))


def _square(rng: Rng, shape: tuple[int, ...]) -> ComputationNode:
    x = _leaf(rng, 0, shape)
    return ops.multiply(x, x)


def _diamond(rng: Rng, shape: tuple[int, ...]) -> ComputationNode:
    x = _leaf(rng, 0, shape)
    shared = ops.tanh(x)
    return ops.add(ops.scale(shared, factor=3.0), ops.multiply(shared, x))


def _two_diamonds(rng: Rng, shape: tuple[int, ...]) -> ComputationNode:
    x, y = _leaf(rng, 0, shape), _leaf(rng, 1, shape)
    a = ops.multiply(x, y)
    b = ops.add(ops.scale(a, factor=2.0), a)
    return ops.add(ops.multiply(b, a), b)


def _namesakes(rng: Rng, shape: tuple[int, ...]) -> ComputationNode:
    """Two parameters with one name and one value: only the nodes themselves tell them apart."""
    x = _leaf(rng, 0, shape)
    other = parameter(x.value, x.name)
    return ops.subtract(ops.multiply(ops.add(x, ops.scale(other, factor=2.0)), x), other)


classics: list[Callable[[Rng, tuple[int, ...]], ComputationNode]] = [
    _alone, _one_operation, _square, _diamond, _two_diamonds, _namesakes,
]  # fmt: skip
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
