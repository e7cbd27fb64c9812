"""Write sums of products with fewer operations: what an expert would factor out by hand.

Each result is read as a sum of terms, and each term as a number times whole powers of arrays. What nobody else uses is
written anew where that costs less. The numbers are equal as long as they are finite, but for rounding; no products of
divisors are formed, which could overflow where one division after the other does not.

Why it is legal. Multiplication distributes over addition. A common factor can be factored out and multiplied once.
"""

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

import numpy as np

from ...core import ComputationNode as Node, Graph, ops, rebuilt
from ..cost import price
from ..patterns import FARTHEST, ORDINARY, SUMS, decades, is_constant, is_real, one_factor, padded, reach, shaped
from ..terms import Powers, Term, TermWriter, commonest, term_of

PLAIN = {*SUMS, ops.multiply}
LINKS = {*PLAIN, ops.divide, ops.scale, ops.reduce_sum}  # what sums of products are made of
Form = tuple[Any, ...]
MOST_TERMS, MOST_FACTORS = 16, 8  # a longer sum or product counts as one array


def collect_factors(graph: Graph) -> Graph:
    r"""$ab + ac = a(b + c)$, $2ab + ab = 3ab$ and $\sum_j a_{ij} s_i = s_i \sum_j a_{ij}$."""
    # Of sums that had no better form, the graph in which that was seen: asked again, a pass must say the same again.
    best: dict[Form, Graph] = graph.memory.setdefault(collect_factors, {})
    regions = _regions(graph)
    forms = {above: _form(nodes) for above, nodes in regions.items()}
    top = {node: above for above, nodes in regions.items() if best.get(forms[above], graph) is graph for node in nodes}
    if not top:
        return graph
    algebra, improved = _Algebra(node for node in graph.nodes if not node.parents), set[Form]()

    def build(old: Node, parents: tuple[Node, ...]) -> Node:
        node = rebuilt(old, parents)
        if old not in top:
            algebra.accept(node)
            return node
        algebra.read(node)
        if top[old] is not old:
            return node
        if (better := algebra.settle(node)) is not node:
            improved.add(forms[old])
        return better

    after = graph.map(build)
    for form in {forms[above] for above in top.values()} - improved:
        best.setdefault(form, graph)
    return after


def _regions(graph: Graph) -> dict[Node, list[Node]]:
    """The sums of products that have more than one form: by the last node, which others use, all nodes in them."""
    top: dict[Node, Node] = {}
    outputs = set(graph.outputs)
    members: dict[Node, list[Node]] = {}
    for node in reversed(graph.nodes):
        if node.op in LINKS and is_real(node):
            first, *others = graph.users[node] if node not in outputs else (node,)
            above = top.get(first)
            if others and (node.op in SUMS or any(top.get(user) is not above for user in others)):
                above = None
            top[node] = node if above is None else above
            members.setdefault(top[node], []).append(node)
    return {above: nodes for above, nodes in members.items() if len(nodes) > 1 and _has_choice(nodes)}


def _form(nodes: list[Node]) -> Form:
    """What a sum of products has in common with one that differs from it in the arrays that it takes alone."""
    number: dict[Node, int] = {}
    form: list[Any] = []
    for node in nodes:
        form += (node.op, node.dtype, node.shape, *node.params.values())
        for p in (node, *node.parents):
            if p not in number:
                number[p] = len(number)
                form.append(p.value.tobytes() if is_constant(p) and p.size == 1 else p.shape)
            form.append(number[p])
    return tuple(form)


def _has_choice(nodes: list[Node]) -> bool:
    """Whether there is a number, a divisor, a sum, a repeated operand or a longer product in it; seen quickly."""
    if any(node.op not in PLAIN for node in nodes) or sum(node.op is ops.multiply for node in nodes) > 1:
        return True
    operands = [p for node in nodes for p in node.parents]
    return len(set(operands)) < len(operands)


