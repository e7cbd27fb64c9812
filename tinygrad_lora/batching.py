"""Examples in batches: shuffled by a seed, with a short last one, or padded to one shape with a mask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .boundary.arrays import real_array
from .errors import ShapeError

Columns = list[list[Any] | np.ndarray[Any, Any]]


def batches(
    *arrays: Any, size: int, seed: int | np.random.Generator | None = 0, shuffle: bool = True, epochs: int = 1,
    pad: float | None = None,
) -> Iterator[tuple[Any, ...]]:  # fmt: skip
    """`size` examples at a time, until all have come, `epochs` times: a tuple with a part of each array.

    The last batch of an epoch is short where `size` does not divide, unless there is a `pad`.

    *arrays: arrays or lists that go over the same examples along their first axis; with `pad` also lists of arrays
        whose lengths differ
    size: examples in a batch, a positive whole number
    seed: a whole number or a Generator that draws the order; None draws a new one every time
    shuffle: True gives each epoch an order of its own; False keeps the order of the arrays
    epochs: how often all examples come, a whole number from 0 on
    pad: None, or a number: then all batches are full. Missing rows hold it, those of a list of arrays are filled up to
        the longest of the batch, and a mask comes last, True where there is an example
    Yields tuples with an array (size, ...) for each of `arrays`, and with `pad` a mask (size,), or (size, longest) for
    lists.
    Raises ShapeError where the arrays do not belong together or a list needs `pad`, ValueError for sizes below 1 and
    for a `pad` that a dtype does not have, TypeError without arrays and for what is no whole number.

    >>> x, y = np.arange(5.0), np.arange(5)
    >>> for batch in tl.batches(x, y, size=2, shuffle=False):
    ...     print(*batch)
    [0. 1.] [0 1]
    [2. 3.] [2 3]
    [4.] [4]
    >>> rows, mask = next(tl.batches([[1, 2, 3], [4]], size=2, shuffle=False, pad=0))
    >>> rows.tolist(), mask.tolist()
    ([[1, 2, 3], [4, 0, 0]], [[True, True, True], [True, False, False]])
    """
    if not arrays:
        raise TypeError("batches() takes arrays, as in tl.batches(x, y, size=32)")
    if not all(isinstance(n, int | np.integer) for n in (size, epochs)):
        raise TypeError(f"size and epochs are whole numbers, not {size!r} and {epochs!r}")
    if size < 1 or epochs < 0:
        raise ValueError(f"a batch has at least one example and epochs are 0 or more, not {size} and {epochs}")
    if pad is not None and real_array(pad, "pad").ndim:
        raise ShapeError(f"pad is one number, not an array of shape {np.shape(pad)}")
    columns = [_column(array, i, pad) for i, array in enumerate(arrays)]
    counts = [len(column) for column in columns]
    if len(set(counts)) > 1:
        raise ShapeError(f"the arrays have {counts} examples: each needs the same number along its first axis")
    for i, column in enumerate(columns if pad is not None else []):
        dtype = column[0].dtype if isinstance(column, list) else column.dtype
        with np.errstate(all="ignore"):
            same = np.array_equal(np.asarray(pad).astype(dtype), np.asarray(pad), equal_nan=True)
        if not same:
            raise ValueError(f"array {i} has the dtype {dtype}, which has no {pad}: pad with a number that it has")
    ragged = [[x.shape[0] for x in column] for column in columns if isinstance(column, list)]
    if any(lengths != ragged[0] for lengths in ragged):
        raise ShapeError("the lists have other lengths at the same place: one mask must fit all of them")
    return _batches(columns, counts[0], size, np.random.default_rng(seed) if shuffle else None, epochs, pad)


def _column(array: Any, i: int, pad: float | None) -> Any:
    """An array, or where there is a mask, a list of arrays whose lengths may differ."""
    lengths = {np.shape(x) for x in array} if isinstance(array, list | tuple) else set()
    if len(lengths) > 1 or (pad is not None and lengths - {()}):
        rows = [real_array(x, f"example {j} of array {i}") for j, x in enumerate(array)]
        if any(not x.ndim or x.shape[1:] != rows[0].shape[1:] for x in rows):
            raise ShapeError(f"the examples of array {i} differ in more than their length: they cannot be padded")
        if pad is None:
            raise ShapeError(f"the examples of array {i} have different lengths: say what fills them up, as in pad=0")
        dtype = np.result_type(*([x for x in rows if x.size] or rows))  # an empty list says nothing about its dtype
        return [x.astype(dtype) for x in rows]
    array = real_array(array, f"array {i}")
    if not array.ndim:
        raise ShapeError(f"array {i} is one number: the first axis is that of the examples")
    return array


def _batches(
    columns: Columns, count: int, size: int, rng: np.random.Generator | None, epochs: int, pad: float | None
) -> Iterator[tuple[Any, ...]]:
    for _ in range(epochs):
        order = np.arange(count) if rng is None else rng.permutation(count)
        for start in range(0, count, size):
            rows = order[start : start + size]
            if pad is None:
                yield tuple(column[rows] for column in columns)
            else:
                yield (*(_padded(column, rows, size, pad) for column in columns), _mask(columns, rows, size))


def _padded(column: Any, rows: Any, size: int, pad: float) -> Any:
    """These examples, filled up to so many, and to one length."""
    if not isinstance(column, list):
        batch = np.full((size, *column.shape[1:]), pad, column.dtype)
        batch[: len(rows)] = column[rows]
        return batch
    examples = [column[i] for i in rows]
    batch = np.full((size, max(map(len, examples)), *examples[0].shape[1:]), pad, examples[0].dtype)
    for row, example in zip(batch, examples, strict=False):
        row[: len(example)] = example
    return batch


def _mask(columns: Columns, rows: Any, size: int) -> Any:
    """Where a padded batch has examples."""
    lists = [column for column in columns if isinstance(column, list)]
    if not lists:
        return np.arange(size) < len(rows)
    lengths = np.zeros(size, int)
    lengths[: len(rows)] = [len(lists[0][i]) for i in rows]
    return np.arange(lengths.max()) < lengths[:, None]
