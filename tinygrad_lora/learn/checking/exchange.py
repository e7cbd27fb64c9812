"""Something else in the place of a part of the engine for a while, put there from outside: the core knows nothing."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

_PACKAGE = __name__.split(".")[0]
_CHECKERS = (f"{_PACKAGE}.learn.", f"{_PACKAGE}.grading.")  # they keep the engine as it is


@dataclass(frozen=True)
class Replacement:
    """`owner.name` is to be `new`. The owner is a module, or a class of which it is a method or an attribute."""

    owner: Any
    name: str
    new: Any


@contextlib.contextmanager
def exchanged(changes: Iterable[Replacement]) -> Iterator[None]:
    """Make the changes, one after another, run the block, and undo them in any case.

    A function is replaced in every module that imported it. Only code that is called inside the block is affected, and
    what is made of it: a function compiled there stays as it was compiled. Meant for one thread.
    """
    _ = import_module(_PACKAGE).add  # the engine's names come to the package with the first: before, not in the midst
    undo: list[Callable[[], None]] = []
    try:
        for change in changes:
            undo.append(_undoing(change))
            if isinstance(change.owner, ModuleType):
                _replace(vars(change.owner)[change.name], change.new)
            else:
                setattr(change.owner, change.name, change.new)
        yield
    finally:
        put_back(undo)


def put_back(undo: list[Callable[[], None]]) -> None:
    """Undo the changes, the last one first. A time limit waits for this: see guard.py."""
    while undo:
        undo[-1]()
        undo.pop()


def _undoing(change: Replacement) -> Callable[[], None]:
    """What undoes a change that is still to be made."""
    if isinstance(change.owner, ModuleType):
        return partial(_replace, change.new, vars(change.owner)[change.name])
    if change.name in vars(change.owner):
        return partial(setattr, change.owner, change.name, vars(change.owner)[change.name])
    return partial(_remove, change.owner, change.name)  # inherited


def _remove(owner: Any, name: str) -> None:
    if name in vars(owner):
        delattr(owner, name)


def _replace(old: Any, new: Any) -> None:
    """In all modules of the package but those that check: also in those that were loaded meanwhile."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == _PACKAGE and not f"{name}.".startswith(_CHECKERS):
            for key, value in list(vars(module).items()):
                if value is old:
                    setattr(module, key, new)
