"""Choose the cheapest order for chains of matrix products. This is how LoRA's cheap form is found.

Why it is legal. Matrix multiplication is associative: every bracketing gives the same matrix. The sizes of the matrices
decide which one needs the fewest multiplications.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from math import log10, prod
from typing import NamedTuple

from ...core import ComputationNode as Node, Graph, ops, rebuilt
from ..cost import Cost, graph_cost, price_of_new, product_price
from ..patterns import FARTHEST, ORDINARY, decades, is_real, one_factor, scaled, uses
from .merge_duplicates import merge_duplicates

LINKS = (ops.matmul, ops.scale)  # what a chain is made of
LONGEST_CHAIN = 32  # the search below takes time that grows with the cube of the length
MOST_CHOICES = 16  # shared products that are tried one by one; each try looks at the whole graph


def rebracket(graph: Graph) -> Graph:
    r"""$(AB)C = A(BC)$: bracket each chain so that it costs least.

    A product that several chains use can be computed once, or be taken apart so that each chain is free to bracket it
    differently. Neither is always better, so each shared product is tried both ways and counted.
    """
    links = [n for n in graph.nodes if n.op in LINKS and is_real(n)]
    if sum(n.op is ops.matmul for n in links) < 2:
        return graph
    once = frozenset(n for n in links if uses(graph, n) == 1)
    shared = [n for n in links if n not in once and any(user.op in LINKS for user in graph.users[n])]
    singly = [frozenset({n}) for n in shared] if len(shared) <= MOST_CHOICES else []
    chains_of = Chains(graph, links)
    tried: list[dict[Node, Chain]] = []
    best, cost, opened = graph, graph_cost(graph).nanoseconds, frozenset[Node]()
    for change in dict.fromkeys([frozenset[Node](), frozenset(shared), *singly]):
        chains = chains_of.improvable(once | (opened ^ change))
        if not chains or chains in tried:
            continue
        tried.append(chains)
        new = merge_duplicates(_bracketed(graph, chains))
        if (new_cost := graph_cost(new).nanoseconds) < cost:
            best, cost, opened = new, new_cost, opened ^ change
    return best


class Chain(NamedTuple):
    """The factors of a chain of products from left to right, and the number that scales it."""

    factors: list[Node]
    scale: float


class Chains:
    """The chains of a graph, each by its last product. They go on through more links or fewer, as is tried."""

    def __init__(self, graph: Graph, links: list[Node]) -> None:
        outputs = set(graph.outputs)
        self.links = {n: n in outputs or any(user.op not in LINKS for user in graph.users[n]) for n in links}
        if Products not in graph.memory:  # those of the first graph: in later ones some may be large already
            graph.memory[Products] = Products(links)
        self.products: Products = graph.memory[Products]
        self.inside = frozenset[Node]()
        self.chains: dict[Node, tuple[Chain, set[Node]]] = {}  # as they were looked at last, with the links on the way
        self.improves: dict[tuple[Node, ...], bool] = {}

    def improvable(self, inside: frozenset[Node]) -> dict[Node, Chain]:
        """The chains that cost less in another order, if chains go on through the links in `inside`."""
        changed, self.inside = self.inside ^ inside, inside
        chains: dict[Node, Chain] = {}
        for root, is_end in self.links.items():
            known = self.chains.pop(root, None)
            if is_end or root not in inside:
                if known is None or not changed.isdisjoint(known[1]):
                    known = _chain(root, inside)
                self.chains[root], chain = known, known[0]
                key = (root, *chain.factors)
                if key not in self.improves:
                    self.improves[key] = _improves(root, chain, self.products)
                if self.improves[key]:
                    chains[root] = chain
        return chains


def _improves(root: Node, chain: Chain, products: Products) -> bool:
    """Whether the best order of a chain is cheaper than the one it has."""
    factors = chain.factors
    if root.parents == (*factors,) or not 2 <= len(factors) <= LONGEST_CHAIN or any(f.ndim != 2 for f in factors[1:]):
        return False
    present = price_of_new(root, lambda node: node not in factors)
    order = _order(factors)
    # The sums may differ in their last digits.
    return order.cost(chain.scale) < present * (1 - 1e-9) and _stays_finite(order, chain, products)


def _stays_finite(order: Order, chain: Chain, products: Products) -> bool:
    """Whether no new product on the way can leave the range of the dtype."""
    whole = 0, len(chain.factors) - 1
    for i, j in order.splits:
        if (i, j) != whole:
            scaled = i <= order.smallest[0] and order.smallest[1] <= j
            decades_from_one = products.reach(chain.factors[i : j + 1]) + (decades(chain.scale) if scaled else 0)
            if decades_from_one > FARTHEST[chain.factors[0].dtype.itemsize]:
                return False
    return True


class Products:
    """The products of matrices in a graph, each as its factors from left to right, whatever the brackets."""

    def __init__(self, links: Iterable[Node]) -> None:
        self.factors: dict[Node, tuple[Node, ...]] = {}
        for node in links:
            operands = [self.factors.get(p, (p,)) for p in node.parents]
            factors = sum(operands, ())
            self.factors[node] = factors if len(factors) <= LONGEST_CHAIN else (node,)
        self.formed = {*self.factors.values()}

    def reach(self, factors: Iterable[Node]) -> float:
        """How many decades from 1 the product of these may be, put together of as few of the graph's as possible."""
        single = [x for factor in factors for x in self.factors.get(factor, (factor,))]
        ordinary, known = ORDINARY[single[0].dtype.itemsize], tuple(single)
        least = [0.0]
        for end in range(1, len(known) + 1):
            least.append(min(
                least[start] + ordinary + (log10(max(known[start].shape[-2], 1)) if start else 0)
                for start in range(end) if start + 1 == end or known[start:end] in self.formed
            ))  # fmt: skip
        return least[-1]


