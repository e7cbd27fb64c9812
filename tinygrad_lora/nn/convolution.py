r"""Convolution and pooling over one or two axes of space, written in operations: so their gradients come for free.

A convolution is a product. The patches that the kernel sees, one after another, are the columns of a matrix; the
kernels are the rows of another. x is (batch, channels, ...space), as in PyTorch, whose numbers these are. Source:
Chellapilla et al. 2006, "High performance convolutional neural networks for document processing".
"""

from __future__ import annotations

from functools import reduce
from math import prod
from typing import Any

import numpy as np

from ..boundary.arguments import explained
from ..boundary.lines import remembered
from ..core import ops
from ..core.node import Operand, Shape
from ..errors import DtypeError, ShapeError
from ..library import concatenate, in_float32, reshape

Sizes = int | tuple[int, ...]
SPACE = {1: "length", 2: "height, width"}


@explained
@remembered
def conv1d(
    x: Operand, weight: Operand, bias: Operand = None, stride: Sizes = 1, padding: Sizes = 0, dilation: Sizes = 1,
    groups: int = 1,
) -> Any:  # fmt: skip
    r"""$y_{o,t} = b_o + \sum_{c,i} w_{o,c,i}\,x_{c,\,t\,\text{stride} + i\,\text{dilation} - \text{padding}}$.

    x: a node or an array, (batch, channels, length)
    weight: w, (outputs, channels / groups, size)
    bias: b, (outputs,), or None for none
    stride: how far the window moves from one output to the next, in samples
    padding: how many zeros are added at both ends
    dilation: how far the samples of a window are apart
    groups: in how many parts the channels are cut; each part of the outputs sees its own
    Returns y, (batch, outputs, length of the output).
    Raises ShapeError where these do not fit together, and for a stride, dilation or groups below 1.

    >>> tl.conv1d(np.array([[[1.0, 2.0, 4.0, 8.0]]]), np.array([[[-1.0, 1.0]]]))
    array([[[1., 2., 4.]]])
    """
    return _convolution(1, x, weight, bias, stride, padding, dilation, groups)


@explained
@remembered
def conv2d(
    x: Operand, weight: Operand, bias: Operand = None, stride: Sizes = 1, padding: Sizes = 0, dilation: Sizes = 1,
    groups: int = 1,
) -> Any:  # fmt: skip
    r"""$y_{o,s,t} = b_o + \sum_{c,i,j} w_{o,c,i,j}\,x_{c,\,s+i,\,t+j}$, and the rest as in `conv1d`.

    x: a node or an array, (batch, channels, height, width)
    weight: w, (outputs, channels / groups, height, width)
    bias: b, (outputs,), or None for none
    stride, padding, dilation: as in `conv1d`: a whole number, or a pair, one for each axis
    groups: in how many parts the channels are cut; each part of the outputs sees its own
    Returns y, (batch, outputs, height, width) of the output.
    Raises ShapeError where these do not fit together, and for a stride, dilation or groups below 1.

    >>> tl.conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)))
    array([[[[4., 4.],
             [4., 4.]]]])
    """
    return _convolution(2, x, weight, bias, stride, padding, dilation, groups)


@explained
@remembered
def max_pool(x: Operand, size: Sizes, stride: Sizes | None = None, padding: Sizes = 0) -> Any:
    """The largest number of each window; the gradient goes to the first of the largest. A NaN is larger than all.

    x: a node or an array, (batch, channels, length) or (batch, channels, height, width)
    size: how long a window is: a whole number, or a tuple with one for each axis
    stride: how far it moves; None puts windows side by side
    padding: how many places are added at both ends, smaller than all numbers; at most half of a window
    Returns y, with as many axes as x.
    Raises ShapeError where no window fits or x has other axes, DtypeError for whole numbers with padding.

    >>> tl.max_pool(np.array([[[1.0, 5.0, 2.0, 3.0]]]), 2)
    array([[[5., 3.]]])
    """
    y, *others = _windows(x, size, stride, padding, -np.inf)
    for other in others:
        larger = ops.greater(other, y)
        if np.dtype(y.dtype).kind == "f":
            larger = larger + 0 * ops.sign(other)  # 0 * NaN is NaN, which is not false
        y = ops.where(larger, other, y)
    return y


@remembered
@in_float32
def avg_pool(x: Operand, size: Sizes, stride: Sizes | None = None, padding: Sizes = 0) -> Any:
    """The mean of each window; zeros that `padding` adds at both ends count.

    x: a node or an array, (batch, channels, length) or (batch, channels, height, width)
    size: how long a window is: a whole number, or a tuple with one for each axis
    stride: how far it moves; None puts windows side by side
    padding: how many zeros are added at both ends; at most half of a window
    Returns y, with as many axes as x.
    Raises ShapeError where no window fits or x has other axes.

    >>> tl.avg_pool(np.array([[[1.0, 5.0, 2.0, 3.0]]]), 2)
    array([[[3. , 2.5]]])
    """
    windows = _windows(x, size, stride, padding, 0.0)
    return reduce(ops.add, windows) * (1 / len(windows))


