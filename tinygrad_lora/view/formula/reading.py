"""Simplifies a graph to what a person would write: the compiler's passes, then rules that move numbers to the front."""

from collections.abc import Callable

from ...compiler.patterns import counts, uniform
from ...compiler.pipeline import PASSES
from ...core import ComputationNode as Node, Graph, constant, ops
from .composites import OPERATIONS, with_composites
from .terms import as_terms

sink_transposes, merge_duplicates = PASSES["sink_transposes"], PASSES["merge_duplicates"]
LAWS = (PASSES["fold_constants"], PASSES["simplify"], merge_duplicates, PASSES["raise_reshapes"], sink_transposes)
MOST_ROUNDS = 5
SIGMOID, MEAN, ONE_HOT = (OPERATIONS[name] for name in ("sigmoid", "mean", "one_hot"))


def readable(graph: Graph) -> Graph:
    """A simpler graph with the same values, in sums and products that read well."""
    graph = with_composites(graph, _as_it_is)
    for _ in range(MOST_ROUNDS):
        before = graph
        graph = with_composites(prepared(graph), prepared)
        graph = sink_transposes(graph.rewrite(_rule))
        if graph.outputs == before.outputs:
            break
    return merge_duplicates(as_terms(graph))


def prepared(graph: Graph) -> Graph:
    """The graph after the compiler's algebraic passes, whatever it would cost to run."""
    for law in LAWS:
        graph = law(graph)
    return graph


def _as_it_is(graph: Graph) -> Graph:
    return graph


def _rule(node: Node) -> Node | None:
    for rule in RULES:
        better = rule(node)
        if better is not None and (better.shape, better.dtype) == (node.shape, node.dtype):
            return better
    return None


Times = Callable[[Node], Node]


def _taken_out(x: Node) -> tuple[Node, Times] | None:
    """`x` without its numeric factor, and a function that multiplies by that factor; None if it has none."""
    match x:
        case Node(ops.scale, [inner]):
            return inner, lambda y: ops.scale(y, **x.params)
        case Node(ops.multiply, [a, b]) if a.shape == () != b.shape and not a.known:
            return b, lambda y: y * a
        case Node(ops.multiply, [a, b]) if b.shape == () != a.shape and not b.known:
            return a, lambda y: y * b
        case Node(ops.broadcast) if (filled := uniform(x)) not in (None, 0, 1):
            return ops.broadcast(_one(x), shape=x.shape), lambda y: ops.scale(y, factor=filled)
    return None


