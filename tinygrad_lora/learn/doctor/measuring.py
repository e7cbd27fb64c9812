"""True gradients by finite differences, and how far they can be trusted: rounding, and kinks."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...core.node import Array

STEP = 1e-3  # of the central differences
EPSILON = float(np.finfo(float).eps)
Scalar = Callable[[Array], float]  # a function whose value is one number
Values = dict[str, Any]  # arrays by name; None for a gradient that is not there


def differences(f: Scalar, x: ArrayLike, step: float = STEP) -> Array:
    """The gradient of a scalar function by central differences of fourth order, good to about ten digits."""
    x = np.array(x, dtype=float)
    result = np.zeros_like(x)

    def at(i: tuple[int, ...], h: float) -> float:
        moved = x.copy()
        moved[i] += h
        return f(moved)

    for i in np.ndindex(x.shape):
        h = step * (1.0 if x[i] == 0 else min(1.0, abs(float(x[i]))))
        result[i] = (8 * (at(i, h) - at(i, -h)) - (at(i, 2 * h) - at(i, -2 * h))) / (12 * h)
    return result


def settled(f: Scalar, values: Values, name: str, truth: Array, answer: Array | None) -> Array:
    """The true gradient. At a kink an answer between the slopes of the two sides is true."""
    if answer is None or answer.shape != truth.shape:
        return truth
    x, result, last_digit = values[name], truth.copy(), EPSILON * size_of(values)
    middle = f(x)
    for place in np.argwhere(~(np.abs(answer - truth) <= 1e-6 * (1 + np.abs(truth)))):
        i, h = tuple(place), 1e-6 * (1 + float(np.abs(x[tuple(place)])))
        left, right = x.copy(), x.copy()
        left[i], right[i] = left[i] - h, right[i] + h
        low, high = sorted([(middle - f(left)) / h, (f(right) - middle) / h])
        if high - low > 1e-3 * (1 + abs(low) + abs(high)) + 16 * last_digit / h:
            result[i] = min(max(answer[i], low), high)
    return result


def uncertainty(values: Values, name: str) -> Array:
    """How far rounding may put these differences off: the last digit of the sum, divided by a step."""
    x = np.abs(np.asarray(values[name], dtype=float))
    return 4 * EPSILON * size_of(values) / (STEP * np.where(x == 0, 1.0, np.minimum(x, 1.0)))


def size_of(values: Values) -> float:
    """How large the terms of the sum of g y are: what is lost of their last digits is lost in a difference."""
    return float(np.abs(values["g"] * values["y"]).sum())
