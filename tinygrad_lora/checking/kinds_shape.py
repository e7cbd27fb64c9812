"""Kinds of lines that change a shape, or take an array apart and put it together."""

from collections.abc import Callable
from math import prod
from typing import Any

from .writer import ProgramWriter, is_float


def reduced(word: str, w: ProgramWriter, x: int | None = None) -> int:
    """The reduction of line x, or of some array, over some axes, counted from the front or the back."""
    x = w.pick() if x is None else x
    n = w.values[x].ndim
    axis: Any = None
    if n and w.chance(0.85):
        several = tuple(sorted(i - n * w.chance(0.3) for i in range(n) if w.chance(0.5)))
        axis = several if several and w.chance(0.4) else int(w.rng.integers(-n, n))
    return w.write(word, x, axis=axis, keepdims=w.chance(0.4))


def transposed(w: ProgramWriter) -> int:
    """An array with its last two axes swapped."""
    return w.write("transpose", w.pick(lambda v: v.ndim > 1))


def reshaped(w: ProgramWriter) -> int:
    """An array in another shape: flat, split, or with axes of length 1."""
    x = w.pick()
    shape, size = w.values[x].shape, w.values[x].size
    sizes = [p for p in (2, 3, 4) if size and size % p == 0]
    shapes = [(size,), (1, *shape), (*shape, 1), tuple(n for n in shape if n != 1), shape[::-1]]
    shapes += [(p, size // p) for p in sizes] + [(*shape[:-2], prod(shape[-2:]))] * 2
    return w.write("reshape", x, shape=w.one(shapes))


def repeated(w: ProgramWriter) -> int:
    """An array repeated along new axes, or along those of length 1."""
    x = w.pick()
    shape = tuple(w.one(w.sizes) if n == 1 else n for n in w.values[x].shape)
    return w.write("broadcast", x, shape=((w.one(w.sizes),) if w.chance(0.6) else ()) + shape)


def indexed(w: ProgramWriter) -> int:
    """An array indexed with numbers, slices, None and the ellipsis."""
    x = w.pick(lambda v: v.ndim > 0)
    return w.write("index", x, key=key(w, w.values[x].shape))


def key(w: ProgramWriter, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """A key that selects a part of an array of this shape."""
    slices = (slice(None), slice(1, None), slice(None, -1), slice(None, None, -1), slice(0, 1), slice(None, None, 2))
    parts: list[Any] = [
        int(w.rng.integers(-n, n)) if n and w.chance(0.35) else w.one(slices)
        for n in shape[: int(w.rng.integers(1, len(shape) + 1))]
    ]
    if w.chance(0.15):
        parts.insert(int(w.rng.integers(len(parts) + 1)), None)
    return tuple(parts) if w.chance(0.85) else (Ellipsis, *parts[:1])


def placed(w: ProgramWriter) -> int:
    """An array inside a larger one of zeros."""
    x = w.pick()
    shape = w.values[x].shape
    if shape and w.chance(0.7):
        return w.write("place", x, key=(slice(1, shape[0] + 1),), shape=(shape[0] + 2, *shape[1:]))
    return w.write("place", x, key=(w.one((0, 1, -1)),), shape=(2, *shape))


def taken(w: ProgramWriter) -> int:
    """Rows of an array, or single elements of its first two axes."""
    x = w.pick(lambda v: v.ndim > 0 and v.shape[0] > 0)
    shape, count = w.values[x].shape, w.one(((2,), (3,), (2, 2), (1,), ()))
    if len(shape) > 1 and shape[1] and w.chance(0.35):
        return w.write("take_each", x, w.indices(shape[0], count), w.indices(shape[1], count))
    return w.write("take", x, w.indices(shape[0], count))


def scattered(w: ProgramWriter) -> int:
    """Rows added up at indices that may repeat."""
    x = w.pick(lambda v: v.ndim > 0)
    n, *rest = w.values[x].shape
    size = w.one((2, 3, 4))
    return w.write("scatter_add", x, w.indices(size, (n,)), shape=(size, *rest))


def two_on(x: int, kind: Callable[[ProgramWriter], int], w: ProgramWriter) -> list[int]:
    """Two lines of one kind on line x, which may differ in their parameters."""
    results = []
    for _ in range(2):
        w.focus = x
        results.append(kind(w))
    w.focus = None
    return results


def returned(w: ProgramWriter) -> int:
    """The gradient of an array from which rows are taken twice; or the sum of two scattered arrays."""
    x = w.pick(lambda v: v.ndim > 0 and is_float(v))
    scatters = w.chance(0.5)
    both = w.write("add", *two_on(x, scattered if scatters else taken, w))
    return both if scatters else w.write("gradient_of_square", both, x)


def joined(w: ProgramWriter) -> int:
    """Two or three arrays concatenated."""
    a = w.pick(lambda v: v.ndim > 0)
    shape, dtype = w.values[a].shape, w.values[a].dtype.name
    axis = int(w.rng.integers(len(shape)))
    parts = [a]
    for _ in range(w.one((1, 1, 2))):
        fitting = w.line_numbers(lambda v: v.ndim == len(shape) and _others(v.shape, axis) == _others(shape, axis))
        new = (*shape[:axis], w.one(w.sizes), *shape[axis + 1 :])
        parts.append(w.one(fitting) if w.chance(0.7) else w.leaf(new, dtype))
    return w.write("concatenate", *(parts if w.chance(0.5) else parts[::-1]), axis=axis - len(shape) * w.chance(0.2))


def _others(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]
