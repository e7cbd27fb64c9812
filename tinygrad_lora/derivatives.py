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

    u has the shape of y. The function gives one gradient for one argument, and a tuple of them for several. Raises
    GradientError where `f` gives no node or there is no argument, ShapeError for a seed of another shape.
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
    r"""$y = f(x)$ and $J v$: how the result moves where the arguments move by `tangents`.

    `args` and `tangents` are tuples of equal length; one array is a tuple of one. Both results have the shape of y.
    Raises GradientError as `vjp` does or where the lengths differ, ShapeError for a tangent of another shape.
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
    return _given(y, from_arrays), _given(_sum(moves), from_arrays and not _any_node(tangents))


def jacobian(f: Function, argnum: int = 0) -> Function:
    r"""The function $x \mapsto \partial f / \partial x$ for argument `argnum`, of shape y.shape + x.shape.

    It takes one backward pass for each number of the result. Nests. Raises GradientError as `vjp` does, or where there
    is no such argument.
    """
    return explained(lambda *args: _jacobian(f, argnum, args), "jacobian")


def hessian(f: Function, argnum: int = 0) -> Function:
    r"""The function $x \mapsto \partial^2 f / \partial x^2$ of a scalar `f`, of shape x.shape + x.shape.

    Raises GradientError as `jacobian` does, or where the result of `f` is no scalar.
    """

    def slope(*args: Any) -> Any:
        return gradients(_result(f, args), args[argnum])

    return explained(lambda *args: _jacobian(slope, argnum, args), "hessian")


@explained
def hvp(f: Function, args: Any, vectors: Any) -> Any:
    r"""$H v$: how the gradient of a scalar `f` moves where its arguments move by `vectors`, without making $H$.

    `args` and `vectors` are tuples of equal length; one array is a tuple of one. The result has their shapes. Raises
    GradientError and ShapeError as `jvp` does, or where the result of `f` is no scalar.
    """
    args, vectors = _tuples(args, vectors)
    with _varied(args) as (nodes, from_arrays):
        slopes = gradients(_result(f, nodes), nodes)
        seeds = [
            _like(v, x, f"vector {i}", f"argument {i}") for i, (v, x) in enumerate(zip(vectors, nodes, strict=True))
        ]
        moves = [gradients(slope, nodes, seed=seed) for slope, seed in zip(slopes, seeds, strict=True)]
        products = [_sum(parts) for parts in zip(*moves, strict=True)]
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


def _sum(nodes: Sequence[ComputationNode]) -> ComputationNode:
    total = nodes[0]
    for node in nodes[1:]:
        total = total + node
    return total


def _any_node(values: Sequence[Any]) -> bool:
    return any(isinstance(x, ComputationNode) for x in values)
