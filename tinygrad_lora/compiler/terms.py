"""Sums of products as data, and how to write them with few operations."""

from __future__ import annotations

from collections import Counter
from functools import reduce
from math import prod
from operator import attrgetter, mul, truediv
from typing import NamedTuple

from ..core import ComputationNode as Node, constant, ops
from .patterns import scaled

Powers = frozenset[tuple[Node, int]]


class Term(NamedTuple):
    r"""$c \prod_i x_i^{n_i}$ with whole $n_i$, positive for factors and negative for divisors."""

    number: float
    powers: dict[Node, int]

    def without(self, x: Node, sign: int) -> Term:
        """The term with one factor, or one divisor, less."""
        rest = self.powers | {x: self.powers[x] - sign}
        return Term(self.number, {y: n for y, n in rest.items() if n})

    def times(self, other: Term, sign: int = 1) -> Term:
        """The product of both terms; with the sign -1, the quotient."""
        powers = dict(self.powers)
        for x, n in other.powers.items():
            powers[x] = powers.get(x, 0) + sign * n
        return Term(self.number * other.number**sign, powers)

    @property
    def key(self) -> Powers:
        """The factors and divisors, whatever their order."""
        return frozenset(self.powers.items())

    @property
    def size(self) -> int:
        """How many factors and divisors there are."""
        return sum(map(abs, self.powers.values()))


def term_of(node: Node, terms: dict[Node, Term]) -> Term:
    """What an operation is as one term, where `terms` says it of the operands that are more than an array."""
    factors = [terms.get(p) or Term(1, {p: 1}) for p in node.parents]
    match node.op:
        case ops.scale:
            return Term(factors[0].number * node.params["factor"], factors[0].powers)
        case ops.multiply:
            return factors[0].times(factors[1])
        case ops.divide:
            return factors[0].times(factors[1], -1)
    return Term(1, {node: 1})


class TermWriter:
    """Writes terms as operations, with products and quotients that exist already where there are any."""

    def __init__(self) -> None:
        self.known: dict[object, Node] = {}  # by operation and operands

    def remember(self, node: Node) -> None:
        """From here on `node` exists."""
        if node.op is ops.multiply or node.op is ops.divide:
            self.known.setdefault((node.op, *node.parents), node)

    def collected(self, terms: list[Term], like: Node) -> Term:
        """The sum as one product: the most common factor first, and so on within what it multiplies."""
        while len(terms) > 1 and (factor := commonest(terms)) is not None:
            x, sign = factor
            inner = self.collected([t.without(x, sign) for t in terms if t.powers.get(x, 0) * sign > 0], like)
            whole = Term(inner.number, inner.powers | {x: inner.powers.get(x, 0) + sign})
            terms = [whole, *(t for t in terms if t.powers.get(x, 0) * sign <= 0)]
        return terms[0] if len(terms) == 1 else self._sum(terms, like)

    def _sum(self, terms: list[Term], like: Node) -> Term:
        """Terms without common factors as one new array, but for a number that all of them share."""
        sizes = {abs(t.number) for t in terms}
        common = sizes.pop() if len(sizes) == 1 else 1
        common = common if any(t.number > 0 for t in terms) else -common
        numbers = [t.number / common for t in terms]
        parts = [(n > 0, self.written(Term(abs(n), t.powers), like)) for n, t in zip(numbers, terms, strict=True)]
        parts.sort(key=lambda part: (part[1].size, not part[0]))  # small arrays first, and first what is added
        (positive, total), *others = parts
        for plus, y in others:
            if plus == positive:
                total = y + total if total.size < y.size else total + y
            else:
                positive, total = True, total - y if positive else y - total
        return Term(common, {total: 1})

    def written(self, term: Term, like: Node) -> Node:
        """The term as operations: with products that exist already, and small arrays before large ones."""
        powers = self.shared(term.powers)
        # Older ones first: what the graph as it was traced has multiplied is then multiplied again, if in a new form.
        factors = [x for x in sorted(powers, key=attrgetter("created")) for _ in range(powers[x])]
        divisors = [x for x, n in powers.items() for _ in range(-n)]
        number, total, waiting = term.number, None, []
        for shape in sorted({x.shape for x in factors + divisors}, key=lambda shape: (prod(shape), shape)):
            group = [x for x in factors if x.shape == shape]
            if group:
                part = scaled(reduce(mul, group), number)
                number, total = 1, part if total is None else total * part
            for x in (x for x in divisors if x.shape == shape):
                if total is None and number == 1:
                    waiting.append(x)  # one division of something larger, and no division of 1
                else:
                    number, total = 1, (_number(number, like) if total is None else total) / x
        total = _number(number, like) if total is None else total
        return reduce(truediv, waiting, total)

    def shared(self, powers: dict[Node, int]) -> dict[Node, int]:
        """The same product, made of products and quotients of two that exist already where there are any."""
        while (existing := self._existing_pair(powers)) is not None:
            a, b, pair = existing
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


def commonest(terms: list[Term]) -> tuple[Node, int] | None:
    """The factor (1) or divisor (-1) that stands in the most terms, if there are two."""
    if len(terms) == 1:
        return None
    counts = Counter((x, 1 if n > 0 else -1) for t in terms for x, n in t.powers.items())
    best = max(counts, key=lambda key: (counts[key], key[0].size), default=None)
    return best if best is not None and counts[best] > 1 else None


def _number(number: float, like: Node) -> Node:
    return constant(like.dtype.type(number))
