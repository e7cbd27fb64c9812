"""Powers of a matrix by squaring: a product of four equal matrices takes two products, not three.

Why it is legal. Matrix multiplication is associative, so a power may be put together from smaller powers, each of them
computed once.
"""

from ...core import ComputationNode as Node, Graph, ops, rebuilt
from ..patterns import is_real

LARGEST = 1024  # a higher power counts as a matrix of its own


def square_powers(graph: Graph) -> Graph:
    r"""$A^{2n} = A^n A^n$ and $A^{2n + 1} = A^n A^{n + 1}$ for a square matrix $A$."""
    if not any(node.op is ops.matmul and node.parents[0] is node.parents[1] for node in graph.nodes):
        return graph
    powers: dict[Node, tuple[Node, int]] = {}  # what is a power of a matrix, of which, and which one
    known: dict[tuple[Node, int], Node] = {}  # the node of each power

    def power(base: Node, n: int) -> Node:
        if n == 1:
            return base
        if (base, n) not in known:
            known[base, n] = made = power(base, n // 2) @ power(base, n - n // 2)
            powers[made] = base, n
        return known[base, n]

    def build(old: Node, parents: tuple[Node, ...]) -> Node:
        node = rebuilt(old, parents)
        if node.op is not ops.matmul or node.shape != node.parents[0].shape or not is_real(node):
            return node
        (a, i), (b, j) = (powers.get(p, (p, 1)) for p in node.parents)
        if a is not b or i + j > LARGEST:
            return node
        if i + j < 4 or abs(i - j) < 2:  # as good as it is
            node = known.setdefault((a, i + j), node)
            powers[node] = a, i + j
            return node
        return power(a, i + j)

    return graph.map(build, at=(ops.matmul,))
