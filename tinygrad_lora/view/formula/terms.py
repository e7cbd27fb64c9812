"""Sums of products as people write them: like terms collected, powers, one fraction in each term."""

from functools import reduce
from operator import mul

from ...compiler.patterns import scaled, uniform
from ...compiler.terms import Term
from ...core import ComputationNode as Node, Graph, constant, ops, rebuilt

MOST_TERMS = 16  # a longer sum stays as it is
ALGEBRA = (ops.add, ops.subtract, ops.multiply, ops.divide, ops.scale, ops.power)


def as_terms(graph: Graph) -> Graph:
    r"""$ab + x x + ba = 2ab + x^2$ and $\frac{a b}{b^2} = \frac ab$, wherever sums and products are formed."""
    known: dict[Node, list[Term]] = {}

    def build(old: Node, parents: tuple[Node, ...]) -> Node:
        node = rebuilt(old, parents)
        if node.op not in ALGEBRA or node.dtype.kind != "f":
            return node
        terms = _terms(node, known)
        written = _sum(terms, node) if len(terms) <= MOST_TERMS else node
        if written.shape != node.shape and uniform(written) is not None:  # x / x
            written = ops.broadcast(written, shape=node.shape)
        if (written.shape, written.dtype) != (node.shape, node.dtype):
            written = node
        known[written] = terms if len(terms) <= MOST_TERMS else [Term(1, {node: 1})]
        return written

    return graph.map(build)


def _terms(node: Node, known: dict[Node, list[Term]]) -> list[Term]:
    """The terms of a sum; a product or a fraction is a single term."""
    if node in known:
        return known[node]
    match node:
        case Node(ops.add | ops.subtract, [a, b]):
            sign = 1 if node.op is ops.add else -1
            return _together([*_terms(a, known), *(Term(sign * t.number, t.powers) for t in _terms(b, known))])
        case Node(ops.multiply | ops.divide, [a, b]):
            above, below = _single(a, known), _single(b, known)
            if below.number or node.op is ops.multiply:
                number, powers = above.times(below, 1 if node.op is ops.multiply else -1)
                return [Term(number, {x: n for x, n in powers.items() if n})]
        case Node(ops.scale, [x]):
            number, powers = _single(x, known)
            return [Term(number * node.params["factor"], powers)]
        case Node(ops.power, [x]) if isinstance(n := node.params["exponent"], int) and n > 0:
            number, powers = _single(x, known)
            return [Term(number**n, {y: m * n for y, m in powers.items()})]
    filled = uniform(node)
    return [Term(1, {node: 1}) if filled is None else Term(filled, {})]


def _single(x: Node, known: dict[Node, list[Term]]) -> Term:
    """The node as one term; a sum of several terms becomes a factor, in brackets."""
    terms = _terms(x, known)
    return terms[0] if len(terms) == 1 else Term(1, {x: 1})


def _together(terms: list[Term]) -> list[Term]:
    """The terms with like ones added; terms that cancel are dropped."""
    sums: dict[object, Term] = {}
    for term in terms:
        total = sums.get(term.key, Term(0.0, term.powers))
        sums[term.key] = Term(total.number + term.number, total.powers)
    return [term for term in sums.values() if term.number] or [Term(0, {})]


def _sum(terms: list[Term], like: Node) -> Node:
    """The sum of the terms: a positive one first, a plain number last, as in `x - 1` and `1 - x`."""
    ordered = sorted(terms, key=lambda t: not t.powers)
    first = next((t for t in ordered if t.number > 0), ordered[0])
    total = _product(first, like)
    for term in (t for t in ordered if t is not first):
        size = _product(Term(abs(term.number), term.powers), like)
        total = total + size if term.number > 0 else total - size
    return total


def _product(term: Term, like: Node) -> Node:
    """The product of a term: its number, then scalars in alphabetical order, then arrays, small ones first."""
    number, powers = term
    if not powers or not number:
        return constant(like.dtype.type(number))
    factors = sorted(powers, key=lambda x: (x.size, *(() if x.shape else (bool(x.parents), x.name or ""))))
    above, below = ([_power(x, abs(n)) for x in factors if (n := powers[x]) * sign > 0] for sign in (1, -1))
    if not below:
        return scaled(reduce(mul, above), number)
    size, sign, under = abs(number), -1 if number < 0 else 1, reduce(mul, below)
    if above and float(size).is_integer():  # 2 a / b, but 1/3 of a / b
        return scaled(scaled(reduce(mul, above), size) / under, sign)
    if above:
        return scaled(reduce(mul, above) / under, number)
    if size < 1 and (1 / size).is_integer():  # 1 / (2 a), and 3 / a
        size, under = 1, ops.scale(under, factor=1 / size)
    return scaled(constant(like.dtype.type(size)) / under, sign)


def _power(x: Node, n: int) -> Node:
    return x if n == 1 else ops.power(x, n)
