"""How a node becomes a number, which no gradient passes; and where one last did: perhaps why a gradient is zero."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Conversion(NamedTuple):
    """One node as a number: when it was made, whether it could be trained, what it is called, in which line."""

    created: int
    trainable: bool
    label: str
    line: tuple[str, int] | None


_last: Conversion | None = None


def leave_note(created: int, trainable: bool, label: str, line: tuple[str, int] | None) -> None:
    """Remember this conversion, and forget the one before."""
    global _last
    _last = Conversion(created, trainable, label, line)


def lost(start: int, end: float, trainable: bool = False) -> str:
    """The end of a message: the line that turned a node made between two ticks into a number, if one did.

    `trainable` asks for a node that required a gradient.
    """
    if _last is None or not start <= _last.created < end or (trainable and not _last.trainable):
        return ""
    file, line = _last.line or ("", 0)
    place = f"{Path(file).name}:{line}"
    return f". {_last.label} became a number in {place}, which no gradient passes: use functions of nodes there"


def _conversion(convert: Callable[..., Any]) -> Any:
    """The method for `float(node)` and its like: a single number, which no gradient passes."""

    def method(self: NumberLike, *options: Any) -> Any:
        self._leave_note()
        return convert(self._number(f"{convert.__name__}()"), *options)

    return method


class NumberLike:
    """What `ComputationNode` inherits so that Python and NumPy can take its numbers out of the graph."""

    __slots__ = ()
    shape: Any
    value: Any
    _leave_note: Any  # node.py says how

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        self._leave_note()
        return np.array(self.value, dtype=dtype)

    def _number(self, who: str) -> Any:
        """The value as one of Python's numbers, or a sentence."""
        if self.value.size != 1:
            remedy = "take one of its numbers, or tl.sum or tl.mean of all"
            raise TypeError(f"{who} is for a single number (a scalar), and this node has shape {self.shape}: {remedy}")
        return self.value.item()

    __float__, __int__, __round__ = _conversion(float), _conversion(int), _conversion(round)

    def __format__(self, spec: str) -> str:
        return format(self._number(f"the format {spec!r}"), spec) if spec else str(self)
