"""How a node becomes a number, which no gradient passes; and where one last did: perhaps why a gradient is zero."""

import warnings
from collections.abc import Callable, Iterable
from math import inf
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from ..errors import GradientError, LostGradientWarning, TraceError
from .lines import user_line


class Conversion(NamedTuple):
    """One node as a number: when it was made, whether it could be trained, what it is called, in which line."""

    created: int
    trainable: bool
    label: str
    line: tuple[str, int] | None


_last: Conversion | None = None


def leave_note(node: Any) -> None:
    """Remember where this node becomes a number, and forget the one before: an error may have to name the line."""
    global _last
    _last = Conversion(node.created, node.requires_gradient, node._label(), user_line())


def lost(start: int, end: float, trainable: bool = False) -> str:
    """The end of a message: the line that turned a node made between two ticks into a number, if one did.

    `trainable` asks for a node that required a gradient.
    """
    if _last is None or not start <= _last.created < end or (trainable and not _last.trainable):
        return ""
    file, line = _last.line or ("", 0)
    place = f"{Path(file).name}:{line}"
    return f". {_last.label} became a number in {place}, which no gradient passes: use functions of nodes there"


def refuse_nothing_to_train(output: Any) -> NoReturn:
    """Raise GradientError: `backward()` of a node that depends on nothing that requires a gradient."""
    cause = lost(0, output.created, trainable=True)
    raise GradientError(f"nothing to train: the output depends on no parameter that requires a gradient{cause}")


def refuse_no_node(result: Any, argument: Any) -> NoReturn:
    """Raise GradientError: a function to be differentiated gave something else than a node."""
    other, cause = type(result).__name__, lost(argument.created, inf)
    raise GradientError(f"the function must return a node computed from its argument, not {other}{cause}")


def warn_of_zeros(wanted: Iterable[Any], output: Any) -> None:
    """Warn that `gradients()` gives zeros, if one of these nodes became a number on the way to the output."""
    if cause := lost(min(x.created for x in wanted), output.created):
        message = f"the gradients are zero: the output depends on none of these nodes{cause}"
        warnings.warn(message, LostGradientWarning, stacklevel=4)


def _conversion(convert: Callable[..., Any]) -> Any:
    """The method for `float(node)` and its like: a single number, which no gradient passes."""

    def method(self: Any, *options: Any) -> Any:
        leave_note(self)
        return convert(self._number(f"{convert.__name__}()"), *options)

    return method


class NumberLike:
    """What `ComputationNode` inherits so that Python and NumPy can take its numbers out of the graph."""

    __slots__ = ()

    def __array__(self: Any, dtype: Any = None, copy: bool | None = None) -> Any:
        leave_note(self)
        return np.array(self.value, dtype=dtype)

    def _number(self: Any, who: str) -> Any:
        """The value as one of Python's numbers, or a sentence."""
        if self.value.size != 1:
            remedy = "take one of its numbers, or tl.sum or tl.mean of all"
            raise TypeError(f"{who} is for a single number (a scalar), and this node has shape {self.shape}: {remedy}")
        return self.value.item()

    __float__, __int__, __round__ = _conversion(float), _conversion(int), _conversion(round)

    def __bool__(self: Any) -> bool:
        if self._value is None:
            raise TraceError(f"{self!r} is neither true nor false while it is traced: use tl.where(condition, a, b)")
        if self.value.size != 1:
            remedy = "choose with tl.where(condition, a, b), write (a < b) * (b < c) for a < b < c, or ask node.value"
            raise ValueError(f"an array has no one truth value, and this node has shape {self.shape}: {remedy}")
        return bool(self.value)

    def __format__(self: Any, spec: str) -> str:
        return format(self._number(f"the format {spec!r}"), spec) if spec else str(self)