def _bracketed(graph: Graph, chains: Mapping[Node, Chain]) -> Graph:
    """The graph with these chains in their best order."""
    new: dict[Node, Node] = {}

    def build(old: Node, parents: tuple[Node, ...]) -> Node:
        chain = chains.get(old)
        made = _cheapest([new.get(f, f) for f in chain.factors], chain.scale) if chain else rebuilt(old, parents)
        if made is not old:
            new[old] = made
        return made

    return graph.map(build) if chains else graph


def _chain(root: Node, inside: frozenset[Node]) -> tuple[Chain, set[Node]]:
    """The chain of links that ends in `root`, or more than LONGEST_CHAIN nodes if it is too long; and what is in it."""
    factors: list[Node] = []
    visited = set[Node]()
    scale: float = 1
    stack = [root]
    while stack and len(factors) + len(stack) <= LONGEST_CHAIN:
        node = stack.pop()
        visited.add(node)
        if node is not root and node not in inside:
            factors.append(node)
        elif node.op is ops.scale and (both := one_factor(scale, node.params["factor"], node.dtype)) is not None:
            scale = both
            stack += node.parents
        elif node.op is ops.scale:
            factors.append(node)
        else:
            stack += reversed(node.parents)
    return Chain(factors + stack, scale), visited  # what is on the stack only makes it too long


class Order(NamedTuple):
    """The cheapest order of a product: its cost, for each span of factors where it is split, and the smallest span."""

    nanoseconds: float
    splits: dict[tuple[int, int], int]
    smallest: tuple[int, int]
    scaling: float

    def cost(self, scale: float) -> float:
        """With the smallest array scaled."""
        return self.nanoseconds + (self.scaling if scale != 1 else 0)


def _cheapest(factors: list[Node], scale: float) -> Node:
    """The product of the factors in the order that costs least, scaled where the array is smallest."""
    order = _order(factors)

    def built(i: int, j: int) -> Node:
        k = order.splits[i, j]
        node = factors[i] if i == j else built(i, k) @ built(k + 1, j)
        return scaled(node, scale) if (i, j) == order.smallest else node

    return built(0, len(factors) - 1)


def _order(factors: list[Node]) -> Order:
    sizes = prod(factors[0].shape[:-1]), *(f.shape[-1] for f in factors)
    return _order_of_sizes(sizes, factors[0].dtype.itemsize)


@lru_cache(maxsize=1024)
def _order_of_sizes(sizes: tuple[int, ...], itemsize: int) -> Order:
    """The cheapest order for factors of these sizes: factor i is sizes[i] by sizes[i + 1].

    Source: the matrix-chain problem, Cormen et al., "Introduction to Algorithms", chapter on dynamic programming.
    """

    @cache
    def best(i: int, j: int) -> tuple[float, int]:
        """The cost of the product of factors i to j, and the factor after which it is split."""
        if i == j:
            return 0.0, i
        options = []
        for k in range(i, j):
            product = product_price(sizes[i], sizes[k + 1], sizes[j + 1], itemsize)
            options.append((best(i, k)[0] + best(k + 1, j)[0] + product, k))
        return min(options)

    splits: dict[tuple[int, int], int] = {}

    def visit(i: int, j: int) -> None:
        splits[i, j] = best(i, j)[1]
        if i < j:
            visit(i, splits[i, j])
            visit(splits[i, j] + 1, j)

    last = len(sizes) - 2
    visit(0, last)
    elements = {span: sizes[span[0]] * sizes[span[1] + 1] for span in splits}
    smallest = min(splits, key=elements.__getitem__)
    scaling = Cost(elements[smallest], 2 * elements[smallest] * itemsize, 1).nanoseconds
    return Order(best(0, last)[0], splits, smallest, scaling)
