"""Choose the cheapest order for chains of matrix products. This is how LoRA's cheap form is found."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import prod

from ... import ops
from ...core.graph import Graph, rebuilt
from ...core.node import ComputationNode as Node
from ..cost import Cost, graph_cost, node_cost
from .merge_duplicates import merge_duplicates
from .patterns import keeps_dtype, one_factor, uses

LINKS = (ops.matmul, ops.scale)  # what a chain is made of
LONGEST_CHAIN = 32  # the search below takes time that grows with the cube of the length
MOST_CHOICES = 16  # shared products that are tried one by one; each try looks at the whole graph


def rebracket(graph: Graph) -> Graph:
    r"""$(AB)C = A(BC)$: bracket each chain so that it costs least.

    A product that several chains use can be computed once, or be taken apart so that each chain is free to bracket it
    differently. Neither is always better, so each shared product is tried both ways and counted.
    """
    if sum(n.op is ops.matmul for n in graph.nodes) < 2:
        return graph
    shared = [n for n in graph.nodes if n.op in LINKS and uses(graph, n) > 1 and _linked(graph.users[n])]
    best, cost, opened = graph, graph_cost(graph).nanoseconds, frozenset[Node]()
    singly = [{product} for product in shared] if len(shared) <= MOST_CHOICES else []
    for change in (set(), set(shared), *singly):
        new = merge_duplicates(_bracketed(graph, opened ^ change))
        if (new_cost := graph_cost(new).nanoseconds) < cost:
            best, cost, opened = new, new_cost, opened ^ change
    return best


def _linked(users: list[Node]) -> bool:
    """Whether some chain goes on through a result with these users."""
    return any(user.op in LINKS for user in users)


def _bracketed(graph: Graph, opened: frozenset[Node]) -> Graph:
    """The graph with every chain in its best order; shared products in `opened` are parts of the chains around them."""
    new: dict[Node, Node] = {n: n for n in graph.nodes if not n.parents}
    outputs = set(graph.outputs)

    def inside(node: Node) -> bool:
        """Whether the chains that use this link go on through it."""
        return node.op in LINKS and keeps_dtype(node) and (uses(graph, node) == 1 or node in opened)

    def build(old: Node, parents: tuple[Node, ...]) -> Node:
        new[old] = rebuilt(old, parents)
        ends_here = old in outputs or any(user.op not in LINKS for user in graph.users[old])
        if old.op in LINKS and keeps_dtype(old) and (ends_here or not inside(old)):
            factors, scale = _chain(old, inside)
            if 2 <= len(factors) <= LONGEST_CHAIN and all(f.ndim == 2 for f in factors[1:]):
                candidate = _cheapest([new[f] for f in factors], scale)
                stop = {new[f] for f in factors}
                if _cost_above(stop, candidate) < _cost_above(stop, new[old]):
                    new[old] = candidate
        return new[old]

    return graph.map(build)


def _chain(root: Node, inside: Callable[[Node], bool]) -> tuple[list[Node], float]:
    """The factors of a chain of products from left to right, and the number that scales it."""
    factors: list[Node] = []
    scale: float = 1
    stack = [root]
    while stack:
        node = stack.pop()
        if node is not root and not inside(node):
            factors.append(node)
        elif node.op is ops.scale and (both := one_factor(scale, node.params["factor"], node.dtype)) is not None:
            scale = both
            stack += node.parents
        elif node.op is ops.scale:
            factors.append(node)
        else:
            stack += reversed(node.parents)
    return factors, scale


def _cheapest(factors: list[Node], scale: float) -> Node:
    """The product of the factors in the order that costs least, scaled where the array is smallest.

    Source: the matrix-chain problem, Cormen et al., "Introduction to Algorithms", chapter on dynamic programming.
    """
    rows = prod(factors[0].shape[:-1])
    sizes = [rows, *(f.shape[-1] for f in factors)]  # factor i is sizes[i] by sizes[i + 1]
    itemsize = factors[0].dtype.itemsize

    @cache
    def best(i: int, j: int) -> tuple[float, int]:
        """The cost of the product of factors i to j, and the factor after which it is split."""
        if i == j:
            return 0.0, i
        options = []
        for k in range(i, j):
            m, n, p = sizes[i], sizes[k + 1], sizes[j + 1]
            product = Cost(2 * m * n * p, (m * n + n * p + m * p) * itemsize, 1)
            options.append((best(i, k)[0] + best(k + 1, j)[0] + product.nanoseconds, k))
        return min(options)

    spans: list[tuple[int, int]] = []  # every array of the chosen order, factors and products

    def visit(i: int, j: int) -> None:
        spans.append((i, j))
        if i < j:
            visit(i, best(i, j)[1])
            visit(best(i, j)[1] + 1, j)

    visit(0, len(factors) - 1)
    smallest = min(spans, key=lambda span: sizes[span[0]] * sizes[span[1] + 1])

    def built(i: int, j: int) -> Node:
        node = factors[i] if i == j else built(i, best(i, j)[1]) @ built(best(i, j)[1] + 1, j)
        scaled: Node = ops.scale(node, factor=scale) if (i, j) == smallest and scale != 1 else node
        return scaled

    return built(0, len(factors) - 1)


def _cost_above(stop: set[Node], node: Node) -> float:
    """The cost of computing `node` from the nodes in `stop`."""
    total, seen, stack = 0.0, set(stop), [node]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            total += node_cost(node).nanoseconds
            stack += node.parents
    return total
