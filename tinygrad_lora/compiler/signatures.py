"""What calls that share a program have in common: shapes and dtypes of arrays, structures of layers, other values."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from ..core.source import function_from_source
from ..errors import CompileError
from .calling import ARRAY, Arguments, Form, is_layer

MOST_WATCHES = 64  # for one function; a watch keeps its layer alive

Watch = Callable[[], Any]


class ArrayKey(NamedTuple):
    """The key of an array."""

    shape: tuple[int, ...]
    dtype: Any


class LayerKey(NamedTuple):
    """The key of a layer: its watch, and the number that this gives for the present structure."""

    watch: Watch
    number: Any


class ValueKey(NamedTuple):
    """The key of any other value, which is part of the program. 1, 1.0 and True are equal, and not the same."""

    kind: type
    text: str
    value: Any


def watch_of(thing: Any) -> Watch | None:
    """A function that gives a number, the same as long as `thing` gives the same graph. None for what is no layer."""
    return getattr(thing, "__self__", thing).watch() if is_layer(thing) else None  # of a method, its object's


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
            return ArrayKey(argument.shape, argument.dtype)
        if (watch := self._watch_of(argument)) is not None:
            return LayerKey(watch, watch())
        try:
            hash(argument)
        except TypeError:
            problem = f"an argument of type {type(argument).__name__} cannot be part of a program"
            remedy = "pass arrays, or values that can be hashed such as numbers, strings and tuples"
            raise CompileError(f"{problem}: {remedy}") from None
        return ValueKey(type(argument), repr(argument), _comparable(argument))

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


def _comparable(value: Any) -> Any:
    """The value, with the word "nan" in the place of a NaN, which is not equal to itself."""
    if type(value) is tuple:
        return tuple(map(_comparable, value))
    return "nan" if isinstance(value, float | complex) and value != value else value


def never(*args: Any) -> bool:
    """A guard that no arguments pass."""
    return False


class Guard(NamedTuple):
    """`fits(*args)` says in 0.1 microseconds whether other arguments have a signature; `arrays(*args)` takes them out.

    It may say no to arguments that would fit: then their keys are looked up. `arrays` is None where all are arrays.
    """

    fits: Callable[..., bool]
    arrays: Callable[..., Any] | None


def guard(call: Arguments, keys: Iterable[Any]) -> Guard:
    """The guard of the signature of this call, whose leaves have these keys."""
    return _GuardWriter(call, keys).written()


class _GuardWriter:
    """Writes the functions of a guard."""

    def __init__(self, call: Arguments, keys: Iterable[Any]) -> None:
        self.call, self.values = call, dict[str, Any](ndarray=np.ndarray)
        self.rest = zip(call.leaves, keys, strict=True)
        self.checks: list[str] = []
        self.arrays: list[str] = []

    def written(self) -> Guard:
        names = [f"x{i}" for i in range(len(self.call.args))]
        for x, form in zip(names, self.call.forms, strict=True):
            self._add(x, form)
        if self.call.names:
            self.checks = ["False"]  # what goes by name is bound first
        # What is left out is not what was given: also None may be given.
        self.values["missing"] = object()
        source = f"def fits({', '.join([*(f'{x}=missing' for x in names), '*more'])}):\n"
        source += f"    return not more and {' and '.join(self.checks) or 'True'}\n"
        fits = function_from_source("fits", source, **self.values)
        if self.arrays == names:
            return Guard(fits, None)
        source = f"def arrays({', '.join(names)}):\n    return ({''.join(f'{x}, ' for x in self.arrays)})\n"
        return Guard(fits, function_from_source("arrays", source, **self.values))

    def _bind(self, value: Any) -> str:
        name = f"v{len(self.values)}"
        self.values[name] = value
        return name

    def _add(self, x: str, form: Form) -> None:
        """The checks of one argument or item, which the expression `x` gives."""
        if form is None:
            self._add_leaf(x, *next(self.rest))
            return
        self.checks.append(f"type({x}) is {self._bind(form.kind)}")
        if form.keys:
            same = f"(*{x},) == {self._bind(form.keys)}"
            self.checks.append(same if {*form.key_kinds} == {str} else "False")  # others are looked up
        else:
            self.checks.append(f"len({x}) == {len(form.items)}")
        for i, inner in enumerate(form.items):
            self._add(f"{x}[{self._bind(form.keys[i]) if form.keys else i}]", inner)

    def _add_leaf(self, x: str, leaf: Any, key: Any) -> None:
        if isinstance(leaf, ARRAY):
            self.arrays.append(x)
        if type(leaf) is np.ndarray:
            dtype = self._bind(leaf.dtype)
            self.checks += [f"type({x}) is ndarray", f"{x}.dtype is {dtype}", f"{x}.shape == {leaf.shape}"]
        elif isinstance(leaf, np.generic):
            self.checks.append(f"type({x}) is {self._bind(type(leaf))}")
        else:
            self.checks.append(f"{x} is {self._bind(leaf)}")
        if isinstance(key, LayerKey):
            self.checks.append(f"{self._bind(key.watch)}() == {self._bind(key.number)}")
