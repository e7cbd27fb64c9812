r"""Reverse-mode differentiation: $\bar x = \sum_y \bar y\,\partial y / \partial x$ over the users $y$ of $x$.

Source: Baydin et al. 2018, "Automatic differentiation in machine learning: a survey", section 3.2 (arXiv:1502.05767).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from types import FunctionType
from typing import Any

import numpy as np

from ..boundary.arguments import explained
from ..boundary.arrays import checked, real_array, words_for
from ..boundary.lines import give_origin
from ..boundary.lost import refuse_no_node, refuse_nothing_to_train, warn_of_zeros
from ..boundary.nodes import refuse_stale
from ..errors import GradientError, ShapeError, TraceError
from .graph import Nodes, topological_order
from .node import INPUT, PARAMETER, ComputationNode, Operand, Shape, Value, constant, tick
from .ops import broadcast, cast, identity, reduce_sum, reshape

Pairs = Iterator[tuple[ComputationNode, Any]]  # a node, and its gradient: an array, or a node
BEING_VARIED = set[ComputationNode]()  # arguments of derivatives that are being taken: what depends on one is no number


def pulling_back(output: ComputationNode, seed: Value, wrt: Nodes | None = None) -> Pairs:
    """Walk back from `output` and yield each node with its complete gradient: when all its users have contributed.

    Only nodes between `output` and `wrt` are visited (None: those that require a gradient). If `seed` is an array the
    rules run on arrays; if it is a node they run on nodes, and give a graph.
    """
    order, symbolic = _between(output, wrt), isinstance(seed, ComputationNode)
    gradients = dict.fromkeys(order)
    gradients[output] = seed
    for node in reversed(order):
        if (g := gradients[node]) is None:
            continue
        yield node, g
        if not (parents := node.parents):
            continue
        start = tick() if symbolic else 0
        parts: Any = node.op.vjp(g, node, *parents, **node.params) if symbolic else node.op.pullback(g, node)
        if len(parts) != len(parents):
            raise GradientError(f"{node.op}: vjp gave {len(parts)} gradients for {len(parents)} operands")
        i = 0
        for parent in parents:  # counted by hand: zip and enumerate take longer than the sum below
            part, i = parts[i], i + 1
            if part is None or parent not in gradients:
                continue
            if type(part) is FunctionType:
                part = part()
            if parent._shape != node._shape and part.shape != parent._shape:
                part = unbroadcast(part, parent.shape)
            if symbolic and node.origin:
                give_origin(part, node.origin, start)  # the line whose gradient this is
            earlier = gradients[parent]
            gradients[parent] = part if earlier is None else earlier + part


def _between(output: ComputationNode, wrt: Nodes | None) -> list[ComputationNode]:
    """The nodes on a differentiable path from `wrt` (None: from what requires a gradient) to `output`, oldest first."""
    if wrt is not None:
        order, reached = topological_order([output]), set(wrt)
        refuse_stale(order)
        for node in order:
            if node.op.differentiable and not reached.isdisjoint(node.parents):
                reached.add(node)
        return [node for node in order if node in reached]
    nodes, seen = [output], {output}
    for node in nodes:  # the list grows while it is read
        for parent in node.parents:
            if parent not in seen and parent.requires_gradient:
                seen.add(parent)
                nodes.append(parent)
    nodes.sort(key=attrgetter("created"))
    oldest = next((node for node in nodes if node.parents), output)
    if PARAMETER.changed > oldest.created:  # seldom: some parameter changed meanwhile, perhaps one of these
        refuse_stale(topological_order([output]))
    return nodes


def unbroadcast(g: Value, shape: Shape) -> Any:
    """Sum over the axes that broadcasting added or stretched: the gradient of a repeated number is a sum.

    float16 is summed in float32: in its own 11 bits 2048 + 1 is 2048.
    """
    if g.dtype == np.float16:
        return cast(unbroadcast(cast(g, dtype=np.float32), shape), dtype=np.float16)
    extra = len(g.shape) - len(shape)
    stretched = (i + extra for i, n in enumerate(shape) if n == 1 and g.shape[i + extra] != 1)
    summed = reduce_sum(g, axis=(*range(extra), *stretched), keepdims=False)
    return summed if summed.shape == shape else reshape(summed, shape=shape)


@explained
def backward(output: ComputationNode, seed: Operand = None) -> None:
    """Add d(output)/d(node) into `.gradient` of every node below that requires one. Calling it twice doubles.

    A non-scalar output needs `seed`, an array of its shape: the gradient is then that of `sum(seed * output)`.

    output: the node to start at, such as a loss; as a method, `loss.backward()`, it is the node itself
    seed: an array of the output's shape, what flows into it; None stands for 1 and is for a scalar output alone
    Raises GradientError without one or where nothing is trainable, ShapeError for a seed of another shape, TraceError
    for a symbolic output, StaleGraphError where a parameter has a new value. Then nothing is changed.

    >>> w = tl.parameter([1.0, 2.0])
    >>> tl.sum(w * w).backward()
    >>> w.gradient
    array([2., 4.])
    >>> (3.0 * w).backward(seed=[1.0, 10.0])  # adds to what is there
    >>> w.gradient
    array([ 5., 34.])
    >>> (3.0 * w).backward()
    Traceback (most recent call last):
        ...
    tinygrad_lora.errors.GradientError: backward() starts at a number, and this node has shape (2,): ...
    """
    if not output.known:
        raise TraceError(f"{output!r} is symbolic, so it has no numbers to send back: use tl.gradients(output, wrt)")
    if not output.requires_gradient:
        refuse_nothing_to_train(output)
    seed = _seed(output, seed, "backward()")
    for node, g in dict(pulling_back(output, seed)).items():  # all of it first: a rule that fails changes nothing
        total = g if node._gradient is None else node._gradient + g
        node._gradient = total if total.dtype is node._dtype else total.astype(node._dtype)


ComputationNode.backward = backward


def _seed(output: ComputationNode, seed: Operand, who: str) -> Value:
    """What flows into `output`: 1 for a number; for an array the caller must say."""
    if seed is None and output.shape:
        remedy = f"take tl.sum or tl.mean first, or pass seed=np.ones({output.shape})"
        raise GradientError(f"{who} starts at a number, and this node has shape {output.shape}: {remedy}")
    if not isinstance(seed, ComputationNode):
        seed = np.ones((), output.dtype)[()] if seed is None else checked(seed, "the seed", output.dtype)
    if seed.shape != output.shape:
        raise ShapeError(f"the seed has shape {seed.shape}; the output has {output.shape}")
    return seed


@explained
def zero_gradients(output: ComputationNode) -> None:
    """Forget the gradients of every node that `output` depends on.

    output: a node, such as the loss; what it depends on forgets its gradient

    >>> w = tl.parameter(3.0)
    >>> loss = w * w
    >>> loss.backward()
    >>> tl.zero_gradients(loss)
    >>> w.gradient is None
    True
    """
    for node in topological_order([output]):
        node.zero_gradient()


@explained
def gradients(output: ComputationNode, wrt: ComputationNode | Iterable[ComputationNode], seed: Operand = None) -> Any:
    """d(output)/d(wrt) as nodes: a graph that can be drawn, compiled and differentiated again.

    Where the output does not depend on a node, its gradient is zero, of the node's shape. If it depends on none of
    them, and one of their results may have been turned into a number on the way, LostGradientWarning names the line.

    output: the node to differentiate
    wrt: a node, or a list of nodes
    seed: what flows into the output, an array or a node of its shape; None stands for 1 and is for a scalar output
        alone
    Returns a node of the shape of `wrt`, or a list of nodes for a list.
    Raises TypeError for what is no node, GradientError without a seed for an output that is not scalar, ShapeError for
    a seed of another shape, StaleGraphError where a parameter has a new value.

    >>> x = tl.parameter(3.0, name="x")
    >>> slope = tl.gradients(x**3, x)
    >>> slope.value, tl.gradients(slope, x).value
    (np.float64(27.0), np.float64(18.0))
    >>> print(tl.formula(slope))
    3 * x^2
    """
    wanted = [wrt] if isinstance(wrt, ComputationNode) else list(wrt)
    if other := [x for x in [output, *wanted] if not isinstance(x, ComputationNode)]:
        raise TypeError(f"gradients() takes nodes, not {words_for(other[0])}: wrap arrays in tl.parameter first")
    start, seed = tick(), _seed(output, seed, "gradients()")
    if not isinstance(seed, ComputationNode):
        seed = broadcast(constant(seed), shape=output.shape)
    by_node = dict(pulling_back(output, seed, wanted))
    if wanted and not by_node:
        warn_of_zeros(wanted, output)
    result = [by_node[x] if x in by_node else broadcast(constant(x.dtype.type(0)), shape=x.shape) for x in wanted]
    for x, g in zip(wanted, result, strict=True):
        if g.created > start and not g.call:  # so that a picture can name it
            g.call = gradients, (output, x), {}
    return result[0] if isinstance(wrt, ComputationNode) else result


@explained
def value_and_grad(f: Callable[..., Any], argnum: int = 0) -> Callable[..., tuple[Any, Any]]:
    """A function that gives `f(*args)` and its gradient with respect to one argument. Nests.

    Use it where both are needed: `f` runs once. On arrays the results are arrays; where they depend on the argument of
    an enclosing derivative, or on a placeholder, they are nodes.

    f: a function of nodes that gives a scalar node
    argnum: which argument, counted from 0
    Returns a function of the arguments of `f` that gives a pair: the value, a number, and the gradient, of the
    argument's shape.
    Raises GradientError where `f` gives anything but a scalar node or there is no such argument, TypeError for what
    cannot be called. The first two come with the call.

    >>> value, gradient = tl.value_and_grad(lambda w: tl.sum(w * w))(np.array([1.0, 2.0]))
    >>> value, gradient
    (np.float64(5.0), array([2., 4.]))
    """

    if not callable(f):
        raise TypeError(f"the gradient of {words_for(f)}: pass a function of nodes")

    def both(*args: Any) -> tuple[Any, Any]:
        if not 0 <= argnum < len(args):
            raise GradientError(f"there is no argument {argnum}: the function was called with {len(args)}")
        x = args[argnum]
        if from_array := not isinstance(x, ComputationNode):
            start = real_array(x, f"argument {argnum}")
            x = constant(start.astype(np.result_type(start.dtype, np.float16)))  # whole numbers become floats
            BEING_VARIED.add(x)
        # A node of its own, so that a derivative inside `f` is not confused with this one.
        fresh = identity(x)
        try:
            y = f(*args[:argnum], fresh, *args[argnum + 1 :])
            if not isinstance(y, ComputationNode):
                refuse_no_node(y, fresh)
            g = gradients(y, fresh)
        finally:
            BEING_VARIED.discard(x)  # to a derivative around this one, it is a number like any other
        inside = any(n.op is INPUT or n in BEING_VARIED for n in topological_order([y, g]))
        return (y, g) if inside or not from_array else (y.value, g.value)

    return both


@explained
def grad(f: Callable[..., Any], argnum: int = 0) -> Callable[..., Any]:
    """The gradient of a scalar function with respect to one argument, as a function. Nests: `grad(grad(f))`.

    f: a function of nodes that gives a scalar node
    argnum: which argument, counted from 0
    Returns a function of the arguments of `f`; it gives an array of that argument's shape, or a node where
    `value_and_grad` does.
    Raises GradientError where `f` gives anything but a scalar node or there is no such argument, TypeError for what
    cannot be called.

    >>> tl.grad(lambda x: x**3)(2.0)
    np.float64(12.0)
    >>> tl.grad(tl.grad(lambda x: x**3))(2.0)
    np.float64(12.0)
    >>> tl.grad(lambda x, w: tl.sum(x * w), argnum=1)(np.arange(3.0), np.ones(3))
    array([0., 1., 2.])
    """
    both = value_and_grad(f, argnum)
    return lambda *args: both(*args)[1]
