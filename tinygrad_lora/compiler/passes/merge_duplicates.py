"""Compute equal things once (common-subexpression elimination).

Why it is legal. An operation has no side effects. On equal operands it gives an equal result, so one of them can serve
all users.
"""

from typing import Any

from ...core import ComputationNode as Node, Graph, ops, rebuilt
from ..patterns import is_constant

COMMUTATIVE = {ops.add, ops.multiply}
LARGEST_COMPARED = 10_000  # numbers in a constant


def merge_duplicates(graph: Graph) -> Graph:
    r"""Equal operations on equal operands are one node; $B^\top A^\top$ is $(AB)^\top$ where $AB$ is there already."""
    first: dict[Any, Node] = {}
    leaves = {n: first.setdefault(_constant_key(n), n) for n in graph.nodes if is_constant(n)}

    def build(old: Node, parents: tuple[Node, ...]) -> Node:
        node = rebuilt(old, parents)
        if node.op is ops.matmul and (mirrored := _mirrored(node, first)) is not None:
            node = mirrored
        return first.setdefault(_key(node), node)

    return graph.map(build, leaves)


def _key(node: Node) -> Any:
    op, parents = node.op, node.parents
    if op in COMMUTATIVE and id(parents[0]) > id(parents[1]):
        parents = parents[::-1]
    # `repr` tells 1 from 1.0 and 0.0 from -0.0, which `==` does not, and slices cannot be hashed before Python 3.12.
    return (op, parents, repr(sorted(node.params.items()))) if node.params else (op, parents)


def _constant_key(node: Node) -> Any:
    # A large constant that is written twice is seldom, and to compare all constants digit by digit takes long.
    return (node.shape, node.dtype, node.value.tobytes()) if node.size <= LARGEST_COMPARED else node


def _mirrored(product: Node, first: dict[Any, Node]) -> Node | None:
    """The transpose of an earlier product that equals this one, if there is one."""
    factors = []
    for factor in reversed(product.parents):
        if factor.op is ops.transpose:
            factors.append(factor.parents[0])
        elif (turned := first.get((ops.transpose, (factor,)))) is not None:
            factors.append(turned)
    earlier = first.get((ops.matmul, tuple(factors))) if len(factors) == 2 else None
    return None if earlier is None else earlier.mT
