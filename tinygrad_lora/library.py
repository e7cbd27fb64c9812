r"""Composites: functions written in operations, which therefore need no rules of their own.

Every function takes nodes and gives a node. On plain arrays alone it gives an array; only `cross_entropy` gives a node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from math import pi, prod, sqrt as square_root
from typing import Any

import numpy as np

from .boundary.arguments import argument_names, explained
from .boundary.arrays import Axis, as_axes, as_shape, elements, listed, refuse_labels, refuse_no_list, refuse_unequal
from .boundary.lines import call_record, remembered
from .core import ops
from .core.node import ComputationNode, Operand, Shape, constant

HALF = np.dtype(np.float16)


def in_float32(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function, but float16 is float32 on the way: its sums and squares overflow soon, and 2048 + 1 is 2048.

    The result is rounded to float16 once, and so is the gradient. Any other dtype of the first operand stays as it is,
    and a list becomes an array. A call that can mean nothing is refused as by `explained`, and the result remembers its
    call as by `remembered`.
    """
    [first] = argument_names(f, 1)

    @wraps(f)
    def composite(*args: Any, **named: Any) -> Any:
        if not args and first in named:
            args = (named.pop(first),)
        x = listed(args[0])
        half = getattr(x, "dtype", None) is HALF
        y = f(ops.cast(x, dtype=np.float32) if half else x, *args[1:], **named)
        y = ops.cast(y, dtype=HALF) if half else y
        if type(y) is ComputationNode:  # as `remembered` does, in one call less
            y.call = (f, args, named) if len(args) == 1 and not named else call_record(f, args, named)
        return y

    return explained(composite)


def _shape(x: Operand) -> Shape:
    return x.shape if isinstance(x, ComputationNode) else np.shape(x)


@explained
def sum(x: Operand, axis: Axis = None, keepdims: bool = False) -> Any:
    r"""$y = \sum x$ over some axes.

    x: a node, an array or a number
    axis: a whole number, counted from the end if negative, or a tuple of them; None sums over all axes
    keepdims: True keeps a summed axis, with length 1
    Returns a node where x is one, else an array; of the shape of x without the summed axes.
    Raises ShapeError for no such axis.

    >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> tl.sum(x), tl.sum(x, axis=0), tl.sum(x, axis=-1, keepdims=True)
    (np.float64(10.0), array([4., 6.]), array([[3.],
           [7.]]))
    """
    if getattr(x, "dtype", None) is HALF:  # asked here: the decorator would take a tenth of the time of a small sum
        return ops.cast(sum(ops.cast(x, dtype=np.float32), axis, keepdims), dtype=HALF)
    return ops.reduce_sum(x, axis=as_axes(axis, _shape(x)), keepdims=bool(keepdims))


@in_float32
def mean(x: Operand, axis: Axis = None, keepdims: bool = False) -> Any:
    r"""$y = \frac{1}{n} \sum x$ over some axes, n elements in each sum.

    x: a node, an array or a number
    axis: a whole number, counted from the end if negative, or a tuple of them; None takes all axes
    keepdims: True keeps the axes that are gone, with length 1
    Returns a node where x is one, else an array; of the shape of x without these axes.
    Raises ShapeError for no such axis, and for the mean of no elements.

    >>> tl.mean(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    array([2., 3.])
    """
    axes = as_axes(axis, shape := _shape(x))
    n = elements(axes, shape, "the mean over axes {} of an array of shape {} is a mean of no elements")
    return ops.scale(ops.reduce_sum(x, axis=axes, keepdims=bool(keepdims)), factor=1 / n)


@explained
def max(x: Operand, axis: Axis = None, keepdims: bool = False) -> Any:
    r"""$y = \max x$ over some axes. Equal largest elements share the gradient.

    x: a node, an array or a number
    axis: a whole number, counted from the end if negative, or a tuple of them; None takes all axes
    keepdims: True keeps the axes that are gone, with length 1
    Returns a node where x is one, else an array; of the shape of x without these axes.
    Raises ShapeError for no such axis, and where there are no elements.

    >>> x = tl.parameter([1.0, 5.0, 5.0])
    >>> y = tl.max(x)
    >>> y.backward()
    >>> y.value, x.gradient
    (np.float64(5.0), array([0. , 0.5, 0.5]))
    """
    axes = as_axes(axis, shape := _shape(x))
    elements(axes, shape, "an array of shape {1} has no largest element over axes {0}")
    return ops.reduce_max(x, axis=axes, keepdims=bool(keepdims))


