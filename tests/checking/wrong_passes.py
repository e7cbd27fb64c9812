"""Rewrites that somebody has believed in, each as a short pass. `check_pass` must refute every one.

`WRONG` maps each pass to what refutes it: "exact" (small whole numbers, shapes and dtypes), "real" (functions that
round) or "special" (infinities, nan, huge numbers).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from math import prod
from typing import Any

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.core import ops
from tinygrad_lora.core.graph import rebuilt

Node = tl.ComputationNode
WRONG: dict[Callable[[tl.Graph], tl.Graph], str] = {}


def refuted_by(mode: str) -> Any:
    """A rule for one node as a pass that asks it once at each node."""

    def made(rule: Callable[[Node], Node | None]) -> Any:
        @wraps(rule)
        def apply(graph: tl.Graph) -> tl.Graph:
            def build(old: Node, parents: tuple[Node, ...]) -> Node:
                node = rebuilt(old, parents)
                better = rule(node)
                return node if better is None else better

            return graph.map(build)

        WRONG[apply] = mode
        return apply

    return made


def zero(node: Node) -> Node:
    """A zero of the shape and dtype of the node."""
    return tl.broadcast(tl.constant(node.dtype.type(0)), node.shape)


def swapped(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple({0: 1, 1: 0}.get(i, i) for i in axes)


# --- Products of matrices ---


@refuted_by("exact")
def matrices_commute(node):
    r"""$AB = BA$."""
    match node:
        case Node(ops.matmul, [a, b]) if a.shape == b.shape:
            return b @ a


@refuted_by("exact")
def transpose_of_a_product(node):
    r"""$(AB)^\top = A^\top B^\top$."""
    match node:
        case Node(ops.transpose, [Node(ops.matmul, [a, b])]) if a.shape == b.shape:
            return a.mT @ b.mT


@refuted_by("exact")
def scale_in_both_factors(node):
    r"""$s(AB) = (sA)(sB)$."""
    match node:
        case Node(ops.scale, [Node(ops.matmul, [a, b])]):
            s = node.params["factor"]
            return ops.scale(a, factor=s) @ ops.scale(b, factor=s)


@refuted_by("exact")
def two_kinds_of_product(node):
    r"""$A (B \circ C) = (A B) \circ C$."""
    match node:
        case Node(ops.matmul, [a, Node(ops.multiply, [b, c])]) if b.ndim > 1 and c.shape == node.shape:
            return (a @ b) * c


@refuted_by("exact")
def products_associate_with_sums(node):
    r"""$(A + B) C = A + B C$."""
    match node:
        case Node(ops.matmul, [Node(ops.add, [a, b]), c]) if a.shape == b.shape == node.shape:
            return a + b @ c


@refuted_by("exact")
def a_factor_goes_to_the_smaller_array(node):
    r"""$(s A) B = A (s B)$, also where B holds whole numbers."""
    match node:
        case Node(ops.matmul, [Node(ops.scale, [a]) as scaled, b]) if b.size <= a.size:
            return a @ ops.scale(b, factor=scaled.params["factor"])


# --- Sums and means ---


@refuted_by("exact")
def sum_of_a_product(node):
    r"""$\sum a b = \sum a \sum b$."""
    match node:
        case Node(ops.reduce_sum, [Node(ops.multiply, [a, b])]) if a.shape == b.shape:
            return ops.reduce_sum(a, **node.params) * ops.reduce_sum(b, **node.params)


@refuted_by("exact")
def sum_of_what_is_repeated(node):
    r"""$\sum x = x$ for a repeated x: how often is forgotten."""
    match node:
        case Node(ops.reduce_sum, [Node(ops.broadcast, [x])]) if x.shape == node.shape:
            return x


@refuted_by("exact")
def sum_over_a_broadcast_axis(node):
    r"""$\sum (a + b) = \sum a + \sum b$, also where one of them is repeated."""
    match node:
        case Node(ops.reduce_sum, [Node(ops.add, [a, b])]) if a.ndim == b.ndim:
            return ops.reduce_sum(a, **node.params) + ops.reduce_sum(b, **node.params)


@refuted_by("exact")
def mean_of_means(node):
    """The mean of two arrays side by side is the mean of their means, also where one is longer."""
    match node:
        case Node(ops.scale, [Node(ops.reduce_sum, [Node(ops.concatenate, [a, b]) as both]) as total]):
            axes = total.params["axis"]
            if both.params["axis"] in axes and node.params["factor"] == 1 / max(prod(both.shape[i] for i in axes), 1):
                return (tl.mean(a, **total.params) + tl.mean(b, **total.params)) * 0.5


@refuted_by("exact")
def sums_one_after_the_other(node):
    r"""$\sum_j \sum_i = \sum_{ij}$ with the numbers of the axes as they stand."""
    match node:
        case Node(ops.reduce_sum, [Node(ops.reduce_sum, [x]) as inner]):
            if not inner.params["keepdims"] and not node.params["keepdims"]:
                axis = tuple(sorted({*inner.params["axis"], *node.params["axis"]}))
                return ops.reduce_sum(x, axis=axis, keepdims=False)


@refuted_by("exact")
def sum_over_an_axis_of_length_one(node):
    """A sum of one number is that number; the axis is forgotten."""
    match node:
        case Node(ops.reduce_sum, [x]) if prod(x.shape[i] for i in node.params["axis"]) == 1:
            return x


@refuted_by("exact")
def sum_of_chosen_rows(node):
    r"""$\sum_k x_{i_k} = \sum_i x_i$: which rows were taken is forgotten."""
    match node:
        case Node(ops.reduce_sum, [Node(ops.take, [x, indices])]) if node.params["axis"] == (0,) and indices.ndim == 1:
            return ops.reduce_sum(x, **node.params)


@refuted_by("exact")
def sum_of_a_transposed_batch(node):
    """A sum along the rows of the transpose is one along the columns; a batch has other axes."""
    match node:
        case Node(ops.reduce_sum, [Node(ops.transpose, [x])]):
            return ops.reduce_sum(x, **node.params | {"axis": tuple(sorted(swapped(node.params["axis"])))})


@refuted_by("exact")
def part_of_a_sum(node):
    r"""$(\sum_i x_i)_k = \sum_i (x_k)_i$: the key meets another axis."""
    match node:
        case Node(ops.index, [Node(ops.reduce_sum, [x]) as total]) if not total.params["keepdims"]:
            return ops.reduce_sum(ops.index(x, key=node.params["key"]), **total.params)


# --- Choices ---


@refuted_by("exact")
def relu_of_a_sum(node):
    r"""$\mathrm{relu}(a + b) = \mathrm{relu}(a) + \mathrm{relu}(b)$."""
    match node:
        case Node(ops.relu, [Node(ops.add, [a, b])]):
            return tl.relu(a) + tl.relu(b)


@refuted_by("exact")
def relu_of_a_multiple(node):
    r"""$\mathrm{relu}(s x) = s\,\mathrm{relu}(x)$, also for negative s."""
    match node:
        case Node(ops.relu, [Node(ops.scale, [x]) as scaled]):
            return ops.scale(tl.relu(x), **scaled.params)


@refuted_by("exact")
def max_of_a_sum(node):
    r"""$\max(a + b) = \max a + \max b$."""
    match node:
        case Node(ops.reduce_max, [Node(ops.add, [a, b])]) if a.shape == b.shape:
            return ops.reduce_max(a, **node.params) + ops.reduce_max(b, **node.params)


@refuted_by("exact")
def max_of_a_multiple(node):
    r"""$\max s x = s \max x$, also for negative s."""
    match node:
        case Node(ops.reduce_max, [Node(ops.scale, [x]) as scaled]):
            return ops.scale(ops.reduce_max(x, **node.params), **scaled.params)


@refuted_by("exact")
def not_greater_is_less(node):
    r"""$[a > b] = 1 - [b > a]$: equal numbers are forgotten."""
    match node:
        case Node(ops.greater, [a, b]):
            return tl.where(ops.greater(b, a), tl.constant(False), tl.constant(True))


@refuted_by("exact")
def where_as_arithmetic(node):
    r"""$\mathrm{where}(c, a, b) = c a + (1 - c) b$, also for infinities."""
    match node:
        case Node(ops.where, [c, a, b]) if c.dtype == bool and a.dtype == b.dtype and a.dtype.kind == "f":
            c = tl.cast(c, a.dtype)
            return c * a + (1.0 - c) * b


@refuted_by("exact")
def differences_commute(node):
    r"""$a - b = b - a$."""
    match node:
        case Node(ops.subtract, [a, b]):
            return b - a


# --- Shapes and parts ---


@refuted_by("exact")
def reshape_across_a_transpose(node):
    """The elements are the same ones, so the transpose does not matter."""
    match node:
        case Node(ops.reshape, [Node(ops.transpose, [x])]):
            return ops.reshape(x, **node.params)


@refuted_by("exact")
def no_need_to_repeat(node):
    """NumPy repeats the operands of an elementwise operation, so no array need be repeated before."""
    if node.op.elementwise and any(p.op is ops.broadcast for p in node.parents):
        return node.op(*(p.parents[0] if p.op is ops.broadcast else p for p in node.parents), **node.params)


@refuted_by("exact")
def nothing_is_added(node):
    r"""$x + 0 = x$, whatever the dtype of the zero."""
    match node:
        case Node(ops.add, [x, Node(_, []) as zero]) if zero.known and not np.any(zero.value) and x.shape == node.shape:
            return x


@refuted_by("exact")
def order_does_not_matter(node):
    """Arrays side by side, in the other order."""
    match node:
        case Node(ops.concatenate, [a, b]):
            return ops.concatenate(b, a, **node.params)


@refuted_by("exact")
def one_place_twice(node):
    """Scattered rows are simply put at their places: those that come twice are not added up."""
    match node:
        case Node(ops.scatter_add, [x, indices]) if indices.shape == (2,) and x.shape[0] == 2:
            return ops.place(x[1:], key=(slice(0, 1),), shape=node.params["shape"]) if x.shape[1:] else None


@refuted_by("exact")
def a_gradient_is_stopped(node):
    """What no gradient passes through is a constant, so it is zero."""
    match node:
        case Node(ops.stop_gradient):
            return zero(node)


@refuted_by("exact")
def dtypes_do_not_matter(node):
    """The same numbers in another dtype are the same numbers."""
    match node:
        case Node(ops.cast, [x]):
            return x


@refuted_by("exact")
def whole_numbers_and_back(node):
    """A cast to whole numbers and back changes nothing."""
    match node:
        case Node(ops.cast, [Node(ops.cast, [x])]) if x.dtype == node.dtype:
            return x


# --- Powers ---


@refuted_by("exact")
def square_of_a_sum(node):
    r"""$(a + b)^2 = a^2 + b^2$."""
    match node:
        case Node(ops.power, [Node(ops.add, [a, b])]) if node.params["exponent"] == 2:
            return a**2 + b**2


@refuted_by("exact")
def exponents_add_up(node):
    r"""$(x^m)^n = x^{m + n}$."""
    match node:
        case Node(ops.power, [Node(ops.power, [x]) as inner]):
            return ops.power(x, exponent=inner.params["exponent"] + node.params["exponent"])


# --- Functions of real numbers ---


@refuted_by("real")
def exp_of_a_sum(node):
    r"""$e^{a + b} = e^a + e^b$."""
    match node:
        case Node(ops.exp, [Node(ops.add, [a, b])]):
            return tl.exp(a) + tl.exp(b)


@refuted_by("real")
def log_of_a_sum(node):
    r"""$\ln(a + b) = \ln a + \ln b$."""
    match node:
        case Node(ops.log, [Node(ops.add, [a, b])]):
            return tl.log(a) + tl.log(b)


@refuted_by("real")
def root_of_a_square(node):
    r"""$\sqrt{x^2} = x$, also for negative x."""
    match node:
        case Node(ops.sqrt, [Node(ops.power, [x])]) if node.parents[0].params["exponent"] == 2:
            return x


@refuted_by("real")
def softmax_without_keepdims(node):
    """The sums of a softmax without their axis: in a square array they still broadcast."""
    match node:
        case Node(ops.divide, [Node(ops.exp) as e, Node(ops.reduce_sum, [same]) as total]) if e is same:
            return e / ops.reduce_sum(e, axis=total.params["axis"], keepdims=False)


@refuted_by("real")
def softmax_over_the_wrong_axis(node):
    """The sums of a softmax over the first axis, whichever was asked for."""
    match node:
        case Node(ops.divide, [Node(ops.exp) as e, Node(ops.reduce_sum, [same]) as total]) if e is same:
            return e / ops.reduce_sum(e, axis=(0,), keepdims=True) if total.params["keepdims"] else None


@refuted_by("real")
def quotient_of_a_sum(node):
    r"""$a / (b + c) = a / b + a / c$."""
    match node:
        case Node(ops.divide, [a, Node(ops.add, [b, c])]):
            return a / b + a / c


@refuted_by("real")
def quotients_commute(node):
    r"""$a / b = b / a$."""
    match node:
        case Node(ops.divide, [a, b]):
            return b / a


# --- Numbers at which a law fails ---


@refuted_by("special")
def a_difference_is_zero(node):
    r"""$x - x = 0$: not for infinities."""
    match node:
        case Node(ops.subtract, [a, b]) if a is b:
            return zero(node)


@refuted_by("special")
def a_quotient_is_one(node):
    r"""$x / x = 1$: not for 0, infinities and nan."""
    match node:
        case Node(ops.divide, [a, b]) if a is b:
            return zero(node) + 1.0


@refuted_by("special")
def nothing_times_anything(node):
    r"""$0 x = 0$: not for infinities."""
    match node:
        case Node(ops.scale) if node.params["factor"] == 0:
            return zero(node)


@refuted_by("special")
def log_of_exp(node):
    r"""$\ln e^x = x$: not where the exponential overflows."""
    match node:
        case Node(ops.log, [Node(ops.exp, [x])]):
            return x


@refuted_by("special")
def exponentials_join(node):
    r"""$e^a e^b = e^{a + b}$: one may overflow where the other vanishes."""
    match node:
        case Node(ops.multiply, [Node(ops.exp, [a]), Node(ops.exp, [b])]):
            return tl.exp(a + b)


@refuted_by("special")
def relu_as_a_product(node):
    r"""$\mathrm{relu}(x) = x [x > 0]$: minus infinity times nothing is not a number."""
    match node:
        case Node(ops.relu, [x]) if x.dtype.kind == "f":
            return x * ops.greater(x, 0.0)


@refuted_by("special")
def a_factor_leaves_a_sum_of_bytes(node):
    r"""$\sum s x = s \sum x$ for whole numbers: a sum is wider than what it adds up, where the product has wrapped."""
    match node:
        case Node(ops.reduce_sum, [Node(ops.scale, [x]) as scaled]) if x.dtype.kind in "iu":
            if node.params["axis"] and scaled.dtype.kind in "iu":
                return ops.scale(ops.reduce_sum(x, **node.params), **scaled.params)


@refuted_by("special")
def products_cancel(node):
    r"""$(a b) / b = a$: not for 0, nor where the product overflows or wraps."""
    match node:
        case Node(ops.divide, [Node(ops.multiply, [a, b]), c]) if b is c and a.dtype == node.dtype:
            return a if a.shape == node.shape else None


# --- Passes that are no rules ---


def duplicates_by_operands(graph: tl.Graph) -> tl.Graph:
    """Merge what has the same operation and operands, whatever the parameters."""
    seen: dict[Any, Node] = {}

    def build(old: Node, parents: tuple[Node, ...]) -> Node:
        node = rebuilt(old, parents)
        first = seen.setdefault((node.op, parents), node)
        return first if first.shape == node.shape else node

    return graph.map(build)


def unused_outputs_are_dropped(graph: tl.Graph) -> tl.Graph:
    """Nobody reads the other outputs inside of the graph."""
    return tl.Graph(graph.inputs, graph.outputs[:1], graph.captured)


def outputs_in_another_order(graph: tl.Graph) -> tl.Graph:
    """The outputs, the shortest computation first."""
    order = sorted(graph.outputs, key=lambda node: len(node.parents))
    return tl.Graph(graph.inputs, order, graph.captured) if order != list(graph.outputs) else graph


def constants_in_float32(graph: tl.Graph) -> tl.Graph:
    """Constants take half the memory."""
    small = {
        n: tl.constant(n.value.astype(np.float32))
        for n in graph.nodes
        if not n.parents and n.known and n.dtype == np.float64
    }
    return graph.map(rebuilt, small)


WRONG |= {
    duplicates_by_operands: "exact", unused_outputs_are_dropped: "exact", outputs_in_another_order: "exact",
    constants_in_float32: "exact",
}  # fmt: skip
