"""Move transposes towards the leaves, where they are free views of arrays that exist anyway.

Why it is legal. Row i of a transposed product is column i of the product: the same sums, with the factors in the
opposite order.
"""

from ...core import ComputationNode as Node, Graph, ops, rebuilt

DEEPEST = 100  # products inside products that one transpose sinks through


def sink_transposes(graph: Graph) -> Graph:
    r"""$(AB)^\top = B^\top A^\top$ and $(sA)^\top = s A^\top$: products become visible to their neighbors."""

    turned: dict[Node, Node] = {}

    def build(old: Node, parents: tuple[Node, ...]) -> Node:
        node = rebuilt(old, parents)
        match node:
            case Node(ops.transpose, [Node(ops.matmul | ops.scale | ops.transpose) as x]):
                return _transposed(x, turned, DEEPEST)
        return node

    return graph.map(build, at=(ops.transpose,))


def _transposed(x: Node, turned: dict[Node, Node], depth: int) -> Node:
    if x not in turned:
        match x:
            case Node(ops.transpose, [inner]):
                turned[x] = inner
            case Node(ops.matmul, [a, b]) if depth:
                turned[x] = _transposed(b, turned, depth - 1) @ _transposed(a, turned, depth - 1)
            case Node(ops.scale, [inner]) if depth:
                turned[x] = ops.scale(_transposed(inner, turned, depth - 1), **x.params)
            case _:
                return x.mT
    return turned[x]
