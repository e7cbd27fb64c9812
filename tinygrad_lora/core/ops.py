r"""The primitive operations, one class each. Everything else is written in terms of these (see library.py).

A class says what the operation computes (one line of NumPy), the shape of the result, and the backward rule. In the
equations a bar is the gradient of the loss with respect to that array: $\bar x = \partial L / \partial x$.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..boundary.arrays import as_indices, as_key, name_of_dtype, real_number, transposed_fit
from ..errors import ShapeError
from .node import DType, Gradients, Key, Op, Operand, Shape, Value


class Elementwise(Op):
    """An operation that works on each element alone; operands of different shapes broadcast.

    x: a node, an array or a number of any shape
    a, b: nodes, arrays or numbers; their shapes are aligned from the right, and an axis of length 1 is repeated
    Returns a node where an operand is one, else an array; of the shape that the operands broadcast to, in NumPy's
    dtype.
    Raises ShapeError where the shapes of nodes do not broadcast, ValueError where those of plain arrays do not.
    """

    elementwise = True

    def dtype(self, *dtypes: DType, **params: Any) -> DType:
        """What the forward itself gives, asked with empty arrays."""
        return self.forward(*(np.empty(0, dtype) for dtype in dtypes), **params).dtype


# --- The three operations of the first tutorial ---


class Matmul(Op):
    r"""$Y = A B$, so $\bar A = \bar Y B^\top$ and $\bar B = A^\top \bar Y$.

    The infix form is `a @ b`.

    a: a node or an array, (..., n, k); a vector (k,) is a row, and that axis is gone in Y
    b: a node or an array, (..., k, m); a vector (k,) is a column, and that axis is gone in Y
    Returns Y, (..., n, m), a node where an operand is one.
    Raises ShapeError for any other shapes, numbers too; ValueError where plain arrays do not fit.
    """

    signature, numpy, ufunc = "a, b", "a @ b", "np.matmul"
    fast_where = "a.ndim > 1 and b.ndim > 1"

    def __call__(self, a: Operand, b: Operand) -> Any:
        """Vectors become matrices of one row (left) or one column (right), so that the rules see matrices only."""
        if np.ndim(b) == 1:
            return reshape(y := self(a, reshape(b, shape=(-1, 1))), shape=y.shape[:-1])
        if np.ndim(a) == 1:
            return reshape(y := self(reshape(a, shape=(1, -1)), b), shape=y.shape[:-2] + y.shape[-1:])
        return super().__call__(a, b)

    def shape(self, a: Shape, b: Shape) -> Shape:
        if len(a) < 2 or len(b) < 2:
            raise ShapeError("a number has no rows or columns: @ takes arrays, and * scales one by a number")
        if a[-1] != b[-2]:
            raise ShapeError(f"the {a[-1]} columns of a must match the {b[-2]} rows of b{transposed_fit(a, b)}")
        return super().shape(a[:-2], b[:-2]) + (a[-2], b[-1])

    def vjp(self, g: Value, y: Value, a: Value, b: Value) -> Gradients:
        return lambda: g @ b.mT, lambda: a.mT @ g  # functions: a frozen weight's product is never computed

    def flops(self, out: Shape, a: Shape, b: Shape) -> int:
        return 2 * prod(out) * a[-1]


class Scale(Elementwise):
    r"""$y = s\,x$ for a number $s$, so $\bar x = s\,\bar y$.

    factor: the real number s, which is part of the graph; for an array use `multiply`
    Raises DtypeError for a factor that is no real number.
    """

    signature, numpy, ufunc = "x, *, factor", "x * factor", "np.multiply"

    def __call__(self, x: Operand, factor: float) -> Any:
        factor = real_number(factor, "scale: the factor must be a real number, not {}: use multiply for arrays")
        return super().__call__(x, factor=factor)

    def vjp(self, g: Value, y: Value, x: Value, *, factor: float) -> Gradients:
        return (scale(g, factor=factor),)


class Add(Elementwise):
    r"""$y = a + b$, so $\bar a = \bar b = \bar y$."""

    signature, numpy, ufunc = "a, b", "a + b", "np.add"

    def vjp(self, g: Value, y: Value, a: Value, b: Value) -> Gradients:
        return g, g


# --- Arithmetic ---


class Subtract(Elementwise):
    r"""$y = a - b$, so $\bar a = \bar y$ and $\bar b = -\bar y$."""

    signature, numpy, ufunc = "a, b", "a - b", "np.subtract"

    def vjp(self, g: Value, y: Value, a: Value, b: Value) -> Gradients:
        return g, -g


class Multiply(Elementwise):
    r"""$y = a\,b$, so $\bar a = \bar y\,b$ and $\bar b = \bar y\,a$."""

    signature, numpy, ufunc = "a, b", "a * b", "np.multiply"

    def vjp(self, g: Value, y: Value, a: Value, b: Value) -> Gradients:
        return g * b, g * a


class Divide(Elementwise):
    r"""$y = a / b$, so $\bar a = \bar y / b$ and $\bar b = -\bar y\,y / b$."""

    signature, numpy, ufunc = "a, b", "a / b", "np.divide"

    def vjp(self, g: Value, y: Value, a: Value, b: Value) -> Gradients:
        return g / b, -(g * y / b)


class Power(Elementwise):
    r"""$y = x^n$ for a number $n$, so $\bar x = n\,x^{n-1}\,\bar y$.

    exponent: the real number n, which is part of the graph; for an array write exp(n * log(x))
    Raises DtypeError for an exponent that is no real number.
    """

    signature, numpy, ufunc = "x, *, exponent", "x**exponent", "np.power"

    def __call__(self, x: Operand, exponent: float) -> Any:
        n = real_number(exponent, "power: the exponent must be a number; for an array write exp(exponent * log(x))")
        if getattr(getattr(x, "dtype", None), "kind", "") == "b":
            x = cast(x, dtype="int64")  # of true NumPy makes int64 in a number, and int8 in an array
        return super().__call__(x, exponent=int(n) if float(n).is_integer() else n)

    def vjp(self, g: Value, y: Value, x: Value, *, exponent: float) -> Gradients:
        return (g * (exponent * x ** (exponent - 1)) if exponent else None,)


# --- Functions of one number ---


class Exp(Elementwise):
    r"""$y = e^x$, so $\bar x = \bar y\,y$."""

    signature, numpy, ufunc = "x", "np.exp(x)", "np.exp"

    def vjp(self, g: Value, y: Value, x: Value) -> Gradients:
        return (g * y,)


class Log(Elementwise):
    r"""$y = \ln x$, so $\bar x = \bar y / x$."""

    signature, numpy, ufunc = "x", "np.log(x)", "np.log"

    def vjp(self, g: Value, y: Value, x: Value) -> Gradients:
        return (g / x,)


class Sqrt(Elementwise):
    r"""$y = \sqrt{x}$, so $\bar x = \bar y / (2 y)$."""

    signature, numpy, ufunc = "x", "np.sqrt(x)", "np.sqrt"

    def vjp(self, g: Value, y: Value, x: Value) -> Gradients:
        return (g / (2 * y),)


class Tanh(Elementwise):
    r"""$y = \tanh x$, so $\bar x = (1 - y^2)\,\bar y$."""

    signature, numpy, ufunc = "x", "np.tanh(x)", "np.tanh"

    def vjp(self, g: Value, y: Value, x: Value) -> Gradients:
        return (g * (1 - y * y),)


# --- Choices ---


class Relu(Elementwise):
    r"""$y = \max(x, 0)$, so $\bar x = \bar y$ where $y > 0$, else 0: $\bar x = \bar y\,[y > 0]$."""

    signature, numpy = "x", "np.maximum(x, 0.0)"

    def vjp(self, g: Value, y: Value, x: Value) -> Gradients:
        return (g * (y > 0.0),)


class Sign(Elementwise):
    r"""$y = 1, 0, -1$ for positive, zero, negative $x$; constant almost everywhere, so no gradient passes."""

    signature, numpy, ufunc, differentiable = "x", "np.sign(x)", "np.sign", False


class Greater(Elementwise):
    r"""$y = [a > b]$, true or false; constant almost everywhere, so no gradient passes."""

    signature, numpy, ufunc, differentiable = "a, b", "a > b", "np.greater", False


class Where(Elementwise):
    """$y = a$ where the condition holds, else $b$; each gets the gradient where it was chosen, else 0.

    condition: a node or an array of true and false, which broadcasts with a and b
    """

    signature, numpy = "condition, a, b", "np.where(condition, a, b)"

    def vjp(self, g: Value, y: Value, condition: Value, a: Value, b: Value) -> Gradients:
        return None, lambda: where(condition, g, 0.0), lambda: where(condition, 0.0, g)


# --- Shape ---


class Transpose(Op):
    r"""$Y = X^\top$, the last two axes swapped, so $\bar X = \bar Y^\top$.

    x: a node or an array, (..., n, m)
    Returns Y, (..., m, n).
    Raises ShapeError for a number or a vector, which have no transpose; ValueError where they are plain arrays.
    """

    signature, numpy, view = "x", "x.mT", True

    def shape(self, x: Shape) -> Shape:
        if len(x) < 2:
            raise ShapeError("only an array of two or more axes has a transpose; reshape a vector to (1, n) or (n, 1)")
        return x[:-2] + (x[-1], x[-2])

    def vjp(self, g: Value, y: Value, x: Value) -> Gradients:
        return (g.mT,)


class Reshape(Op):
    r"""$y$ has the elements of $x$, in order, in another shape; $\bar x$ is $\bar y$ in the shape of $x$."""

    signature, numpy, view = "x, *, shape", "x.reshape(shape)", True

    def shape(self, x: Shape, *, shape: Shape) -> Shape:
        rest = prod(n for n in shape if n != -1)
        full = tuple(prod(x) // max(rest, 1) if n == -1 else n for n in shape)
        if prod(full) != prod(x) or shape.count(-1) > 1:
            raise ShapeError(f"{prod(x)} elements do not fill the shape {shape}")
        return full

    def vjp(self, g: Value, y: Value, x: Value, *, shape: Shape) -> Gradients:
        return (reshape(g, shape=x.shape),)


class Broadcast(Op):
    r"""$y$ repeats $x$ along new or length-1 axes, so $\bar x$ is the sum of $\bar y$ over them."""

    signature, numpy, view = "x, *, shape", "np.broadcast_to(x, shape)", True

    def shape(self, x: Shape, *, shape: Shape) -> Shape:
        if super().shape(x, shape) != shape:
            raise ShapeError(f"cannot be repeated to the shape {shape}: only axes of length 1 can grow")
        return shape

    def vjp(self, g: Value, y: Value, x: Value, *, shape: Shape) -> Gradients:
        return (g,)  # the engine undoes broadcasting, here as for every operation


class ReduceSum(Op):
    r"""$y = \sum x$ over some axes, so each $\bar x$ is the $\bar y$ of its sum."""

    signature, numpy = "x, *, axis, keepdims", "x.sum(axis=axis, keepdims=keepdims)"

    def shape(self, x: Shape, *, axis: Shape, keepdims: bool) -> Shape:
        if bad := [i for i in axis if not 0 <= i < len(x)]:
            raise ShapeError(f"there is no axis {bad[0]}: the array has {len(x)} axes, counted from 0")
        return tuple(1 if i in axis else n for i, n in enumerate(x) if keepdims or i not in axis)

    def dtype(self, x: DType, **params: Any) -> DType:
        return np.empty(0, x).sum().dtype

    def vjp(self, g: Value, y: Value, x: Value, *, axis: Shape, keepdims: bool) -> Gradients:
        return (broadcast(reshape(g, shape=self.shape(x.shape, axis=axis, keepdims=True)), shape=x.shape),)

    def flops(self, out: Shape, x: Shape, **params: Any) -> int:
        return prod(x)


class ReduceMax(ReduceSum):
    r"""$y = \max x$ over some axes; $\bar y$ goes to the largest element, in equal parts where several are.

    Where y is NaN, so is $\bar x$: no element is the largest.
    """

    numpy = "x.max(axis=axis, keepdims=keepdims)"

    def dtype(self, x: DType, **params: Any) -> DType:
        return x

    def vjp(self, g: Value, y: Value, x: Value, *, axis: Shape, keepdims: bool) -> Gradients:
        kept = self.shape(x.shape, axis=axis, keepdims=True)
        largest = 1 - cast(reshape(y, shape=kept) > x, dtype=str(x.dtype))
        count = reduce_sum(largest, axis=axis, keepdims=True) + 0 * sign(reshape(y, shape=kept))  # NaN where y is
        return (largest * (reshape(g, shape=kept) / count),)


# --- Parts ---


class Take(Op):
    r"""$y_k = x_{i_k j_k \dots}$: whole-number arrays say which rows, or which elements; the gradient returns there.

    x: a node or an array, (rows, ...)
    indices: one array of whole numbers for each of the first axes of x; negative ones count from the end
    Returns y: the shape of the indices takes the place of these axes.
    Raises DtypeError for indices that are not whole numbers, ShapeError for more than x has axes, IndexError out of
    bounds.
    """

    signature, numpy = "x, *indices", "x[indices]"

    def __call__(self, x: Operand, *indices: Any) -> Any:
        whole = as_indices(indices)
        if whole and np.ndim(x) > len(whole) and not any(i.ndim for i in whole):
            y = self(x, reshape(whole[0], shape=(1,)), *whole[1:])  # for numbers alone NumPy gives a view
            return reshape(y, shape=y.shape[1:])
        return super().__call__(x, *whole)

    def shape(self, x: Shape, *indices: Shape) -> Shape:
        if len(indices) > len(x):
            raise ShapeError(f"{len(indices)} index arrays for an array of {len(x)} axes")
        return super().shape(*indices) + x[len(indices) :]

    def dtype(self, x: DType, *indices: DType) -> DType:
        return x

    def vjp(self, g: Value, y: Value, x: Value, *indices: Any) -> Gradients:
        return (scatter_add(g, *indices, shape=x.shape), *[None] * len(indices))


class ScatterAdd(Op):
    r"""$y$ is zero but for the elements of $x$, added up at their indices; so $\bar x$ takes them back out."""

    prelude = """\