@explained
def reshape(x: Operand, shape: int | Shape) -> Any:
    """The elements of x, in order, in another shape.

    x: a node or an array
    shape: a tuple of whole numbers, one of which may be -1: what remains; n stands for (n,)
    Returns a node where x is one, else an array; of this shape.
    Raises ShapeError where the elements do not fill the shape.

    >>> tl.reshape(np.arange(6.0), (2, -1))
    array([[0., 1., 2.],
           [3., 4., 5.]])
    """
    return ops.reshape(x, shape=as_shape(shape, prod(_shape(x))))


@explained
def broadcast(x: Operand, shape: int | Shape) -> Any:
    """x repeated along new or length-1 axes, up to a shape.

    x: a node, an array or a number
    shape: a tuple of whole numbers; n stands for (n,)
    Returns a node where x is one, else an array; of this shape.
    Raises ShapeError where an axis of x is neither 1 nor that of the shape, from the right.

    >>> tl.broadcast(np.array([1.0, 2.0]), (3, 2))
    array([[1., 2.],
           [1., 2.],
           [1., 2.]])
    """
    return ops.broadcast(x, shape=as_shape(shape))


@explained
def concatenate(arrays: Sequence[Operand], axis: int = 0) -> Any:
    """The arrays side by side along an axis.

    arrays: a list or tuple of nodes or arrays, at least one, equal in all axes but one
    axis: the axis that grows, counted from the end if negative
    Returns a node where one of them is, else an array.
    Raises ShapeError unless all other axes are equal, and for an empty list.

    >>> tl.concatenate([np.ones((2, 1)), np.zeros((2, 2))], axis=1)
    array([[1., 0., 0.],
           [1., 0., 0.]])
    """
    refuse_no_list(arrays)
    return ops.concatenate(*arrays, axis=as_axes(axis, _shape(arrays[0]))[0])


@explained
@remembered
def maximum(a: Operand, b: Operand) -> Any:
    r"""$y = \max(a, b)$, elementwise; the gradient goes to the larger one, and to b where they are equal.

    a, b: nodes, arrays or numbers whose shapes broadcast
    Returns a node where one of them is, else an array.
    Raises ShapeError where the shapes do not broadcast.

    >>> tl.maximum(np.array([1.0, -2.0]), 0.0)
    array([1., 0.])
    """
    return ops.where(ops.greater(a, b), a, b)


@in_float32
def sigmoid(x: Operand) -> Any:
    """$y = 1 / (1 + e^{-x})$, written as $e^x / (e^x + 1)$: so it has all its digits where it is small.

    From x = 40 on it is 1 to the last digit of float64, so x stops there, and $e^x$ does not overflow.

    x: a node, an array or a number of any shape
    Returns y, between 0 and 1, of the shape of x.

    >>> tl.sigmoid(np.array([-2.0, 0.0, 2.0])).round(3)
    array([0.119, 0.5  , 0.881])
    """
    e = ops.exp(ops.where(x > 40.0, 40.0, x))
    return e / (e + 1.0)


@in_float32
def gelu(x: Operand) -> Any:
    r"""$y = \frac x2 \left(1 + \tanh \sqrt{2/\pi}\,(x + 0.044715\,x^3)\right)$.

    The tanh form of the Gaussian error linear unit; NumPy has no error function.

    x: a node, an array or a number of any shape
    Returns y, of the shape of x.
    Source: Hendrycks and Gimpel 2016 (arXiv:1606.08415).

    >>> tl.gelu(np.array([-2.0, 0.0, 2.0])).round(3)
    array([-0.045,  0.   ,  1.955])
    """
    inner = square_root(2 / pi) * (x + 0.044715 * (x * x * x))
    return x * (0.5 * (ops.tanh(inner) + 1.0))  # the second factor is part of the derivative as well


@in_float32
def softmax(x: Operand, axis: int = -1) -> Any:
    r"""$y_i = e^{x_i - m} / \sum_j e^{x_j - m}$ with $m = \max x$: the same numbers, and no overflow.

    x: a node or an array of scores, (..., classes)
    axis: the axis along which the sums run
    Returns y, of the shape of x: numbers from 0 to 1 that add up to 1 along the axis.
    Raises ShapeError for no such axis.

    >>> tl.softmax(np.array([0.0, 0.0, 1000.0]))
    array([0., 0., 1.])
    """
    e = ops.exp(x - ops.stop_gradient(max(x, axis, keepdims=True)))
    return e / sum(e, axis, keepdims=True)


