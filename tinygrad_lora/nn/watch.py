"""When a graph must be made anew: what it depends on besides arrays and the values of parameters.

A compiled program asks at every call. So the answer is a number, and is worked out again only after an assignment.
"""

from collections.abc import Hashable, Iterable
from itertools import count
from types import NoneType
from typing import Any

import numpy as np

from ..core.node import CONSTANT, PARAMETER, ComputationNode, tick

Key = tuple[Hashable, ...]
_PLAIN = (int, float, complex, str, NoneType, np.generic)


class _Clock:
    """When an attribute of some layer or optimizer was last assigned."""

    changed = 0


STRUCTURE = _Clock()


class Observable:
    """An object that moves the clock when one of its attributes is assigned or deleted, but for the `_unwatched`."""

    _unwatched: frozenset[str] = frozenset()

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name not in self._unwatched:
            STRUCTURE.changed = tick()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        STRUCTURE.changed = tick()

    def _parts(self) -> Iterable[tuple[str, Any]]:
        """Names and contents of this object."""
        return vars(self).items()

    @property
    def mode(self) -> str:
        """Names the graph that the object gives, if it can give more than one; it may depend on attributes alone."""
        return ""


class Watch:
    """A number for what `look(root)` finds, the same for the same. Asking costs little while nothing is assigned."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self._numbers: dict[Key, int] = {}
        self._next = count()
        self._seen = self._number = -1
        self._containers: list[Any] = []
        self._contents: list[Any] = []

    def __call__(self) -> int:
        if STRUCTURE.changed != self._seen or self._replaced():
            seen = STRUCTURE.changed
            key, self._containers = look(self.root)
            self._contents = [container.copy() for container in self._containers]
            self._number = self._numbers.setdefault(key, next(self._next))
            self._seen = seen  # last: another thread may be here too
        return self._number

    def _replaced(self) -> bool:
        """Whether a list or dict has other contents now. Python compares by identity first: that makes it fast."""
        try:
            return self._containers != self._contents
        except ValueError:  # an array in the place of another: they have no one truth value
            return True


def look(root: Any) -> tuple[Key, list[Any]]:
    """A key of what a graph may depend on in `root`, and the lists and dicts in it, which change without an assignment.

    That is: layers and their modes, parameters, constants, arrays and functions, and of numbers and strings those that
    are attributes or in tuples. Not those in lists and dicts, which are records more often than settings, and not
    attributes called _private.
    """
    first: dict[int, str] = {}
    key: list[Hashable] = []
    containers: list[Any] = []
    stack: list[tuple[str, Any]] = [("", root)]
    while stack:
        name, thing = stack.pop()
        if not isinstance(thing, _HOLDERS):
            if (entry := _setting(thing)) is not None:
                key.append((name, entry))
        elif id(thing) in first:
            key.append((name, first[id(thing)]))  # the same object as there
        else:
            first[id(thing)] = name
            key.append((name, type(thing), getattr(thing, "mode", "")))
            stack += [(f"{name}.{k}" if name else str(k), part) for k, part in _inside(thing)]
            held = vars(thing).values() if isinstance(thing, Observable) else [part for _, part in _inside(thing)]
            containers += [part for part in held if isinstance(part, list | dict) and (not part or _inside(part))]
    return tuple(key), containers


_HOLDERS = (Observable, list, dict, tuple)


def _inside(thing: Any) -> list[tuple[Any, Any]]:
    """What counts of the contents of a layer, an optimizer, a list, a dict or a tuple, by name."""
    if isinstance(thing, Observable):
        parts = [(k, part) for k, part in thing._parts() if k not in thing._unwatched]
        return [(k, part) for k, part in parts if isinstance(part, (*_HOLDERS, ComputationNode)) or k[0] != "_"]
    pairs = thing.items() if isinstance(thing, dict) else enumerate(thing)
    return [(k, part) for k, part in pairs if isinstance(thing, tuple) or not isinstance(part, _PLAIN)]


class _Itself:
    """A key that is equal only for the same object, and keeps it alive, so that no other gets its identity."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and other.thing is self.thing

    def __hash__(self) -> int:
        return id(self.thing)


def _setting(value: Any) -> Hashable:
    """What holds nothing, as a key. None for objects that no graph can depend on, such as the nodes of a forward."""
    if isinstance(value, _PLAIN):
        return type(value), repr(value)  # 1, 1.0 and True are equal, and not the same
    constant = isinstance(value, ComputationNode) and value.op in (PARAMETER, CONSTANT)
    return _Itself(value) if constant or isinstance(value, np.ndarray) or callable(value) else None