def sum_at(x, indices, shape):
    total = np.zeros(shape, x.dtype)
    np.add.at(total, indices, x)
    return total

"""
    signature, numpy = "x, *indices, shape", "sum_at(x, indices, shape)"

    def shape(self, x: Shape, *indices: Shape, shape: Shape) -> Shape:
        if x != (rows := super().shape(*indices) + shape[len(indices) :]):
            raise ShapeError(f"these indices into the shape {shape} need an x of shape {rows}")
        return shape

    def dtype(self, x: DType, *indices: DType, shape: Shape) -> DType:
        return x

    def vjp(self, g: Value, y: Value, x: Value, *indices: Any, shape: Shape) -> Gradients:
        return (take(g, *indices), *[None] * len(indices))


class Index(Op):
    r"""$y = x[\text{key}]$ for numbers and slices; the gradient is placed back there."""

    signature, numpy, view = "x, *, key", "x[key]", True

    def __call__(self, x: Operand, key: Any) -> Any:
        return super().__call__(x, key=as_key(key))

    def shape(self, x: Shape, *, key: Key) -> Shape:
        return np.broadcast_to(0, x)[key].shape

    def vjp(self, g: Value, y: Value, x: Value, *, key: Key) -> Gradients:
        return (place(g, key=key, shape=x.shape),)


class Place(Op):
    r"""$y$ is zero but for $y[\text{key}] = x$, so $\bar x = \bar y[\text{key}]$."""

    prelude = """\