def _number_in_front(node: Node) -> Node | None:
    r"""$(sA)B = s(AB)$ and $\sum s x = s \sum x$."""
    match node:
        case Node(ops.matmul | ops.multiply | ops.divide, [a, b]):
            arrays = a.shape and b.shape  # next to a scalar, the number is already in front
            if (arrays or (a.shape and node.op is ops.divide)) and (out := _taken_out(a)) is not None:
                return out[1](node.op(out[0], b))
            if arrays and node.op is not ops.divide and (out := _taken_out(b)) is not None:
                return out[1](node.op(a, out[0]))
            if node.op is not ops.matmul and a.op is ops.scale:
                return ops.scale(node.op(a.parents[0], b), **a.params)
            if node.op is ops.multiply and b.op is ops.scale:
                return ops.scale(a * b.parents[0], **b.params)
        case Node(ops.transpose | ops.reshape | ops.reduce_sum, [x]) if (out := _taken_out(x)) is not None:
            return out[1](node.op(out[0], **node.params))
        case Node(op, [x]) if op is MEAN and (filled := uniform(x)) is not None:
            return ops.broadcast(constant(node.dtype.type(filled)), shape=node.shape)
        case Node(op, [x]) if op is MEAN and (out := _taken_out(x)) is not None:
            return out[1](_mean(out[0], node))
        case Node(ops.scale, [Node(ops.reduce_sum, [x]) as total]) if total.size:
            times = node.params["factor"] * (x.size // total.size)
            return ops.scale(_mean(x, total), factor=times) if abs(times) == 1 else None
    return None


def _mean(x: Node, like: Node) -> Node:
    return Node(MEAN, (x,), like.params, like.shape, like.dtype)


def _like_terms(node: Node) -> Node | None:
    """$2x + x = 3x$, $sa + sb = s(a + b)$, $-a + b = b - a$."""
    match node:
        case Node(ops.add | ops.subtract, [a, b]):
            (s, x), (t, y) = _with_factor(a), _with_factor(b)
            t = t if node.op is ops.add else -t
            if x is y:
                return ops.scale(x, factor=s + t)
            if s == -1 and t > 0:
                return ops.scale(y, factor=t) - x
            if abs(s) == abs(t) != 1:
                return ops.scale(x + y if s == t else x - y, factor=s)
        case Node(ops.scale, [Node(ops.subtract, [a, b])]) if node.params["factor"] < 0:
            return ops.scale(b - a, factor=-node.params["factor"])
    return None


def _with_factor(x: Node) -> tuple[float, Node]:
    return (x.params["factor"], x.parents[0]) if x.op is ops.scale else (1, x)


def _fractions(node: Node) -> Node | None:
    r"""$\frac as \pm \frac bs = \frac{a \pm b}s$ and $\sum_j \frac{a_{ij}}{s_i} = \frac{\sum_j a_{ij}}{s_i}$."""
    match node:
        case Node(ops.add | ops.subtract, [Node(ops.divide, [a, s]), Node(ops.divide, [b, t])]) if s is t:
            return node.op(a, b) / s
        case Node(ops.reduce_sum, [Node(ops.divide, [a, s])]) if a.ndim == s.ndim and node.params["keepdims"]:
            if all(s.shape[axis] == 1 != a.shape[axis] for axis in node.params["axis"]):
                return ops.reduce_sum(a, **node.params) / s
    return None


def _known_derivatives(node: Node) -> Node | None:
    r"""$\frac{a}{\sum e^x} e^x = a\,\mathrm{softmax}(x)$ and $\frac{a - a y}{e^x + 1} e^x = a y (1 - y)$, a sigmoid."""
    match node:
        case Node(ops.multiply, [Node(ops.divide, [a, Node(_, [e, *_]) as s]), f]) if e is f and e.op is ops.exp:
            return a * (e / s) if s.op in (ops.reduce_sum, ops.add) else None
        case Node(ops.subtract, [a, Node(ops.multiply, [b, y])]) if a is b and not a.known:
            return a * (_one(y) - y)
        case Node(ops.multiply, [Node(ops.multiply, [a, Node(ops.subtract, [one, y]) as rest]), z]) if y is z:
            return a * y * rest if y.op is SIGMOID and uniform(one) == 1 else None
        case Node(ops.where, [Node(ops.greater, [x, limit]), zero, y]) if uniform(limit) == 40 and uniform(zero) == 0:
            return y if _has_factor(y, x) else None  # the slope is 0 there in floats as well
        case Node(ops.greater, [Node(ops.relu, [x]), zero]) if uniform(zero) == 0:
            return x > zero
    return None


def _has_factor(product: Node, x: Node) -> bool:
    r"""Whether $\sigma(x)$ is a factor of the product."""
    if product.op is SIGMOID:
        return product.parents[0] is x
    return product.op in (ops.scale, ops.multiply) and any(_has_factor(y, x) for y in product.parents)


def _one_hot(node: Node) -> Node | None:
    """One at each label and zero elsewhere, as in the gradient of a cross-entropy."""
    match node:
        case Node(ops.scatter_add, [x, rows, labels]) if (filled := uniform(x)) is not None and counts(rows):
            if not labels.known and labels.shape == rows.shape == node.shape[:1] and node.ndim == 2:
                return ops.scale(Node(ONE_HOT, (labels,), {}, node.shape, node.dtype), factor=filled)
        case Node(ops.reduce_sum, [Node(op)]) if op is ONE_HOT and node.params["axis"] == (1,):
            return ops.broadcast(_one(node), shape=node.shape)
    return None


def _one(like: Node) -> Node:
    return constant(like.dtype.type(1))


RULES = (_number_in_front, _like_terms, _fractions, _known_derivatives, _one_hot)
