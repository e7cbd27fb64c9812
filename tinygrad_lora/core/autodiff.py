r"""Reverse-mode differentiation: $\bar x = \sum_{y \text{ uses } x} \bar y\,\partial y / \partial x$, from the output back.

Source: Baydin et al. 2018, "Automatic differentiation in machine learning: a survey", section 3.2 (arXiv:1502.05767).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from ..errors import GradientError, ShapeError, StaleGraphError, TraceError
from .graph import topological_order
from .node import INPUT, ComputationNode, Shape, constant
from .ops import broadcast, identity, reduce_sum, reshape


def pulling_back(
    output: ComputationNode, seed: Any, wrt: Sequence[ComputationNode] | None = None
) -> Iterator[tuple[ComputationNode, Any]]:
    """Walk back from `output` and yield each node with its complete gradient: when all its users have contributed.

    Only nodes between `output` and `wrt` are visited (None: those that require a gradient). If `seed` is an array the
    rules run on arrays; if it is a node they run on nodes, and give a graph.
    """
    order = topological_order([output], trainable=True) if wrt is None else _between(output, wrt)
    symbolic = isinstance(seed, ComputationNode)
    gradients = dict.fromkeys(order)
    gradients[output] = seed
    for node in reversed(order):
        g, parents = gradients[node], node.parents
        if g is None:
            continue
        yield node, g
        if not parents:
            continue
        y, operands = (node, parents) if symbolic else (node._value, [p._value for p in parents])
        for parent, part in zip(parents, node.op.vjp(g, y, *operands, **node.params), strict=True):
            if parent.created > node.created:
                raise StaleGraphError(f"parameter {parent.name or ''} got a new value after {node!r} was computed from it")
            if part is None or parent not in gradients:
                continue
            if type(part) is FunctionType:
                part = part()
            if part.shape != parent.shape:
                part = unbroadcast(part, parent.shape)
            earlier = gradients[parent]
            gradients[parent] = part if earlier is None else earlier + part


def _between(output: ComputationNode, wrt: Sequence[ComputationNode]) -> list[ComputationNode]:
    """The nodes on a differentiable path from `wrt` to `output`, parents first."""
    order, reached = topological_order([output]), set(wrt)
    for node in order:
        if node.op.differentiable and not reached.isdisjoint(node.parents):
            reached.add(node)
    return [node for node in order if node in reached]


def unbroadcast(g: Any, shape: Shape) -> Any:
    """Sum over the axes that broadcasting added or stretched: the gradient of a repeated number is a sum."""
    extra = len(g.shape) - len(shape)
    stretched = (i + extra for i, n in enumerate(shape) if n == 1 and g.shape[i + extra] != 1)
    summed = reduce_sum(g, axis=(*range(extra), *stretched), keepdims=False)
    return summed if summed.shape == shape else reshape(summed, shape=shape)


def backward(output: ComputationNode, seed: Any = None) -> None:
    """Add d(output)/d(node) into `.gradient` of every node below that requires one. Calling it twice doubles.

    A non-scalar output needs `seed`, an array of its shape: the gradient is then that of `sum(seed * output)`.
    """
    if not output.known:
        raise TraceError(f"{output!r} is symbolic, so it has no numbers to send back: use tl.gradients(output, wrt)")
    if not output.requires_gradient:
        raise GradientError("nothing to train: the output depends on no parameter that requires a gradient")
    seed = _seed(output, seed, "backward()")
    for node, g in dict(pulling_back(output, seed)).items():  # all of it first: a rule that fails changes nothing
        node._gradient = g if node._gradient is None else node._gradient + g


ComputationNode.backward = backward


def _seed(output: ComputationNode, seed: Any, who: str) -> Any:
    """What flows into `output`: 1 for a number; for an array the caller must say."""
    if seed is None and output.shape:
        raise GradientError(
            f"{who} starts at a number, and this node has shape {output.shape}: "
            f"take tl.sum or tl.mean first, or pass seed=np.ones({output.shape})"
        )
    array = np.array(1.0 if seed is None else seed, dtype=output.dtype)[()]
    if array.shape != output.shape:
        raise ShapeError(f"the seed has shape {array.shape}; the output has {output.shape}")
    return array


def zero_gradients(output: ComputationNode) -> None:
    """Forget the gradients of every node that `output` depends on."""
    for node in topological_order([output]):
        node.zero_gradient()


def gradients(output: ComputationNode, wrt: Any, seed: Any = None) -> Any:
    """d(output)/d(wrt) as nodes: a graph that can be drawn, compiled and differentiated again.

    `wrt` is a node, or a list of nodes (then the result is a list). Where the output does not depend on a node, its
    gradient is zero. `seed` as in `backward`, or a node.
    """
    wanted = [wrt] if isinstance(wrt, ComputationNode) else list(wrt)
    if not isinstance(seed, ComputationNode):
        seed = broadcast(constant(_seed(output, seed, "gradients()")), shape=output.shape)
    found = dict(pulling_back(output, seed, wanted))
    result = [found[x] if x in found else broadcast(constant(x.dtype.type(0)), shape=x.shape) for x in wanted]
    return result[0] if isinstance(wrt, ComputationNode) else result


def value_and_grad(f: Callable[..., Any], argnum: int = 0) -> Callable[..., tuple[Any, Any]]:
    """A function that gives `f(*args)` and its gradient with respect to argument `argnum`. Nests.

    `f` must return a scalar node. On arrays the results are arrays; where they depend on the argument of an enclosing
    derivative, or on a placeholder, they are nodes.
    """

    def both(*args: Any) -> tuple[Any, Any]:
        x = args[argnum]
        if not isinstance(x, ComputationNode):
            x = constant(np.asarray(x, dtype=np.result_type(np.asarray(x), np.float16)))
            x.op = INPUT
        fresh = identity(x)  # a node of its own, so a derivative inside `f` is not confused with this one
        y = f(*args[:argnum], fresh, *args[argnum + 1 :])
        if not isinstance(y, ComputationNode):
            raise GradientError(f"the function must return a node computed from its argument, not {type(y).__name__}")
        g = gradients(y, fresh)
        mine = not any(a is x for a in args)
        others = any(n.op is INPUT and n is not x for n in topological_order([y, g]))
        return (y.value, g.value) if mine and not others else (y, g)

    return both


def grad(f: Callable[..., Any], argnum: int = 0) -> Callable[..., Any]:
    """The gradient of a scalar function with respect to argument `argnum`, as a function. Nests: `grad(grad(f))`."""
    both = value_and_grad(f, argnum)
    return lambda *args: both(*args)[1]