def put_at(x, key, shape):
    whole = np.zeros(shape, x.dtype)
    whole[key] = x
    return whole

"""
    signature, numpy = "x, *, key, shape", "put_at(x, key, shape)"

    def shape(self, x: Shape, *, key: Key, shape: Shape) -> Shape:
        return shape

    def vjp(self, g: Value, y: Value, x: Value, *, key: Key, shape: Shape) -> Gradients:
        return (index(g, key=key),)


class Concatenate(Op):
    r"""$y$ is the arrays side by side along an axis; each gets its own part of $\bar y$."""

    signature, numpy = "*arrays, axis", "np.concatenate(arrays, axis=axis)"

    def shape(self, *arrays: Shape, axis: int) -> Shape:
        rests = {x[:axis] + x[axis + 1 :] for x in arrays}
        if len(rests) != 1 or not all(0 <= axis < len(x) for x in arrays):
            raise ShapeError(f"all axes but axis {axis} must be equal")
        return arrays[0][:axis] + (sum(x[axis] for x in arrays),) + arrays[0][axis + 1 :]

    def vjp(self, g: Value, y: Value, *arrays: Any, axis: int) -> Gradients:
        ends = accumulate((x.shape[axis] for x in arrays), initial=0)
        return [index(g, key=(slice(None),) * axis + (slice(i, j),)) for i, j in pairwise(ends)]


# --- Copies ---


class Identity(Op):
    r"""$y = x$, so $\bar x = \bar y$: the same value, as a node of its own.

    x: a node or an array
    Returns a node of the same shape and value; of an array the array itself.
    """

    signature, numpy, view = "x", "x", True

    def vjp(self, g: Value, y: Value, x: Value) -> Gradients:
        return (g,)


class StopGradient(Identity):
    r"""$y = x$, but $\bar x = 0$: a constant as far as gradients are concerned."""

    differentiable = False


class Cast(Elementwise):
    r"""$y = x$ in another dtype; $\bar x$ is $\bar y$ in that of $x$. No gradient passes from whole numbers.

    dtype: what `np.dtype` takes: a class such as np.float32, or its name
    Returns y, of the shape of x.
    Raises DtypeError for a dtype that does not hold real numbers, TypeError for what is no dtype.
    """

    signature, numpy = "x, *, dtype", "x.astype(dtype)"

    def __call__(self, x: Operand, dtype: DTypeLike) -> Any:
        return super().__call__(x, dtype=name_of_dtype(dtype))

    def vjp(self, g: Value, y: Value, x: Value, *, dtype: str) -> Gradients:
        return (cast(g, dtype=str(x.dtype)) if np.dtype(dtype).kind == "f" else None,)


matmul, scale, add = Matmul(), Scale(), Add()
subtract, multiply, divide, power = Subtract(), Multiply(), Divide(), Power()
exp, log, sqrt, tanh = Exp(), Log(), Sqrt(), Tanh()
relu, sign, greater, where = Relu(), Sign(), Greater(), Where()
transpose, reshape, broadcast, reduce_sum, reduce_max = Transpose(), Reshape(), Broadcast(), ReduceSum(), ReduceMax()
take, scatter_add, index, place, concatenate = Take(), ScatterAdd(), Index(), Place(), Concatenate()
identity, stop_gradient, cast = Identity(), StopGradient(), Cast()
