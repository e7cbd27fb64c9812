"""What callers pass, checked: numbers, sizes and arrays, or an error that says what they should be."""

from math import isfinite
from numbers import Real
from typing import Any

import numpy as np

from ..boundary.arrays import real_array


def floats(data: Any, dtype: Any, what: str) -> Any:
    """`data` as an array of this dtype (None: its own, or float64), or a DtypeError."""
    array = real_array(data, what)
    return array.astype(dtype or np.result_type(array.dtype, np.float16), copy=False)


def check_number(value: Any, what: str, low: float, high: float = float("inf")) -> float:
    """`value` as a float, if it is a number with low <= value < high. Raises TypeError or ValueError otherwise."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise TypeError(f"{what} must be a number, not {type(value).__name__}")
    number = float(value)
    if not (isfinite(number) and low <= number < high):
        above = f" and at least {low}" if isfinite(low) else ""
        wanted = f"finite{above}" if high == float("inf") else f"at least {low} and below {high}"
        raise ValueError(f"{what} must be {wanted}, not {value}")
    return number


def check_positive(value: Any, what: str) -> float:
    """`value` as a float, if it is a positive, finite number. Raises TypeError or ValueError otherwise."""
    number = check_number(value, what, -float("inf"))
    if number <= 0:
        raise ValueError(f"{what} must be positive, not {value}")
    return number


def check_size(value: Any, what: str) -> int:
    """`value` as an int, if it is a positive whole number. Raises TypeError or ValueError otherwise."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise TypeError(f"{what} must be a whole number, not {type(value).__name__}")
    if value <= 0:
        raise ValueError(f"{what} must be positive, not {value}")
    return int(value)
