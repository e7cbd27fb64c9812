"""Whether two ways lead to the same value: which elements of an array a view has, or a copy, or a block of rows."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ...core import ops
from ...core.node import ComputationNode as Node

Form = tuple[int, tuple[tuple[int, int], ...]]  # the first byte of some elements, and (length, stride) of each axis
Forms = tuple[Form, ...]  # elements of an array, elements of a copy of those, and so on


def form_of(array: Any, first: int) -> Form:
    """Which elements an array has, one after another. Axes that are one step are one."""
    joined: list[tuple[int, int]] = []
    for n, stride in zip(array.shape, array.strides, strict=True):
        if joined and joined[-1][1] == n * stride:
            joined[-1] = joined[-1][0] * n, stride
        elif n != 1:
            joined.append((n, stride))
    return first, tuple(joined)


def extended(forms: Forms, form: Form, size: int) -> Forms:
    """With one more. All of the elements in their order are no news."""
    size = prod(n for n, _ in forms[-1][1]) if forms else size
    first, axes = form
    whole = first == 0 and (size == 1 if not axes else len(axes) == 1 and axes[0][0] == size and axes[0][1] > 0)
    return forms if whole else (*forms, form)


def same(a: Forms, b: Forms, size: int, itemsize: int) -> bool:
    """Whether these are the same elements of an array of `size`: a matrix that is copied turned, twice, is itself."""
    if a == b or max(len(a), len(b)) < 2:  # a form alone is written in one way only
        return a == b
    return np.array_equal(_elements(a, size, itemsize), _elements(b, size, itemsize))


def row_of(operand: Node, node: Node | None, length: int) -> int | None:
    """The bytes of a row of an operand, if a block of the node's `length` rows needs just these rows of it."""
    if node is None or not operand.ndim or operand.shape[0] != length:
        return None
    cut = operand is node or operand.ndim == node.ndim or not node.op.elementwise
    if operand is not node and node.op is ops.matmul:
        cut = operand is node.parents[0]
    return operand.size // length * operand.dtype.itemsize if cut else None


def equal(number: Any, node: Node) -> bool:
    """Whether a number is the value of a constant."""
    if not isinstance(number, (int, float, complex, np.generic, np.ndarray)):
        return False
    with np.errstate(all="ignore"):
        return np.array_equal(np.asarray(number).astype(node.dtype), node.value, equal_nan=True)


def _elements(forms: Forms, size: int, itemsize: int) -> Any:
    """The places of these elements in the array."""
    places = np.arange(size)
    for first, axes in forms:
        moves = np.array([first])
        for n, stride in axes:
            moves = (moves[:, None] + np.arange(n) * stride).reshape(-1)
        places = places[moves // itemsize]
    return places
