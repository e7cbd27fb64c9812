"""Which elements of an array a view has, or a copy of a view: by that two ways to the same value are compared."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

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


def _elements(forms: Forms, size: int, itemsize: int) -> Any:
    """The places of these elements in the array."""
    places = np.arange(size)
    for first, axes in forms:
        moves = np.array([first])
        for n, stride in axes:
            moves = (moves[:, None] + np.arange(n) * stride).reshape(-1)
        places = places[moves // itemsize]
    return places
