"""Writes a program line by line: runs each line at once, and keeps it if its numbers are what the style asks for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from ..core.node import ComputationNode as Node, Shape
from ..errors import GradientError
from .bounds import Bounds
from .programs import ArrayLine, Numbers, ProgramLine, StepLine
from .vocabulary import WORDS

DTYPES = ("float64", "float32", "float16", "int64", "int8", "uint8", "bool")
LARGEST_NUMBER = {"float64": 1e4, "float32": 1e3, "float16": 50.0}
MOST_AXES = 4


@dataclass(frozen=True)
class Style:
    """What programs look like.

    `exact`: numbers are whole, or a few halvings of whole ones, and so small that no order of the same sums rounds or
    wraps. Else they are ordinary, and stay in a sane range. `sizes` are those of axes, `largest` that of an array; in
    one program of eight `large` are the sizes, so that passes which count the cost find something worth doing.
    `dtypes` are those of arrays, `steps` is the largest number of them.
    """

    exact: bool = True
    sizes: tuple[int, ...] = (1, 2, 3, 4, 2, 3, 0)
    largest: int = 64
    large: tuple[int, ...] = (1, 2, 6, 40)
    dtypes: tuple[str, ...] = DTYPES
    steps: int = 12


class UnfitError(Exception):
    """There is no line to continue, or none may be added."""


class ProgramWriter:
    """The lines of a program so far, and the value of each."""

    def __init__(self, rng: np.random.Generator, style: Style) -> None:
        self.rng, self.style = rng, style
        self.lines: list[ProgramLine] = []
        self.values: list[Any] = []
        self.focus: int | None = None  # the line that the next one should take
        self._bounds = Bounds()
        # Few sizes, so that arrays fit together often; empty axes are rare, and so are mixtures of dtypes.
        large = bool(style.large) and self.chance(1 / 8)
        self.largest = max(style.largest, 2 * max(style.large, default=0) ** 2) if large else style.largest
        picked = self.some(style.large if large else style.sizes, int(rng.integers(2, 4)))
        self.sizes = [n if n or self.chance(0.3) else 2 for n in picked]
        floats = tuple(d for d in style.dtypes if d.startswith("float")) or style.dtypes
        mixed, other = self.chance(0.35), self.chance(0.5)
        self.dtypes = style.dtypes if mixed else (self.one((*floats, *style.dtypes)) if other else style.dtypes[0],)

    # --- Drawing ---

    def chance(self, p: float) -> bool:
        """True with probability p."""
        return bool(self.rng.random() < p)

    def one(self, things: Sequence[Any]) -> Any:
        """One of these, at random."""
        return things[int(self.rng.integers(len(things)))]

    def some(self, things: Sequence[Any], n: int) -> list[Any]:
        """n of these, drawn with replacement."""
        return [self.one(things) for _ in range(n)]

    def shape(self, axes: int | None = None) -> tuple[int, ...]:
        """A shape of this many axes, or of none to three; of fewer where the array would be too large."""
        axes = self.one((2, 2, 2, 2, 1, 1, 3, 3, 0)) if axes is None else axes
        shape = tuple(self.some(self.sizes, axes))
        while prod(shape) > self.largest:
            shape = shape[1:]
        return shape

    # --- Lines ---

    def dtype_beside(self, i: int) -> str:
        """A dtype for a new array beside line i: the same, or any in a program that mixes them."""
        same = str(self.values[i].dtype)
        return self.one(self.dtypes) if len(self.dtypes) > 1 and self.chance(0.5) else same

    def leaf(self, shape: tuple[int, ...], dtype: str | None = None, kind: str = "input", low: float = -4) -> int:
        """Add a new array and return its line number. In exact programs a few arrays hold infinities."""
        dtype = dtype or self.one(self.dtypes)
        kind = kind if kind == "constant" or np.dtype(dtype).kind == "f" else "input"
        letter = np.dtype(dtype).kind
        low = {"u": 0, "b": 0}.get(letter, low)
        numbers = Numbers(low, {"b": 1}.get(letter, 4), seed=int(self.rng.integers(2**31)))
        if letter == "f" and not self.style.exact:
            numbers = replace(numbers, high=3, step=self.one((0.125, 0.0)))
        elif letter == "f" and low < 0 and self.chance(0.2):
            numbers = replace(numbers, step=0.5) if self.chance(0.7) else replace(numbers, infinite=0.2)
        elif letter in "iu" and self.chance(0.2):  # so that a factor too many would wrap
            numbers = replace(numbers, low=low and -100, high=100)
        elif self.chance(0.3):
            numbers = replace(numbers, low=max(low, -1), high=1)
        array = numbers.drawn(shape, dtype)
        return self.keep(ArrayLine(kind, array, numbers))

    def indices(self, n: int, shape: tuple[int, ...], least: int | None = None) -> int:
        """Add indices into an axis of length n, as an argument or a constant, and return their line number."""
        low = -n if least is None else least
        numbers = Numbers(low, n - 1, 1.0, int(self.rng.integers(2**31)))
        dtype = self.one(("int64", "int64", "int64", "int32", "uint8"))
        if dtype == "uint8":
            numbers = Numbers(0, n - 1, 1.0, numbers.seed)
        return self.keep(ArrayLine(self.one(("input", "constant")), numbers.drawn(shape, dtype), numbers))

    def keep(self, line: ArrayLine) -> int:
        """Add an array, and return its line number."""
        self.lines.append(line)
        self.values.append(line.node(f"w{len(self.lines)}"))
        return len(self.lines) - 1

    def write(self, word: str, *operands: int, **params: Any) -> int:
        """Add a step and return its line number; UnfitError if the engine refuses it or its numbers do not fit."""
        try:
            value = WORDS[word].function(*(self.values[i] for i in operands), **params)
        except (TypeError, ValueError, IndexError, ArithmeticError, GradientError):
            raise UnfitError from None  # there is nothing to compare
        if not self.fits(value):
            raise UnfitError
        self.lines.append(StepLine(word, operands, params))
        self.values.append(value)
        return len(self.lines) - 1

    def fits(self, value: Node) -> bool:
        """Whether the style allows this value."""
        if value.size > self.largest or value.ndim > MOST_AXES:
            return False
        if self.style.exact:
            return self._bounds(value) is not None
        if value.dtype.kind != "f":
            return True
        limit = LARGEST_NUMBER.get(value.dtype.name, 50.0)
        return bool(np.abs(np.asarray(value.value, float)).max(initial=0) < limit)  # not where it is nan

    # --- Earlier lines ---

    def line_numbers(self, fits: Callable[[Node], bool] = lambda node: True) -> list[int]:
        """The numbers of the lines that hold arrays and fit."""
        return [i for i, v in enumerate(self.values) if isinstance(v, Node) and fits(v)]

    def pick(self, fits: Callable[[Node], bool] = lambda node: True) -> int:
        """The number of an earlier line that fits: the one in focus, else more likely a recent one; or UnfitError."""
        if self.focus is not None and fits(self.values[self.focus]):
            i, self.focus = self.focus, None
            return i
        fitting = self.line_numbers(fits)
        if not fitting:
            raise UnfitError
        return int(self.one(fitting + 2 * fitting[-3:]))

    def pick_beside(self, *taken: int, new: float = 0.25) -> int:
        """The number of an earlier line that broadcasts with those taken; sometimes of a new array that does."""
        whole = np.broadcast_shapes(*(self.values[i].shape for i in taken))
        fitting = self.line_numbers(lambda node: node.dtype.kind in "fiub" and broadcasts(node.shape, whole))
        if not fitting or self.chance(new):
            shape = tuple(n if self.chance(0.75) else 1 for n in whole)
            fewer = int(self.rng.integers(2) * self.rng.integers(4))  # axes
            return self.leaf(shape[fewer:], self.dtype_beside(self.one(taken)))
        return int(self.one(fitting + 2 * fitting[-3:]))


def broadcasts(a: Shape, b: Shape) -> bool:
    """Whether arrays of these shapes broadcast."""
    return all(n == m or 1 in (n, m) for n, m in zip(a[::-1], b[::-1], strict=False))


def is_float(node: Node) -> bool:
    """Whether it holds floats."""
    return bool(node.dtype.kind == "f")