class _Algebra:
    """What is known of the nodes while the graph is built: their terms, and what exists already."""

    def __init__(self, leaves: Iterable[Node]) -> None:
        self.terms: dict[Node, list[Term]] = {}  # of sums and products that nobody else uses
        self.products: dict[Node, Term] = {}  # of sums that are multiplied: with their common factors collected
        self.shorter: set[Node] = set()  # where like terms became one, or a product turned out to exist
        self.settled = set(leaves)  # what exists, whatever comes later
        self.formed: dict[Powers, float] = {}  # products that the graph has, and their numbers
        self.writer = TermWriter()

    # --- Reading ---

    def read(self, node: Node) -> None:
        """Remember the terms of `node`, if it can be looked into."""
        terms = self._read(node)
        if terms and len(terms) <= MOST_TERMS and all(t is not None and t.number for t in terms):
            first, *others = self.terms[node] = [t for t in terms if t is not None]
            if not others:
                self.formed.setdefault(first.key, first.number)

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
            self.products[node] = self.writer.collected(terms, node) if worth else Term(1, {node: 1})
        return self.products[node]

    def _is_worth_collecting(self, node: Node, terms: list[Term]) -> bool:
        """Whether the terms of `node` have something in common."""
        return node in self.shorter or commonest(terms) is not None

    def _times(self, a: Term, b: Term, node: Node) -> Term | None:
        """The product, or None where a factor would cancel a divisor, or too many would come together."""
        if any(a.powers.get(x, 0) * n < 0 for x, n in b.powers.items()):
            return None  # x x / x is no number where x is 0
        powers = a.times(b).powers
        number = one_factor(a.number, b.number, node.dtype)
        if not number or sum(map(abs, powers.values())) > MOST_FACTORS:
            return None
        shared = self.writer.shared(powers)
        if shared is not powers:
            self.shorter.add(node)
        return Term(number, shared)

    def _merged(self, node: Node, terms: list[Term]) -> list[Term | None]:
        """Like terms become one; none where signs differ: infinity minus infinity is no number."""
        like: dict[Powers, Term] = {}
        for t in terms:
            if t.key in like and like[t.key].number * t.number < 0:
                return []
            like[t.key] = Term(like[t.key].number + t.number, t.powers) if t.key in like else t
        if len(like) < len(terms):
            self.shorter.add(node)
        return list(like.values())

    def _summed(self, node: Node, term: Term) -> Term | None:
        """A factor that is the same all along the summed axes stands before the sum."""
        x, axes = node.parents[0], node.params["axis"]
        if not x.size:
            return None  # the sum of no numbers is 0, whatever divides them; 0 / 0 is no number
        shapes = {y: padded(y, x.ndim) for y in term.powers}
        inner = {y: n for y, n in term.powers.items() if any(shapes[y][i] != 1 for i in axes)}
        if not inner or (len(inner) == len(term.powers) and term.number == 1):
            return None
        summand = self.writer.written(Term(1, inner), node)
        if summand.ndim < x.ndim or any(summand.shape[i] != x.shape[i] for i in axes):
            return None
        outer = {}
        for y, n in term.powers.items():
            if y not in inner:
                left = tuple(m for i, m in enumerate(shapes[y]) if node.params["keepdims"] or i not in axes)
                outer[shaped(y, left)] = n
        return Term(term.number, {ops.reduce_sum(summand, **node.params): 1, **outer})

    # --- Deciding ---

    def settle(self, node: Node) -> Node:
        """`node`, or a cheaper form of it."""
        terms = self.terms.pop(node, [])
        if terms and self._may_improve(node, terms):
            term = self.writer.collected(terms, node)
            better = self.writer.written(term, node)
            new, old = self._unsettled(better), self._unsettled(node)
            same_kind = (better.shape, better.dtype) == (node.shape, node.dtype)
            if same_kind and sum(map(price, new)) < sum(map(price, old)) and self._stays_finite(new):
                node = better
        for each in self._unsettled(node):
            self.accept(each)
        return node

    def accept(self, node: Node) -> None:
        """From here on `node` exists."""
        self.settled.add(node)
        self.writer.remember(node)

    def _may_improve(self, node: Node, terms: list[Term]) -> bool:
        """Whether there is more than one way to write `node`; most have one, and that is seen quickly."""
        if node.op is ops.reduce_sum:
            return True
        if all(p in self.settled for p in node.parents):
            return False
        return self._is_worth_collecting(node, terms) or any(t.size > 2 or t.number != 1 for t in terms)

    def _unsettled(self, node: Node) -> list[Node]:
        """`node` and what it takes that does not exist yet."""
        unsettled, stack = dict.fromkeys([node]), [node]
        while stack:
            for p in stack.pop().parents:
                if p not in self.settled and p not in unsettled:
                    unsettled[p] = None
                    stack.append(p)
        return list(unsettled)

    def _stays_finite(self, unsettled: list[Node]) -> bool:
        """Whether no new product on the way to the first of these can leave the range of its dtype."""
        node, *rest = unsettled
        known: dict[Node, float] = {}
        terms: dict[Node, Term] = {}
        for new in sorted(rest, key=attrgetter("created")):  # parents first
            terms[new] = term = term_of(new, terms)
            known[new] = reach(new, known)
            if (number := self.formed.get(term.key)) is not None:  # but for a number the graph has this product
                known[new] = min(known[new], ORDINARY[node.dtype.itemsize] + decades(term.number / number))
        return max(known.values(), default=0.0) <= FARTHEST[node.dtype.itemsize]
