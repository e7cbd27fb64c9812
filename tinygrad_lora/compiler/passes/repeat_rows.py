"""A frozen bias in every row of an array of its own: computed once, and read faster than one repeated row.

Why it is legal. Broadcasting means: add b to every row. A matrix that holds b in every row says the same.
"""

from collections.abc import Iterable

from ...core import ComputationNode as Node, Graph, ops, rebuilt
from ..patterns import settled
from .merge_duplicates import merge_duplicates

MOST_TO_REPEAT = 16_384  # elements; beyond that reading the repeated numbers takes longer than repeating them


def repeat_rows(graph: Graph, frozen: Iterable[Node]) -> Graph:
    r"""$X + b = X + B$ with $b$ in every row of $B$: adding small arrays of one shape is faster.

    Measured on (32, 64) numbers: 0.4 microseconds instead of 1.3; 0.93 of the time of a whole step of two layers of 32:
    `python tests/benchmarks/passes.py repeat_rows`. Frozen weights alone are repeated, once.
    """
    if not (known := settled(graph, frozen)):
        return graph

    def build(old: Node, parents: tuple[Node, ...]) -> Node:
        if old.op.elementwise and old not in known and old.size <= MOST_TO_REPEAT:
            repeated = [p in known and p.shape not in ((), old.shape) for p in old.parents]
            pairs = zip(parents, repeated, strict=True)
            parents = tuple(ops.broadcast(p, shape=old.shape) if wide else p for p, wide in pairs)
        return rebuilt(old, parents)

    return merge_duplicates(graph.map(build))
