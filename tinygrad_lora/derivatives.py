r"""Whole derivatives of functions of arrays: $J v$, $u^\top J$, $J$, $H$ and $H v$.

There is no second set of rules for forward mode. The gradient $g(u) = J^\top u$ is linear in $u$, so its own gradient
for the seed $v$ is $J v$: forward mode is reverse mode, taken twice.

On arrays the results are arrays; where they depend on a node, as in a compiled function, they are nodes. Source: the
trick is Townsend 2017, "A new trick for calculating Jacobian vector products"; products with a Hessian are Pearlmutter
1994, "Fast exact multiplication by the Hessian".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any

import numpy as np

from .boundary.arguments import explained
from .boundary.arrays import real_array, words_for
from .core import ops
from .core.autodiff import BEING_VARIED, gradients
from .core.graph import topological_order
from .core.node import INPUT, ComputationNode, constant
from .errors import GradientError, ShapeError
from .library import concatenate, reshape

Function = Callable[..., Any]


@explained
def vjp(f: Function, *args: Any) -> tuple[Any, Function]:
    r"""$y = f(x)$, and the function $u \mapsto u^\top J$: the gradients of $\sum u \odot f(x)$.

    This is what backpropagation computes. One call of the function costs about as much as `f`, however many arguments.

    f: a function of nodes that gives a node of any shape
    *args: its arguments, arrays or nodes of floats; whole numbers become floats
    Returns a pair: y, and a function of u, an array of y's shape, that gives one gradient of an argument's shape, or a
    tuple of them for several arguments.
    Raises GradientError where `f` gives no node or there is no argument, ShapeError for a u of another shape, TypeError
    for what cannot be called.

    >>> y, pull = tl.vjp(lambda x: x * x, np.array([1.0, 2.0]))
    >>> y, pull(np.array([1.0, 10.0]))
    (array([1., 4.]), array([ 2., 40.]))
    """
    with _varied(args) as (nodes, from_arrays):
        y = _result(f, nodes)

    def pull(seed: Any) -> Any:
        slopes = gradients(y, nodes, seed=_like(seed, y, "the seed", "the result"))
        given = tuple(_given(slope, from_arrays and not _any_node([seed])) for slope in slopes)
        return given if len(given) > 1 else given[0]

    return _given(y, from_arrays), pull


@explained
def jvp(f: Function, args: Any, tangents: Any) -> tuple[Any, Any]:
    """$y = f(x)$ and $J v$: how the result moves where the arguments move by `tangents`.

    f: a function of nodes that gives a node of any shape
    args: a tuple of its arguments, arrays or nodes; one array is a tuple of one
    tangents: v, a tuple with one array for each argument, of its shape
    Returns a pair of two arrays of y's shape: y and $J v$.
    Raises GradientError where `f` gives no node or the lengths differ, ShapeError for a tangent of another shape,
    TypeError for what cannot be called.

    >>> tl.jvp(lambda x: x * x, np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    (array([1., 4.]), array([2., 0.]))
    """
    args, tangents = _tuples(args, tangents)
    with _varied(args) as (nodes, from_arrays):
        y = _result(f, nodes)
        seed = ops.identity(constant(np.ones(y.shape, y.dtype)))  # any seed would do; 0 times infinity would warn
        slopes = gradients(y, nodes, seed=seed)
    moves = [
        gradients(slope, seed, seed=_like(tangent, x, f"tangent {i}", f"argument {i}"))
        for i, (slope, x, tangent) in enumerate(zip(slopes, nodes, tangents, strict=True))
    ]
    for move in moves:  # a name such as d%3/d%0 would be that of another derivative
        move.call = None if move.call and move.call[0] is gradients else move.call
    return _given(y, from_arrays), _given(reduce(ops.add, moves), from_arrays and not _any_node(tangents))


def jacobian(f: Function, argnum: int = 0) -> Function:
    r"""The function $x \mapsto \partial f / \partial x$ for one argument. Nests.

    It takes one backward pass for each number of the result: `jvp` and `vjp` give products with it for the price of
    one.

    f: a function of nodes that gives a node of any shape
    argnum: which argument, counted from 0
    Returns a function of the arguments of `f`; it gives an array of shape y.shape + x.shape.
    Raises GradientError where `f` gives no node or there is no such argument, TypeError for what cannot be called. All
    of them come with the call.

    >>> tl.jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    return explained(lambda *args: _jacobian(f, argnum, args), "jacobian")


def hessian(f: Function, argnum: int = 0) -> Function:
    r"""The function $x \mapsto \partial^2 f / \partial x^2$ of a scalar `f`.

    It takes one backward pass through the gradient for each number of x: `hvp` gives a product with it for the price of
    one.

    f: a function of nodes that gives a scalar node
    argnum: which argument, counted from 0
    Returns a function of the arguments of `f`; it gives an array of shape x.shape + x.shape.
    Raises GradientError where the result of `f` is no scalar node or there is no such argument, TypeError for what
    cannot be called. All of them come with the call.

    >>> tl.hessian(lambda x: tl.sum(x**3))(np.array([1.0, 2.0]))
    array([[ 6.,  0.],
           [ 0., 12.]])
    """

    def slope(*args: Any) -> Any:
        return gradients(_result(f, args), args[argnum])

    return explained(lambda *args: _jacobian(slope, argnum, args), "hessian")


@explained
def hvp(f: Function, args: Any, vectors: Any) -> Any:
    """$H v$: how the gradient of a scalar `f` moves where its arguments move by `vectors`, without making $H$.

    f: a function of nodes that gives a scalar node
    args: a tuple of its arguments, arrays or nodes; one array is a tuple of one
    vectors: v, a tuple with one array for each argument, of its shape
    Returns an array of the argument's shape, or a tuple with one for each of several arguments.
    Raises GradientError where the result of `f` is no scalar node or the lengths differ, ShapeError for a vector of
    another shape, TypeError for what cannot be called.

    >>> tl.hvp(lambda x: tl.sum(x**3), np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    array([ 6., 12.])
    """
    args, vectors = _tuples(args, vectors)
    with _varied(args) as (nodes, from_arrays):
        slopes = gradients(_result(f, nodes), nodes)
        seeds = [
            _like(v, x, f"vector {i}", f"argument {i}") for i, (v, x) in enumerate(zip(vectors, nodes, strict=True))
        ]
        moves = [gradients(slope, nodes, seed=seed) for slope, seed in zip(slopes, seeds, strict=True)]
        products = [reduce(ops.add, parts) for parts in zip(*moves, strict=True)]
    given = tuple(_given(product, from_arrays and not _any_node(vectors)) for product in products)
    return given if len(given) > 1 else given[0]


def _jacobian(f: Function, argnum: int, args: Sequence[Any]) -> Any:
    if argnum not in range(len(args)):
        raise GradientError(f"there is no argument {argnum}: the function was called with {len(args)}")
    with _varied(args[argnum : argnum + 1]) as ([x], from_arrays):
        y = _result(f, [*args[:argnum], x, *args[argnum + 1 :]])
        rows = []
        for i in range(y.size):
            seed = np.zeros(y.shape, y.dtype)
            seed.flat[i] = 1
            rows.append(reshape(gradients(y, x, seed=seed), (1, *x.shape)))
        total = concatenate(rows) if rows else ops.cast(y, dtype=x.dtype)
        result = reshape(total, y.shape + x.shape)
    return _given(result, from_arrays)


@contextmanager
def _varied(args: Sequence[Any]) -> Iterator[tuple[list[ComputationNode], bool]]:
    """A node for each argument, of its own, and whether all of them were arrays."""
    if not args:
        raise GradientError("there is no argument to differentiate with respect to")
    leaves, arrays = [], []
    for i, x in enumerate(args):
        if not isinstance(x, ComputationNode):
            start = real_array(x, f"argument {i}")
            x = constant(start.astype(np.result_type(start.dtype, np.float16)))  # whole numbers become floats
            arrays.append(x)
        leaves.append(x)
    BEING_VARIED.update(arrays)
    try:
        yield [ops.identity(x) for x in leaves], len(arrays) == len(args)
    finally:
        BEING_VARIED.difference_update(arrays)


def _result(f: Function, args: Sequence[Any]) -> ComputationNode:
    if not callable(f):
        raise TypeError(f"a derivative is that of a function, not of {words_for(f)}")
    y = f(*args)
    if not isinstance(y, ComputationNode):
        raise GradientError(f"the function must return a node computed from its arguments, not {words_for(y)}")
    return y


def _given(node: ComputationNode, from_arrays: bool) -> Any:
    """The value of a result, or the node itself where it depends on one that is not known or is being varied."""
    if not from_arrays or any(n.op is INPUT or n in BEING_VARIED for n in topological_order([node])):
        return node
    return node.value


def _like(array: Any, node: ComputationNode, what: str, whose: str) -> Any:
    """An array, or a node, of the shape of a node."""
    if not isinstance(array, ComputationNode):
        array = real_array(array, what).astype(node.dtype)
    if array.shape != node.shape:
        raise ShapeError(f"{what} has shape {array.shape}, but {whose} has {node.shape}: they must be equal")
    return array


def _tuples(args: Any, others: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    args, others = (x if isinstance(x, tuple) else (x,) for x in (args, others))
    if len(args) != len(others):
        raise GradientError(f"{len(args)} arguments and {len(others)} directions: pass a direction for each argument")
    return args, others


def _any_node(values: Sequence[Any]) -> bool:
    return any(isinstance(x, ComputationNode) for x in values)
