"""What a failed check would say under another condition: the doctor's trick, for whole programs.

If an answer passes once its memory is put back before every call, then the memory is what is wrong with it. If it
passes once every node has a name of its own, then it takes equal names for equal nodes. Where neither helps, nothing
is said. Code that lives in another process is looked at there: see `grading.judge`.
"""

import dis
from collections import Counter
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from ...core.graph import Graph, topological_order
from ...core.node import ComputationNode
from .repetition import kept

Place = tuple[dict[str, Any], str]  # a name in a dictionary of names
Wrapper = Callable[[Callable[..., Any]], Callable[..., Any]]
MUTABLE = (list, dict, set, np.ndarray)
PLAIN = (bool, int, float, str, bytes, set, np.generic)  # compared by their values


class KeptState:
    """All that functions can keep from call to call: defaults, closures, names of their module and of their class."""

    def __init__(self, things: list[Any]) -> None:
        self._functions = list(_functions(things))
        self._containers: dict[int, tuple[str, Any, Any]] = {}  # each with its name, and what was in it
        self._names: list[tuple[Place, Any]] = []
        for function in self._functions:
            for name, x in _reachable(function):
                if isinstance(x, MUTABLE):
                    self._containers[id(x)] = name, x, kept(x)
            for name in _rebound(function.__code__):
                self._names.append(((function.__globals__, name), function.__globals__.get(name)))

    def changed(self) -> str:
        """The name of something that is not what it was; "" if all is."""
        for name, x, before in self._containers.values():
            if not _equal(x, before):
                return name
        return next((name for (owner, name), before in self._names if owner.get(name) is not before), "")

    def put_back(self) -> None:
        """Make everything what it was."""
        for _, x, before in self._containers.values():
            if isinstance(x, np.ndarray):
                x[...] = before
            else:
                x.clear()
                x.extend(kept(before)) if isinstance(x, list) else x.update(kept(before))
        for (owner, name), before in self._names:
            owner[name] = before

    def put_back_before(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, before each of whose calls everything is put back."""

        def call(*args: Any, **kwargs: Any) -> Any:
            self.put_back()
            return function(*args, **kwargs)

        return call

    def looks_at_names(self) -> bool:
        """Whether the code asks anything for its `name`."""
        return any("name" in _all_names(function.__code__) for function in self._functions)


def memory_of(things: list[Any]) -> KeptState | None:
    """The memory of these things; None if they are of a kind that cannot be looked into."""
    try:
        return KeptState(things)
    except Exception:  # somebody else's objects may do anything
        return None


def _functions(things: list[Any]) -> Iterator[FunctionType]:
    """The functions and methods among these things, and those of the same module that they call."""
    waiting, seen = list(things), set[int]()
    while waiting:
        x = waiting.pop()
        if id(x) in seen:
            continue
        seen.add(id(x))
        if isinstance(x, type):
            waiting += vars(x).values()
        elif isinstance(x, FunctionType) and not x.__module__.startswith(__name__.split(".")[0]):
            yield x
            waiting += [part for _, part in _reachable(x) if isinstance(part, FunctionType | type)]


def _reachable(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """What a function can reach by name, and its defaults."""
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    yield from zip(names[::-1], (function.__defaults__ or ())[::-1], strict=False)
    yield from (function.__kwdefaults__ or {}).items()
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        yield name, cell.cell_contents
    for name in _all_names(function.__code__):
        if name in function.__globals__:
            x = function.__globals__[name]
            yield name, x
            if isinstance(x, type):
                yield from ((f"{name}.{key}", part) for key, part in vars(x).items())


def _all_names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _all_names(inner)


def _rebound(code: CodeType) -> set[str]:
    """The names of the module that a function gives new values: those after `global`."""
    names = {i.argval for i in dis.get_instructions(code) if i.opname == "STORE_GLOBAL"}
    return names.union(*(_rebound(inner) for inner in code.co_consts if isinstance(inner, CodeType)))


def _equal(x: Any, before: Any) -> bool:
    """Whether something is what it was: containers by what they hold, other things by which they are."""
    if x is before or type(x) is not type(before):
        return x is before
    if isinstance(x, np.ndarray):
        return x.shape == before.shape and bool(np.array_equal(x, before))
    if isinstance(x, dict):
        return x.keys() == before.keys() and all(_equal(part, before[key]) for key, part in x.items())
    if isinstance(x, list | tuple):
        return len(x) == len(before) and all(map(_equal, x, before))
    return bool(x == before) if isinstance(x, PLAIN) else False


def with_own_names(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, before whose calls every node among its arguments gets a name that no other has."""

    def call(*args: Any, **kwargs: Any) -> Any:
        nodes = topological_order([node for x in (*args, *kwargs.values()) for node in _nodes(x)])
        often = Counter(node.name for node in nodes)
        for i, node in enumerate(nodes):
            if node.name is None or often[node.name] > 1:
                node.name = f"n{i}"
        return function(*args, **kwargs)

    return call


def _nodes(x: Any) -> Iterator[ComputationNode]:
    if type(x) is ComputationNode:
        yield x
    elif type(x) is Graph:
        yield from x.nodes
    elif type(x) in (list, tuple, dict):
        for part in x:
            yield from _nodes(part)