@in_float32
def log_softmax(x: Operand, axis: int = -1) -> Any:
    r"""$y_i = z_i - \ln \sum_j e^{z_j}$ with $z = x - \max x$: finite even where softmax is 0.

    x: a node or an array of scores, (..., classes)
    axis: the axis along which the sums run
    Returns y, of the shape of x: numbers up to 0.
    Raises ShapeError for no such axis.

    >>> tl.log_softmax(np.array([0.0, 1000.0]))
    array([-1000.,     0.])
    """
    z = x - ops.stop_gradient(max(x, axis, keepdims=True))
    return z - ops.log(sum(ops.exp(z), axis, keepdims=True))


@explained
@remembered
def layer_norm(x: Operand, weight: Operand = None, bias: Operand = None, eps: float = 1e-5) -> Any:
    r"""$y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}\,w + b$, mean and variance over the last axis.

    x: a node or an array, (..., size)
    weight, bias: w and b, (size,), or None to leave them out
    eps: $\epsilon$, a number that keeps the root away from 0
    Returns y, of the shape of x.
    Raises ShapeError where these do not fit.
    Source: Ba et al. 2016 (arXiv:1607.06450).

    >>> tl.layer_norm(np.array([1.0, 2.0, 3.0])).round(3)
    array([-1.225,  0.   ,  1.225])
    """
    y = _normalized(x, eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


@in_float32
def _normalized(x: Operand, eps: float) -> Any:
    """x with mean 0 and variance 1 along its last axis."""
    centered = x - mean(x, -1, keepdims=True)
    return centered / ops.sqrt(mean(centered * centered, -1, keepdims=True) + eps)


@explained
@remembered
def mse(y: Operand, target: Operand) -> Any:
    r"""$L = \frac1n \sum_i (y_i - t_i)^2$ over all n elements. Shapes must be equal: nothing is broadcast here.

    y: the output of a model, a node or an array
    target: t, of the same shape
    Returns a scalar, in the square of the unit of y: a node where one of them is, else a number.
    Raises ShapeError where the shapes differ.

    >>> tl.mse(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    np.float64(2.0)
    >>> tl.mse(tl.constant(np.ones((4, 1))), np.ones(4))
    Traceback (most recent call last):
        ...
    tinygrad_lora.errors.ShapeError: mse: y has shape (4, 1) and the target (4,): reshape one of them
    """
    refuse_unequal(_shape(y), _shape(target))
    return _mean_square(listed(y) - listed(target))


@in_float32
def _mean_square(x: Operand) -> Any:
    return mean(x * x)


@in_float32
def cross_entropy(logits: Operand, labels: Operand, mask: Operand | None = None) -> Any:
    r"""$L = -\frac1n \sum_i \ln \mathrm{softmax}(x_i)_{t_i}$: mean over the samples, in nats.

    Finite for any finite logits.

    logits: x, scores before the softmax, a node or an array (..., classes)
    labels: t, whole numbers from 0 to classes - 1, (...)
    mask: None, or (...): True or 1 for each of the n samples that count, False or 0 for padding, whose labels must be
        classes too. If none counts, the loss is 0
    Returns a scalar: a node where one of them is, else a number. ln(classes) is what guessing gets.
    Raises ShapeError where the shapes do not match, DtypeError for labels that are not whole numbers, ValueError for a
    label that is not a class.

    >>> loss = tl.cross_entropy(tl.constant(np.zeros((4, 3))), np.array([0, 1, 2, 0]))
    >>> loss.value.round(4), np.log(3).round(4)
    (np.float64(1.0986), np.float64(1.0986))
    """
    labels = labels if isinstance(labels, ComputationNode) else constant(labels)
    refuse_labels(labels, shape := _shape(logits), mask)
    scores = log_softmax(logits if len(shape) == 2 else reshape(logits, (labels.size, shape[-1])))
    right = ops.take(scores, constant(np.arange(labels.size)), reshape(labels, (labels.size,)))
    if mask is None:
        return -mean(right)
    counts = ops.cast(reshape(mask, (labels.size,)), dtype=scores.dtype)
    return sum(-right * counts) / maximum(sum(counts), 1.0)


# --- Methods of a node ---


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    """A reduction as a method, with NumPy's arguments by name: x.sum(0, float) would be a dtype there."""

    def method(self: ComputationNode, axis: Axis = None, *, keepdims: bool = False) -> Any:
        return function(self, axis, keepdims)

    method.__doc__, method.__name__ = f"See `tl.{function.__name__}`.", function.__name__
    return explained(method)


def _reshape(self: ComputationNode, *shape: Any) -> Any:
    """See `tl.reshape`: `x.reshape((2, 3))`, `x.reshape(2, 3)` and `x.reshape(-1)`."""
    return reshape(self, shape[0] if len(shape) == 1 else shape)


ComputationNode.sum, ComputationNode.mean, ComputationNode.max = map(_method, (sum, mean, max))
ComputationNode.reshape = _reshape