def _convolution(
    axes: int, x: Any, weight: Any, bias: Any, stride: Sizes, padding: Sizes, dilation: Sizes, groups: int
) -> Any:
    _check(axes, x, weight, bias, groups)
    if getattr(x, "dtype", None) == np.float16 and hasattr(weight, "dtype"):  # beside wider kernels the result is wide
        x = ops.cast(x, dtype=np.result_type(x.dtype, weight.dtype))
    y = _product(x, weight, stride, _each(padding, axes, "padding", 0), dilation, groups)
    return y if bias is None else y + reshape(bias, (-1, *[1] * axes))


@in_float32
def _product(x: Any, weight: Any, stride: Sizes, padding: Shape, dilation: Sizes, groups: int) -> Any:
    """The kernels, as rows, times the patches, as columns."""
    (batch, channels), (outputs, _, *size) = np.shape(x)[:2], np.shape(weight)
    windows = _slices(_padded(x, padding, 0.0), tuple(size), stride, dilation)
    space = windows[0].shape[2:]
    columns = [reshape(window, (batch, groups, channels // groups, 1, prod(space))) for window in windows]
    length = channels // groups * prod(size)
    patches = reshape(concatenate(columns, 3), (batch, groups, length, prod(space)))
    kernels = reshape(weight, (groups, outputs // groups, length))
    if groups == 1:  # NumPy multiplies one stack of matrices faster than a stack of stacks
        patches, kernels = reshape(patches, (batch, *patches.shape[2:])), reshape(kernels, kernels.shape[1:])
    return reshape(ops.matmul(kernels, patches), (batch, outputs, *space))


def _windows(x: Any, size: Sizes, stride: Sizes | None, padding: Sizes, fill: float) -> list[Any]:
    """What is pooled: for each place in a window the numbers there, in all windows."""
    axes = len(np.shape(x)) - 2
    if axes not in SPACE:
        wanted = "(batch, channels, length) or (batch, channels, height, width)"
        raise ShapeError(f"pooling takes {wanted}, not {np.shape(x)}")
    size, padding = _each(size, axes, "size", 1), _each(padding, axes, "padding", 0)
    if any(2 * p > n for p, n in zip(padding, size, strict=True)):
        raise ShapeError(f"a padding of {padding} leaves windows of {size} empty: at most half of a window is padding")
    return _slices(_padded(x, padding, fill), size, size if stride is None else stride, 1)


def _slices(x: Any, size: Shape, stride: Sizes, dilation: Sizes) -> list[Any]:
    """For each place in a window, in order, what is at that place in all windows."""
    steps, gaps = _each(stride, len(size), "stride", 1), _each(dilation, len(size), "dilation", 1)
    space = np.shape(x)[2:]
    reach = [gap * (n - 1) for gap, n in zip(gaps, size, strict=True)]
    if any(n <= r for n, r in zip(space, reach, strict=True)):
        raise ShapeError(f"windows of {tuple(r + 1 for r in reach)} do not fit into {space}, padding included")
    every = slice(None)
    return [ops.index(x, (every, every, *map(_slice, place, gaps, space, reach, steps))) for place in np.ndindex(size)]


def _slice(i: int, gap: int, length: int, reach: int, step: int) -> slice:
    return slice(i * gap, length - reach + i * gap, step)


def _padded(x: Any, padding: Shape, fill: float) -> Any:
    """x between so many numbers at both ends of each axis of space."""
    if not any(padding):
        return x
    shape = np.shape(x)
    inside = (slice(None), slice(None), *(slice(p, p + n) for p, n in zip(padding, shape[2:], strict=True)))
    outside = tuple(n + 2 * p for p, n in zip(padding, shape[2:], strict=True))
    y = ops.place(x, key=inside, shape=shape[:2] + outside)
    if fill == 0:
        return y
    if np.dtype(y.dtype).kind != "f":
        raise DtypeError(f"padding for the largest number needs floats, not {y.dtype}: cast x to float64 first")
    edge = np.ones(outside, bool)
    edge[inside[2:]] = False
    return ops.where(edge, y.dtype.type(fill), y)


def _each(value: Sizes, axes: int, what: str, least: int) -> Shape:
    """A number for each axis of space."""
    numbers = value if isinstance(value, tuple | list) else (value,) * axes
    whole = all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in numbers)
    if len(numbers) != axes or not whole or min(numbers) < least:
        each = f"a tuple of {axes} of them" if axes > 1 else "a tuple of one"
        raise ShapeError(f"{what} must be a whole number from {least} on, or {each}, not {value!r}")
    return tuple(map(int, numbers))


def _check(axes: int, x: Any, weight: Any, bias: Any, groups: int) -> None:
    """Raise ShapeError where x, weight and bias do not belong together."""
    names, shape, kernel = SPACE[axes], np.shape(x), np.shape(weight)
    if len(shape) != axes + 2 or len(kernel) != axes + 2:
        form = f"an x of (batch, channels, {names}) and a weight of (outputs, channels / groups, {names})"
        raise ShapeError(f"conv{axes}d takes {form}, not {shape} and {kernel}")
    (groups,) = _each(groups, 1, "groups", 1)
    _each(kernel[2:], axes, "the size of the kernel", 1)
    channels, outputs = shape[1], kernel[0]
    if channels != groups * kernel[1] or outputs % groups:
        parts = f"in {groups} groups " if groups > 1 else ""
        raise ShapeError(f"x has {channels} channels; {parts}a weight of {kernel} takes {groups * kernel[1]}")
    if bias is not None and np.shape(bias) != (outputs,):
        raise ShapeError(f"a bias for {outputs} outputs has the shape ({outputs},), not {np.shape(bias)}")
