"""Write sums of products with fewer operations: what an expert would factor out by hand.

Each result is read as a sum of terms, and each term as a number times whole powers of arrays. What nobody else uses is
written anew where that costs less. The numbers are equal as long as they are finite, but for rounding; no products of
divisors are formed, which could overflow where one division after the other does not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import reduce
from math import prod
from operator import mul, truediv
from typing import NamedTuple

import numpy as np

from ... import ops
from ...core.graph import Graph, rebuilt
from ...core.node import ComputationNode as Node
from ...core.node import constant
from ..cost import node_cost
from .patterns import is_constant, keeps_dtype, one_factor

SUMS = (ops.add, ops.subtract)
PLAIN = {*SUMS, ops.multiply}
LINKS = {*PLAIN, ops.divide, ops.scale, ops.reduce_sum}  # what sums of products are made of
MOST_TERMS, MOST_FACTORS = 16, 8  # a longer sum or product counts as one array


def collect_factors(graph: Graph) -> Graph:
    r"""$ab + ac = a(b + c)$, $2ab + ab = 3ab$ and $\sum_j a_{ij} s_i = s_i \sum_j a_{ij}$."""
    top = _regions(graph)
    if not top:
        return graph
    algebra = _Algebra(node for node in graph.nodes if not node.parents)

    def build(old: Node, parents: tuple[Node, ...]) -> Node:
        node = rebuilt(old, parents)
        if old in top:
            algebra.read(node)
            return algebra.settle(node) if top[old] is old else node
        algebra.accept(node)
        return node

    return graph.map(build)


def _regions(graph: Graph) -> dict[Node, Node]:
    """The sums of products that have more than one form: for each node in them the last one, which others use."""
    top: dict[Node, Node] = {}
    outputs = set(graph.outputs)
    members: dict[Node, list[Node]] = {}
    for node in reversed(graph.nodes):
        if node.op in LINKS and node.dtype.kind == "f" and keeps_dtype(node):
            first, *others = graph.users[node] if node not in outputs else (node,)
            above = top.get(first)
            if others and (node.op in SUMS or any(top.get(user) is not above for user in others)):
                above = None
            top[node] = node if above is None else above
            members.setdefault(top[node], []).append(node)
    chosen = [nodes for nodes in members.values() if len(nodes) > 1 and _has_choice(nodes)]
    return {node: top[node] for nodes in chosen for node in nodes}


def _has_choice(nodes: list[Node]) -> bool:
    """Whether there is a number, a divisor, a sum, a repeated operand or a longer product in it; seen quickly."""
    if any(node.op not in PLAIN for node in nodes) or sum(node.op is ops.multiply for node in nodes) > 1:
        return True
    operands = [p for node in nodes for p in node.parents]
    return len(set(operands)) < len(operands)


class Term(NamedTuple):
    r"""$c \prod_i x_i^{n_i}$ with whole $n_i$, positive for factors and negative for divisors."""

    number: float
    powers: dict[Node, int]

    def without(self, x: Node, sign: int) -> Term:
        """The term with one factor, or one divisor, less."""
        rest = self.powers | {x: self.powers[x] - sign}
        return Term(self.number, {y: n for y, n in rest.items() if n})

    @property
    def size(self) -> int:
        """How many factors and divisors there are."""
        return sum(map(abs, self.powers.values()))


class _Algebra:
    """What is known of the nodes while the graph is built: their terms, and what exists already."""

    def __init__(self, leaves: Iterable[Node]) -> None:
        self.terms: dict[Node, list[Term]] = {}  # of sums and products that nobody else uses
        self.products: dict[Node, Term] = {}  # of sums that are multiplied: with their common factors collected
        self.shorter: set[Node] = set()  # where like terms became one, or a product turned out to exist
        self.settled = set(leaves)  # what exists, whatever comes later
        self.known: dict[object, Node] = {}  # the settled products and quotients, by operation and operands

    # --- Reading ---

    def read(self, node: Node) -> None:
        """Remember the terms of `node`, if it can be looked into."""
        terms = self._read(node)
        if terms and len(terms) <= MOST_TERMS and all(t is not None and t.number for t in terms):
            self.terms[node] = [t for t in terms if t is not None]

    def _read(self, node: Node) -> list[Term | None]:
        match node:
            case Node(ops.add | ops.subtract, [a, b]):
                sign = 1 if node.op is ops.add else -1
                return self._merged(node, [*self._of(a), *(Term(sign * t.number, t.powers) for t in self._of(b))])
            case Node(ops.scale, [x]):
                terms = self._of(x) if self._is_worth_collecting(x, self._of(x)) else [self._product(x)]
                return [self._times(t, Term(node.params["factor"], {}), node) for t in terms]
            case Node(ops.multiply, [a, b]):
                return [self._times(self._product(a), self._product(b), node)]
            case Node(ops.divide, [a, b]):
                divisor = self._product(b)
                if list(divisor.powers.values()) != [1]:  # nothing but a number comes out of a divisor
                    divisor = Term(1, {b: 1})
                inverse = Term(1 / divisor.number, dict.fromkeys(divisor.powers, -1))
                return [self._times(self._product(a), inverse, node)]
            case Node(ops.reduce_sum, [x]):
                return [self._summed(node, self._product(x))]
        return []

    def _of(self, node: Node) -> list[Term]:
        """The terms of `node`: a number, what was read, or the array itself."""
        if is_constant(node) and node.size == 1 and np.isfinite(node.value) and node.value:
            return [Term(float(node.value.reshape(())), {})]
        return self.terms.get(node) or [Term(1, {node: 1})]

    def _product(self, node: Node) -> Term:
        """`node` as one term, its common factors collected; a sum without any counts as an array."""
        terms = self._of(node)
        if len(terms) == 1:
            return terms[0]
        if node not in self.products:
            worth = self._is_worth_collecting(node, terms)
            self.products[node] = self._collected(terms, node) if worth else Term(1, {node: 1})
        return self.products[node]

    def _is_worth_collecting(self, node: Node, terms: list[Term]) -> bool:
        """Whether the terms of `node` have something in common."""
        return node in self.shorter or _commonest(terms) is not None

    def _times(self, a: Term, b: Term, node: Node) -> Term | None:
        """The product, or None where factors would cancel, or too many would come together."""
        powers = dict(a.powers)
        for x, n in b.powers.items():
            powers[x] = powers.get(x, 0) + n
        number = one_factor(a.number, b.number, node.dtype)
        if not number or 0 in powers.values() or sum(map(abs, powers.values())) > MOST_FACTORS:
            return None
        shared = self._shared(powers)
        if shared is not powers:
            self.shorter.add(node)
        return Term(number, shared)

    def _merged(self, node: Node, terms: list[Term]) -> list[Term | None]:
        """Like terms become one."""
        like: dict[frozenset[tuple[Node, int]], Term] = {}
        for t in terms:
            key = frozenset(t.powers.items())
            like[key] = Term(like[key].number + t.number, t.powers) if key in like else t
        if len(like) < len(terms):
            self.shorter.add(node)
        return list(like.values())

    def _summed(self, node: Node, term: Term) -> Term | None:
        """A factor that is the same all along the summed axes stands before the sum."""
        x, axes = node.parents[0], node.params["axis"]
        shapes = {y: (1,) * (x.ndim - y.ndim) + y.shape for y in term.powers}
        inner = {y: n for y, n in term.powers.items() if any(shapes[y][i] != 1 for i in axes)}
        if not inner or (len(inner) == len(term.powers) and term.number == 1):
            return None
        summand = self._written(Term(1, inner), node)
        if summand.ndim < x.ndim or any(summand.shape[i] != x.shape[i] for i in axes):
            return None
        outer = {}
        for y, n in term.powers.items():
            if y not in inner:
                left = [m for i, m in enumerate(shapes[y]) if node.params["keepdims"] or i not in axes]
                outer[y if y.ndim == len(left) else ops.reshape(y, shape=tuple(left))] = n
        return Term(term.number, {ops.reduce_sum(summand, **node.params): 1, **outer})

    # --- Writing ---

    def settle(self, node: Node) -> Node:
        """`node`, or a cheaper form of it."""
        terms = self.terms.pop(node, [])
        if terms and self._may_improve(node, terms):
            term = self._collected(terms, node)
            better = self._written(term, node)
            if (better.shape, better.dtype) == (node.shape, node.dtype) and self._price(better) < self._price(node):
                node = better
        for new in self._unsettled(node):
            self.accept(new)
        return node

    def accept(self, node: Node) -> None:
        """From here on `node` exists."""
        self.settled.add(node)
        if node.op is ops.multiply or node.op is ops.divide:
            self.known.setdefault((node.op, *node.parents), node)

    def _may_improve(self, node: Node, terms: list[Term]) -> bool:
        """Whether there is more than one way to write `node`; most have one, and that is seen quickly."""
        if node.op is ops.reduce_sum:
            return True
        if all(p in self.settled for p in node.parents):
            return False
        return self._is_worth_collecting(node, terms) or any(t.size > 2 or t.number != 1 for t in terms)

    def _unsettled(self, node: Node) -> list[Node]:
        """`node` and what it takes that does not exist yet."""
        found, stack = dict.fromkeys([node]), [node]
        while stack:
            for p in stack.pop().parents:
                if p not in self.settled and p not in found:
                    found[p] = None
                    stack.append(p)
        return list(found)

    def _price(self, node: Node) -> float:
        return sum(node_cost(n).nanoseconds for n in self._unsettled(node))

    def _collected(self, terms: list[Term], like: Node) -> Term:
        """The sum as one product: the most common factor first, and so on within what it multiplies."""
        while len(terms) > 1 and (found := _commonest(terms)) is not None:
            x, sign = found
            inner = self._collected([t.without(x, sign) for t in terms if t.powers.get(x, 0) * sign > 0], like)
            whole = Term(inner.number, inner.powers | {x: inner.powers.get(x, 0) + sign})
            terms = [whole, *(t for t in terms if t.powers.get(x, 0) * sign <= 0)]
        return terms[0] if len(terms) == 1 else self._sum(terms, like)

    def _sum(self, terms: list[Term], like: Node) -> Term:
        """Terms without common factors as one new array, but for a number that all of them share."""
        sizes = {abs(t.number) for t in terms}
        common = sizes.pop() if len(sizes) == 1 else 1
        common = common if any(t.number > 0 for t in terms) else -common
        numbers = [t.number / common for t in terms]
        parts = [(n > 0, self._written(Term(abs(n), t.powers), like)) for n, t in zip(numbers, terms, strict=True)]
        parts.sort(key=lambda part: (part[1].size, not part[0]))  # small arrays first, and first what is added
        (positive, total), *others = parts
        for plus, y in others:
            if plus == positive:
                total = y + total if total.size < y.size else total + y
            else:
                positive, total = True, total - y if positive else y - total
        return Term(common, {total: 1})

    def _written(self, term: Term, like: Node) -> Node:
        """The term as operations: with products that exist already, and small arrays before large ones."""
        powers = self._shared(term.powers)
        factors = [x for x, n in powers.items() for _ in range(n)]
        divisors = [x for x, n in powers.items() for _ in range(-n)]
        number, total, waiting = term.number, None, []
        for shape in sorted({x.shape for x in factors + divisors}, key=lambda shape: (prod(shape), shape)):
            group = [x for x in factors if x.shape == shape]
            if group:
                part = reduce(mul, group)
                part = part if number == 1 else ops.scale(part, factor=number)
                number, total = 1, part if total is None else total * part
            for x in (x for x in divisors if x.shape == shape):
                if total is None and number == 1:
                    waiting.append(x)  # one division of something larger, and no division of 1
                else:
                    number, total = 1, (_number(number, like) if total is None else total) / x
        total = _number(number, like) if total is None else total
        return reduce(truediv, waiting, total)

    def _shared(self, powers: dict[Node, int]) -> dict[Node, int]:
        """The same product, made of products and quotients of two that exist already where there are any."""
        while (found := self._existing_pair(powers)) is not None:
            a, b, pair = found
            sign = 1 if pair.op is ops.multiply else -1
            for x, n in ((a, -1), (b, -sign), (pair, 1)):
                powers = powers | {x: powers.get(x, 0) + n}
            powers = {x: n for x, n in powers.items() if n}
        return powers

    def _existing_pair(self, powers: dict[Node, int]) -> tuple[Node, Node, Node] | None:
        for a, n in powers.items():
            for b, m in powers.items():
                if n > (a is b):
                    pair = self.known.get((ops.multiply if m > 0 else ops.divide, a, b))
                    if pair is not None and powers.get(pair, 0) >= 0:
                        return a, b, pair
        return None


def _commonest(terms: list[Term]) -> tuple[Node, int] | None:
    """The factor (1) or divisor (-1) that stands in the most terms, if there are two."""
    if len(terms) == 1:
        return None
    counts = Counter((x, 1 if n > 0 else -1) for t in terms for x, n in t.powers.items())
    best = max(counts, key=lambda key: (counts[key], key[0].size), default=None)
    return best if best is not None and counts[best] > 1 else None


def _number(number: float, like: Node) -> Node:
    return constant(like.dtype.type(number))
