"""Plain values that JSON lacks: whole numbers of any size, infinities, complex numbers, `...`, ranges, dtypes."""

import math
from typing import Any

from .changing import dtype_of

SAFE = 2**53
NUMBERS = "biufc"  # the kinds of dtypes that cross
KINDS = frozenset({type(None), bool, str, int, float, complex, type(...), range})  # and dtypes


def written(x: Any) -> Any:
    """The value as JSON. It is of one of the kinds, or a dtype."""
    kind = type(x)
    if x is None or kind in (bool, str):
        return x
    if kind is int:
        return x if abs(x) < SAFE else {"int": hex(x)}
    if kind is float:
        return x if math.isfinite(x) else {"float": repr(x)}
    if kind is complex:
        return {"complex": [repr(x.real), repr(x.imag)]}
    if x is ...:
        return {"...": 0}
    if kind is range:
        return {"range": [x.start, x.stop, x.step]}
    return {"dtype": x.str}


def read(tag: str, body: Any) -> Any:
    """The value that `written` gave this tag; KeyError for any other tag."""
    match tag:
        case "int":
            return int(body, 16)
        case "float":
            return float(body)
        case "complex":
            return complex(float(body[0]), float(body[1]))
        case "...":
            return ...
        case "range":
            return range(*body)
        case "dtype":
            return dtype_of(body)
    raise KeyError(tag)
