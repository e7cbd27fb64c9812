"""Whether two ways lead to the same value: which elements of an array a view has, or a copy, or a block of rows."""

from math import prod
from typing import Any

import numpy as np

from ...core import ComputationNode as Node, ops

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


def view_of(node: Node, root: Node) -> tuple[Any, int, Forms] | None:
    """A node as a view of another's array: as an array, its first byte, and what had to be copied for it."""
    path = list[Node]()
    while node is not root:
        if not (node.parents and node.op.view):
            return None
        path.append(node)
        node = node.parents[0]
    array, first, forms = np.empty(root.shape, root.dtype), 0, Forms()
    for step in reversed(path):
        if step.op is ops.index:
            new, moved = indexed(array, step.params["key"])
        else:
            new, moved = step.op.forward(array, **step.params), 0
        if new.size and not np.may_share_memory(new, array):
            forms, first = extended(forms, form_of(array, first), root.size), 0
        array, first = new, first + moved
    return array, first, forms


def broadcast_alike(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether arrays of these shapes are broadcast alike: axes of one element at the front make no difference."""
    common = min(len(a), len(b))
    front = a[: len(a) - common] + b[: len(b) - common]
    return a[len(a) - common :] == b[len(b) - common :] and all(n == 1 for n in front)


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


def indexed(array: Any, key: Any) -> tuple[Any, int]:
    """A view of these elements, and how many bytes on it starts."""
    key = key if type(key) is tuple else (key,)
    view = array[key if ... in key else (*key, ...)]
    return view, address(view) - address(array) if view.size else 0


def address(array: Any) -> int:
    return array.__array_interface__["data"][0]
