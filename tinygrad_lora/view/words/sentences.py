"""Arrays and names in a few words: all numbers of a small array, a summary of a large one."""

import re
from collections.abc import Container, Sequence
from fractions import Fraction
from math import isfinite, isnan
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...compiler.text.lines import columns

ROWS, COLUMNS = 3, 4  # an array up to this size is written out
WIDEST = 48  # the largest width of a column of a table; a longer cell shifts its own line only
ROUNDING = re.compile(r"-?\b\d(\.\d+)?e-(1[5-9]|[2-9]\d|\d{3})\b|(?<![\w.])-0(?![\w.])")
FIRST = 3  # how many numbers of a larger array are shown
LARGEST_DIVISOR = 10_000  # of the numbers that are written as fractions, such as 1/3


def number(x: Any) -> str:
    """One number, in at most four significant digits."""
    return f"{x}" if isinstance(x, bool | np.bool_ | int | np.integer) else f"{x:.4g}"


def about_zero(text: str) -> str:
    """The text with `~0` for what is only rounding, such as 1.156e-18, and for -0."""
    return ROUNDING.sub("~0", text)


def number_text(x: Any) -> str:
    """A number with six digits, or as a fraction if that is exact: 1/3."""
    if isinstance(x, bool | np.bool_ | int | np.integer):
        return str(x)
    x = float(x)
    if not isfinite(x):
        return "nan" if isnan(x) else "-inf" if x < 0 else "inf"
    if x.is_integer() and abs(x) < 1e6:
        return str(int(x))
    fraction = Fraction(x).limit_denominator(LARGEST_DIVISOR)
    exact = fraction.numerator / fraction.denominator == x
    return str(fraction) if exact and len(repr(x)) > max(6, len(str(fraction))) else f"{x:.6g}"


def parameter_text(x: Any) -> str:
    """A parameter of an operation: `(2, 3)`, `0:2`, `-1`."""
    if isinstance(x, tuple):
        return f"({', '.join(map(parameter_text, x))}{',' * (len(x) == 1)})"
    if isinstance(x, slice):
        start, stop = ("" if end is None else str(end) for end in (x.start, x.stop))
        return f"{start}:{stop}" + (f":{x.step}" if x.step is not None else "")
    return "..." if x is ... else number_text(x) if isinstance(x, float) else one_line(str(x))


def shape_text(shape: tuple[int, ...]) -> str:
    """`(2, 3)`, or the word scalar for a single number."""
    return str(shape) if shape else "scalar"


def one_line(text: str) -> str:
    """The text on one line, with spaces for characters that cannot be printed."""
    return "".join(c if c.isprintable() else " " for c in text).strip()


def with_article(noun: str) -> str:
    """`an input`, `a parameter`."""
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


def spoken(operation: object, label: str) -> str:
    """How a sentence refers to a node: by its name, or as `relu %2` if it has only a number."""
    return f"{operation} {label}" if label.startswith("%") else one_line(label)


def apart(a: float, b: float) -> tuple[str, str]:
    """Two numbers, in as many digits as it takes to tell them apart."""
    for digits in (4, 6, 9, 17):
        texts = f"{a:.{digits}g}", f"{b:.{digits}g}"
        if texts[0] != texts[1]:
            break
    return texts


def short_array(array: ArrayLike) -> tuple[str, ...]:
    """An array as a few lines of text: its rows if they are few, else its range and mean, and the first numbers."""
    array = np.asarray(array)
    if not array.size:
        return ("no elements",)
    if array.ndim == 0:
        return (number(array[()]),)
    if array.ndim == 1 and array.size <= COLUMNS:
        return (_row(array),)
    if array.ndim == 2 and len(array) <= ROWS and array.shape[1] <= COLUMNS:
        return tuple(_row(row) for row in array)
    first = ", ".join(number(x) for x in array.flat[:FIRST])
    if array.dtype.kind == "c":
        return (f"[{first}, ...]",)
    with np.errstate(all="ignore"):  # infinities and overflow are shown, not complained about
        low, middle, high = array.min(), array.mean(dtype=float), array.max()
    if low == high:
        return (f"all {number(low)}",)
    return f"{number(low)} to {number(high)}, mean {number(middle)}", f"[{first}, ...]"


def _row(numbers: Any) -> str:
    return f"[{', '.join(number(x) for x in numbers)}]"


def table(rows: Sequence[Sequence[str]], right: Container[int] = ()) -> list[str]:
    """Rows of text with aligned columns, some to the right."""
    return columns(rows, right, WIDEST)
