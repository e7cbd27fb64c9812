"""Parts of the engine replaced for a while, from outside: the core knows nothing of it."""

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
    """Set `owner.name` to `new`. The owner is a module, or the class whose method or attribute it is."""

    owner: Any
    name: str
    new: Any


@contextlib.contextmanager
def exchanged(replacements: Iterable[Replacement]) -> Iterator[None]:
    """Make the replacements, one after another, run the block, and undo them in any case.

    A function is replaced in every module that imported it. Only code that is called inside the block is affected, and
    what is made of it: a function compiled there stays as it was compiled. Meant for one thread.
    """
    _ = import_module(_PACKAGE).add  # the engine's names come to the package with the first: before, not in the midst
    undo: list[Callable[[], None]] = []
    try:
        for replacement in replacements:
            undo.append(_undoing(replacement))
            if isinstance(replacement.owner, ModuleType):
                _replace(vars(replacement.owner)[replacement.name], replacement.new)
            else:
                setattr(replacement.owner, replacement.name, replacement.new)
        yield
    finally:
        put_back(undo)


def put_back(undo: list[Callable[[], None]]) -> None:
    """Undo the replacements, the last one first. A time limit waits for this: see guard.py."""
    while undo:
        undo[-1]()
        undo.pop()


def _undoing(replacement: Replacement) -> Callable[[], None]:
    """A function that undoes a replacement, which is still to be made."""
    if isinstance(replacement.owner, ModuleType):
        return partial(_replace, replacement.new, vars(replacement.owner)[replacement.name])
    if replacement.name in vars(replacement.owner):
        return partial(setattr, replacement.owner, replacement.name, vars(replacement.owner)[replacement.name])
    return partial(_remove, replacement.owner, replacement.name)  # inherited


def _remove(owner: Any, name: str) -> None:
    if name in vars(owner):
        delattr(owner, name)


def _replace(old: object, new: object) -> None:
    """Put `new` where `old` is, in all modules of the package except those that check; some may be loaded by now."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == _PACKAGE and not f"{name}.".startswith(_CHECKERS):
            for key, value in list(vars(module).items()):
                if value is old:
                    setattr(module, key, new)
