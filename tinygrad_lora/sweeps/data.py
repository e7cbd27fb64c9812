"""The examples of a sweep: what trains, what chooses, what tells, and which of them a step sees."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..boundary.arrays import real_array
from ..errors import SweepError

Pair = tuple[Any, Any]
AT_ONCE = 256  # examples of a split that are computed together


@dataclass(frozen=True)
class Splits:
    """Pairs of inputs and targets: to train on, to choose the best run by, and to say how good that one is."""

    train: Pair
    validation: Pair
    test: Pair | None

    def arrays(self) -> list[Any]:
        """All of them in a list."""
        return [array for pair in (self.train, self.validation, self.test or ()) for array in pair]


def digest_of(arrays: Sequence[Any]) -> str:
    """A fingerprint of arrays, their shapes and dtypes."""
    fingerprint = hashlib.sha256()
    for array in arrays:
        fingerprint.update(f"{array.shape} {array.dtype}".encode())
        fingerprint.update(np.ascontiguousarray(array).tobytes())
    return fingerprint.hexdigest()


def split(data: Any, validation: Any, test: Any, dtype: Any) -> Splits:
    """The splits, floats in this dtype: a fraction is cut off from the shuffled data, a pair is taken as it is."""
    x, y = train = _pair(data, "data", dtype)
    order, start, parts = np.random.default_rng(0).permutation(len(x)), 0, list[Any]()
    for name, part in (("validation", validation), ("test", test)):
        if isinstance(part, float | int) and not isinstance(part, bool):
            count = round(part * len(x))
            if not 0 < part < 1 or not 0 < count < len(x) - start:
                raise SweepError(f"{name} must be a part of the {len(x)} examples such as 0.2, or a pair, not {part!r}")
            chosen = order[start : start + count]
            start += count
            parts.append((x[chosen], y[chosen]))
        else:
            parts.append(None if part is None and name == "test" else _pair(part, name, dtype))
    rest = np.sort(order[start:])
    return Splits((x[rest], y[rest]) if start else train, parts[0], parts[1])


def _pair(pair: Any, name: str, dtype: Any) -> Pair:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise SweepError(f"{name} must be a pair of arrays, inputs and targets, not {type(pair).__name__}")
    x, y = (real_array(array, f"{name}[{i}]") for i, array in enumerate(pair))
    if not x.ndim or x.shape[:1] != y.shape[:1] or not len(x):
        raise SweepError(f"{name}: inputs {x.shape} and targets {y.shape} must have as many examples, at least one")
    return x.astype(dtype, copy=False) if x.dtype.kind == "f" else x, y


def rows_of_step(step: int, size: int, count: int, seed: int) -> Any:
    """Which of `count` examples a step sees: `size` of them, each once an epoch, in an order of its own each time."""
    epoch, place = divmod(step, count // size)
    return _order(seed, epoch, count)[place * size : (place + 1) * size]


@lru_cache(maxsize=64)  # one for each seed of a stack
def _order(seed: int, epoch: int, count: int) -> Any:
    return np.random.default_rng([seed, epoch]).permutation(count)


def pieces(pair: Pair) -> Iterator[Pair]:
    """A split in parts of at most `AT_ONCE` examples."""
    x, y = pair
    return ((x[i : i + AT_ONCE], y[i : i + AT_ONCE]) for i in range(0, len(x), AT_ONCE))
