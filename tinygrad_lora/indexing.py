"""More primitive operations: parts of arrays and arrays from parts. Built on the core; it knows nothing of them."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np

from .core.node import Op, Shape
from .errors import DtypeError, ShapeError


class Take(Op):
    r"""$y_k = x_{i_k j_k \dots}$: whole-number arrays say which rows, or which elements; the gradient returns there."""

    signature, numpy = "x, *indices", "x[indices]"

    def shape(self, x: Shape, *indices: Shape) -> Shape:
        if len(indices) > len(x):
            raise ShapeError(f"{len(indices)} index arrays for an array of {len(x)} axes")
        return super().shape(*indices) + x[len(indices) :]

    def dtype(self, x: Any, *indices: Any) -> Any:
        if any(i.kind not in "iu" for i in indices):
            raise DtypeError("take: indices must be whole numbers; convert them with .astype(int)")
        return x

    def vjp(self, g: Any, y: Any, x: Any, *indices: Any) -> Any:
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
        return shape

    def dtype(self, x: Any, *indices: Any, shape: Shape) -> Any:
        return x

    def vjp(self, g: Any, y: Any, x: Any, *indices: Any, shape: Shape) -> Any:
        return (take(g, *indices), *[None] * len(indices))


class Index(Op):
    r"""$y = x[\text{key}]$ for numbers and slices; the gradient is placed back there."""

    signature, numpy, view = "x, *, key", "x[key]", True

    def __call__(self, x: Any, *, key: Any) -> Any:
        key = key if isinstance(key, tuple) else (key,)
        if not all(k is None or k is Ellipsis or isinstance(k, int | slice) for k in key):
            raise DtypeError("index: only numbers and slices; for an array of indices use take(x, indices)")
        return super().__call__(x, key=key)

    def shape(self, x: Shape, *, key: Any) -> Shape:
        try:
            return np.broadcast_to(0, x)[key].shape
        except IndexError as error:
            raise ShapeError(str(error)) from None

    def vjp(self, g: Any, y: Any, x: Any, *, key: Any) -> Any:
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

    def shape(self, x: Shape, *, key: Any, shape: Shape) -> Shape:
        return shape

    def vjp(self, g: Any, y: Any, x: Any, *, key: Any, shape: Shape) -> Any:
        return (index(g, key=key),)


class Concatenate(Op):
    r"""$y$ is the arrays side by side along an axis; each gets its own part of $\bar y$."""

    signature, numpy = "*arrays, axis", "np.concatenate(arrays, axis=axis)"

    def shape(self, *arrays: Shape, axis: int) -> Shape:
        rests = {x[:axis] + x[axis + 1 :] for x in arrays}
        if len(rests) != 1 or not 0 <= axis < len(arrays[0]):
            raise ShapeError(f"all axes but axis {axis} must be equal")
        return arrays[0][:axis] + (sum(x[axis] for x in arrays),) + arrays[0][axis + 1 :]

    def vjp(self, g: Any, y: Any, *arrays: Any, axis: int) -> Any:
        ends = list(accumulate(x.shape[axis] for x in arrays))
        starts = [0, *ends[:-1]]
        return [index(g, key=(slice(None),) * axis + (slice(i, j),)) for i, j in zip(starts, ends, strict=True)]


take, scatter_add, index, place, concatenate = Take(), ScatterAdd(), Index(), Place(), Concatenate()
