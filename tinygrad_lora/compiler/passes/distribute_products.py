"""Take products out of sums of matrices, where each can be bracketed anew: LoRA's own formula need not form W + AB.

Why it is legal. Multiplication distributes over addition. Where the sum is not needed for anything else, each of its
terms may be multiplied on its own, and a term that is a product can then be bracketed anew.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from math import prod
from typing import NamedTuple

from ...core import ComputationNode as Node, Graph, ops, rebuilt
from ..cost import price, product_price, sum_price
from ..patterns import SUMS, is_real, settled, uses

MOST_TERMS = 16  # a longer sum of products counts as one matrix


def distribute_products(graph: Graph) -> Graph:
    r"""$X (W + P) = X W + X P$ and $(W + P) X = W X + P X$ for a product $P = AB$: then $(XA)B$ may be cheap.

    The sum is not formed any more, so this is for sums that only products read, and for products that cost less in
    their new place. A sum of frozen weights alone stays: it is computed once and kept.
    """
    dissolved = _dissolved(graph)
    if not dissolved:
        return graph
    new: dict[Node, Node] = {}

    def build(old: Node, parents: tuple[Node, ...]) -> Node:
        node = rebuilt(old, parents)
        if old.op is ops.matmul:
            for i, operand in enumerate(old.parents):
                if (total := _straight(operand)) in dissolved:
                    node = multiplied(total, turned=operand is not total, x=parents[1 - i], on_the_right=i == 1)
        if node is not old:
            new[old] = node
        return node

    def multiplied(total: Node, *, turned: bool, x: Node, on_the_right: bool) -> Node:
        """The sum of the products of `x` with each term."""
        products = []
        for term, added in _terms(total, dissolved):
            matrix = written(term, turned)
            products.append((x @ matrix if on_the_right else matrix @ x, added))
        (result, _), *others = products
        for product, added in others:
            result = result + product if added else result - product
        return result

    def written(term: Node, turned: bool) -> Node:
        """A term, or its transpose. A product is a new node for each reader, which may bracket it in its own way."""
        product = _product(term, graph)
        if product is None:
            term = new.get(term, term)
            return term.mT if turned else term
        a, b = (new.get(factor, factor) for factor in product.factors)
        matrix = b.mT @ a.mT if turned != product.turned else a @ b
        for number in product.numbers:
            matrix = ops.scale(matrix, factor=number)
        return matrix

    return graph.map(build)


class ProductTerm(NamedTuple):
    """A product of two matrices, perhaps transposed, and the numbers that scale it."""

    factors: tuple[Node, ...]
    turned: bool
    numbers: list[float]


class Reader(NamedTuple):
    """A product that reads a sum: the other factor, its rows (or columns), and which side of the sum it meets."""

    node: Node
    other: Node
    rows: int
    from_left: bool


def _dissolved(graph: Graph) -> dict[Node, list[Reader]]:
    """The sums that are better taken apart, with the products that read them."""
    multiplied = {_straight(p).op for node in graph.nodes if node.op is ops.matmul for p in node.parents}
    if multiplied.isdisjoint(SUMS):
        return {}
    readers_by_sum: dict[Node, list[Reader]] = {}
    for node in reversed(graph.nodes):  # a sum within a sum is read by the readers of that
        if _is_plain_sum(node):
            readers = _readers(node, graph, readers_by_sum)
            if readers and _pays(node, readers, graph):
                readers_by_sum[node] = readers
    if readers_by_sum:
        for node in settled(graph, [leaf for leaf in graph.weights if not leaf.requires_gradient]):
            readers_by_sum.pop(node, None)
    return readers_by_sum


def _product(node: Node, graph: Graph) -> ProductTerm | None:
    """The product that a term is, if nobody else reads it."""
    turned, numbers = False, list[float]()
    while uses(graph, node) == 1 and is_real(node):
        match node:
            case Node(ops.matmul, factors):
                return ProductTerm(factors, turned, numbers[::-1])
            case Node(ops.scale):
                numbers.append(node.params["factor"])
            case Node(ops.transpose):
                turned = not turned
            case _:
                return None
        node = node.parents[0]
    return None


def _products(term: Node, graph: Graph) -> list[ProductTerm]:
    """The products whose sum a term is; none if it is anything else, or a very long sum."""
    products, stack = list[ProductTerm](), [term]
    while stack and len(products) + len(stack) <= MOST_TERMS:
        node = stack.pop()
        if (product := _product(node, graph)) is not None:
            products.append(product)
        elif _is_plain_sum(node) and uses(graph, node) == 1:
            stack += node.parents
        else:
            return []
    return [] if stack else products


def _is_plain_sum(node: Node) -> bool:
    """Whether this is a sum of two matrices of one shape and dtype."""
    return node.op in SUMS and node.ndim == 2 and is_real(node) and all(p.shape == node.shape for p in node.parents)


def _readers(total: Node, graph: Graph, dissolved: Mapping[Node, list[Reader]]) -> list[Reader]:
    """The products that read a sum or its transpose; none if anything else does."""
    readers: list[Reader] = []
    for form in (total, *(user for user in graph.users[total] if user.op is ops.transpose)):
        if uses(graph, form) > len(graph.users[form]):  # an output
            return []
        for user in graph.users[form]:
            if user in dissolved and form is total:
                readers += dissolved[user]
            elif user.op is ops.matmul and is_real(user):
                on_the_right = user.parents[1] is form
                other = user.parents[0] if on_the_right else user.parents[1]
                if _straight(other) is total or _straight(other) in dissolved or not (on_the_right or other.ndim == 2):
                    return []
                rows = prod(other.shape[:-1]) if on_the_right else other.shape[-1]
                readers.append(Reader(user, other, rows, on_the_right == (form is total)))
            elif user.op is not ops.transpose or form is not total:
                return []
    return readers


def _pays(total: Node, readers: list[Reader], graph: Graph) -> bool:
    """Whether a term is a product, and to multiply by its factors in turn costs less than to form the sum."""
    terms = [_products(p, graph) for p in total.parents]
    products = [product for term in terms for product in term]
    size = total.dtype.itemsize
    formed, apart = [], []
    for product in products:
        a, b = product.factors
        (m, rank), n = a.shape, b.shape[1]
        formed += [product_price(m, rank, n, size), sum_price(total.size, size)]
        for reader in readers:
            first, *sides = (a, m, n) if reader.from_left != product.turned else (b, n, m)
            there = _is_multiplied(reader.other, first, graph)  # a gradient needs it, for example
            apart += [product_price(reader.rows, rank, side, size) for side in sides[there:]]
            apart.append(sum_price(reader.node.size, size))
    if all(terms):  # nothing is left to multiply by in the old way; one sum less, and that is not counted
        formed += [price(reader.node) for reader in readers]
    return sum(apart) < sum(formed)


def _is_multiplied(x: Node, factor: Node, graph: Graph) -> bool:
    """Whether the product of the two, or its transpose, is in the graph."""
    return frozenset((_straight(x), _straight(factor))) in _multiplied(graph)


@lru_cache(maxsize=8)
def _multiplied(graph: Graph) -> frozenset[frozenset[Node]]:
    """The pairs of factors of all products, each as it is without transposes."""
    return frozenset([frozenset(map(_straight, node.parents)) for node in graph.nodes if node.op is ops.matmul])


def _terms(total: Node, dissolved: Mapping[Node, list[Reader]]) -> Iterator[tuple[Node, bool]]:
    """The terms of a sum from left to right, each with whether it is added; the first one is."""
    stack = [(total, True)]
    while stack:
        node, added = stack.pop()
        if node in dissolved:
            a, b = node.parents
            stack += [(b, added == (node.op is ops.add)), (a, added)]
        else:
            yield node, added


def _straight(node: Node) -> Node:
    """What a transpose is the transpose of."""
    return node.parents[0] if node.op is ops.transpose else node
