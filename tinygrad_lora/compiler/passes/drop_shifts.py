"""A number that is added to all scores of a softmax changes nothing.

Why it is legal. A number that is added to every score moves the largest of them just as far, so it cancels in the
difference.
"""

from ...core import ComputationNode as Node, Graph, ops, rebuilt
from ..patterns import SUMS, is_real, padded, uses


def drop_shifts(graph: Graph) -> Graph:
    r"""$(x + c) - \max(x + c) = x - \max x$ for $c$ that is the same all along the axis: the softmax of both is one."""
    if not any(node.op is ops.reduce_max and node.parents[0].op in SUMS for node in graph.nodes):
        return graph
    inside: set[Node] = set()  # sums that only a largest element and one difference read

    def build(old: Node, parents: tuple[Node, ...]) -> Node:
        node = rebuilt(old, parents)
        if old.op in SUMS and uses(graph, old) == 2:
            inside.add(node)
        match node:
            case Node(ops.subtract, [z, Node(ops.reduce_max, [same]) as m]) if (
                same is z and z in inside and m.params["keepdims"]
            ):
                x = _without_shift(z, m.params["axis"])
                return node if x is None else x - ops.reduce_max(x, **m.params)
        return node

    return graph.map(build, at=SUMS)


def _without_shift(z: Node, axes: tuple[int, ...]) -> Node | None:
    """x where z is x + c, c + x or x - c, and c is the same along the axes."""
    if not is_real(z):
        return None
    a, b = z.parents
    if a.shape == z.shape and _same_along(b, axes, z.ndim):
        return a
    return b if z.op is ops.add and b.shape == z.shape and _same_along(a, axes, z.ndim) else None


def _same_along(c: Node, axes: tuple[int, ...], ndim: int) -> bool:
    return all(padded(c, ndim)[i] == 1 for i in axes)
