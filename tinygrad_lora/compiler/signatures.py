"""What calls that share a program have in common: shapes and dtypes of arrays, structures of layers, other values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.source import function_from_source
from ..errors import CompileError

ARRAY = np.ndarray | np.generic
MOST_WATCHES = 64  # for one function; a watch keeps its layer alive

Watch = Callable[[], Any]


class Watched(NamedTuple):
    """The key of a layer: its watch, and the number that this gives for the present structure."""

    watch: Watch
    number: Any


def watch_of(thing: Any) -> Watch | None:
    """A function that gives a number, the same as long as `thing` gives the same graph. None for what is no layer."""
    thing = getattr(thing, "__self__", thing)  # of a method
    watch = getattr(type(thing), "watch", None)
    return watch(thing) if callable(watch) else None


class Keys:
    """Gives arguments their keys. A layer has the same watch every time: only its own numbers can be compared."""

    def __init__(self) -> None:
        self._watches: dict[int, tuple[Any, Watch]] = {}  # layers by identity, which they keep while they are here

    def __call__(self, argument: Any) -> Any:
        """What two arguments must have in common to share a program.

        For arrays shape and dtype, for a layer itself and its structure, for everything else the value.
        Raises CompileError for a value that cannot be hashed.
        """
        if isinstance(argument, ARRAY):
            return argument.shape, argument.dtype
        if (watch := self._watch_of(argument)) is not None:
            return Watched(watch, watch())
        try:
            hash(argument)
        except TypeError:
            raise CompileError(
                f"an argument of type {type(argument).__name__} cannot be part of a program: "
                "pass arrays, or values that can be hashed such as numbers, strings and tuples"
            ) from None
        return type(argument), repr(argument), argument  # 1, 1.0 and True are equal, and not the same

    def _watch_of(self, argument: Any) -> Watch | None:
        known = self._watches.get(id(argument))
        if known is None:
            watch = watch_of(argument)
            if watch is None:
                return None
            if len(self._watches) >= MOST_WATCHES:
                self._watches = {}  # programs of these are generated again: a new watch is another key
            known = self._watches.setdefault(id(argument), (argument, watch))
        return known[1]


def never(*args: Any) -> bool:
    """A guard that no arguments pass."""
    return False


def guard(args: Sequence[Any], keys: Sequence[Any]) -> Callable[..., bool]:
    """A function that says whether other arguments have the signature of these, in 0.1 microseconds.

    `keys` are the keys of these. It may say no to arguments that would fit: then their own keys are looked up.
    """
    names = [f"x{i}" for i in range(len(args))]
    checks, values = [], dict[str, Any](ndarray=np.ndarray)
    for x, a, key in zip(names, args, keys, strict=True):
        if type(a) is np.ndarray:
            checks += [f"type({x}) is ndarray", f"{x}.dtype is {x}_dtype", f"{x}.shape == {a.shape}"]
            values[f"{x}_dtype"] = a.dtype
        else:
            checks.append(f"type({x}) is {x}_type" if isinstance(a, np.generic) else f"{x} is {x}_value")
            values |= {f"{x}_type": type(a), f"{x}_value": a}
        if isinstance(key, Watched):
            checks.append(f"{x}_watch() == {x}_number")
            values |= {f"{x}_watch": key.watch, f"{x}_number": key.number}
    source = f"def fits({', '.join([*(f'{x}=None' for x in names), '*more'])}):\n"
    source += f"    return not more and {' and '.join(checks) or 'True'}\n"
    fits: Callable[..., bool] = function_from_source("fits", source, **values)
    return fits
