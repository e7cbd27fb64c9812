"""What a student's function does to its arguments: it works on copies of them, and must leave even those alone.

Otherwise a function could make any answer right, by changing what its check compares the answer with.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import wraps
from types import FunctionType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ...core.graph import Graph, topological_order
from ...core.node import PARAMETER, ComputationNode
from ...nn.layer import Layer
from ...view.words.sentences import short_array
from ..diagnosis import refuse
from .repetition import again, kept, repeatable, require_repeated

Contents = dict[tuple[ComputationNode | None, str], Any]
PLAIN = (bool, int, float, str, bytes, tuple, np.generic)  # compared by what they are, not by which object it is
LONGEST = 60  # characters of a value in a sentence
Function = Callable[..., Any]
_originals: WeakKeyDictionary[Function, Function] = WeakKeyDictionary()


def on_copies(function: Function, names: Sequence[str], changes: Collection[str] = (), *, twice: str = "") -> Function:
    """The function, called on copies of arrays, lists and dictionaries. It raises `Wrong` if it changes an argument.

    `names` are what its arguments are called, in order; those in `changes` are passed as they are, and may change.
    A class is called on the things themselves, since an object keeps what it is given. With a name, `twice`, the first
    call that can be repeated is made twice, and must give the same twice.
    """
    copy: Callable[[Any], Any] = copied if not isinstance(function, type) else lambda x: x
    repeated = not twice or bool(changes) or isinstance(function, type)

    @wraps(function, updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        called = [*(names[min(i, len(names) - 1)] for i in range(len(args))), *kwargs]
        pairs = list(zip(called, [*args, *kwargs.values()], strict=True))
        given = [x if name in changes else copy(x) for name, x in pairs]
        watched = [(name, x) for name, x in zip(called, given, strict=True) if name not in changes]
        before = [contents(name, x) for name, x in watched]
        labels = [_labels(parts) for parts in before]
        nonlocal repeated
        repeat = not repeated and repeatable(given)
        others = [again(copy(x)) for x in given] if repeat else []
        result = _called(function, given, len(args), kwargs)
        for (name, x), old, names_before in zip(watched, before, labels, strict=True):
            _require_unchanged(name, x, old, names_before)
        if repeat:
            repeated, first = True, kept(result)
            drawn = any(isinstance(x, np.random.Generator) for x in given)
            require_repeated(twice, first, _called(function, others, len(args), kwargs), drawn=drawn)
            return first
        return result

    _originals[call] = function
    return call


def _called(function: Function, arguments: list[Any], n: int, names: Iterable[str]) -> Any:
    """Call the function: the first n arguments by position, the others by name."""
    return function(*arguments[:n], **dict(zip(names, arguments[n:], strict=True)))


def copied(x: Any) -> Any:
    """The same with arrays, lists, tuples, sets and dictionaries of its own. Nodes and other objects stay themselves.

    One of the student's functions that is given to another is the student's own: it may live in another process.
    """
    return kept(x, lambda part: _originals.get(part, part) if isinstance(part, FunctionType) else part)


def contents(name: str, x: Any) -> Contents:
    """All that a function could change in this argument, by what a sentence calls it."""
    parts: Contents = {(None, path): part for path, part in _parts(name, x)}
    nodes = topological_order([part for part in parts.values() if type(part) is ComputationNode])
    for node in nodes:
        parts[node, "the tuple of operands"] = node.parents
        if params := node.params:
            parts[node, "the number of params"] = len(params)
            for key, part in params.items():
                if type(part) in PLAIN and type(part) is not tuple:  # most are
                    parts[node, f"params[{key!r}]"] = part
                else:
                    parts |= {(node, path): inner for path, inner in _parts(f"params[{key!r}]", part)}
        if node.op is PARAMETER:
            parts[node, "the value"] = np.array(node.value)
            parts[node, "requires_gradient"] = node.requires_gradient
    return parts


def _parts(path: str, x: Any) -> Iterator[tuple[str, Any]]:
    """The parts of an argument, lists and dictionaries opened."""
    if type(x) is np.ndarray:
        yield path, x.copy()
    elif type(x) in (list, tuple):
        yield f"the length of {path}", len(x)
        for i, part in enumerate(x):
            if type(part) is ComputationNode:
                yield f"{path}[{i}]", part
            else:
                yield from _parts(f"{path}[{i}]", part)
    elif type(x) is dict:
        yield f"the length of {path}", len(x)
        for i, (key, part) in enumerate(x.items()):
            yield f"key {i} of {path}", key
            yield from _parts(f"{path}[{key!r}]" if isinstance(key, str) else f"value {i} of {path}", part)
    elif isinstance(x, Layer):
        yield from _parts(path, x.named_parameters())
    elif type(x) is Graph:
        yield from _parts(path, {"inputs": x.inputs, "outputs": x.outputs, "nodes": x.nodes})
    else:
        yield path, x


def _labels(parts: Contents) -> dict[ComputationNode, Any]:
    """What sentences call the nodes among these. A name may change: whoever prints a graph may give some."""
    return {node: node.name or node.op for node, _ in parts if node is not None}


def _require_unchanged(name: str, x: Any, before: Contents, labels: Mapping[ComputationNode, Any]) -> None:
    """Raise `Wrong` if the argument holds something else now. It says what was, what became of it, and what to do."""
    after = contents(name, x)
    for (node, path), old in before.items():
        new = after.get((node, path), ...)
        if old is not new and not _alike(old, new):
            where = path if node is None else _where(path, labels[node])
            sentence = f"your function changes {name} in place: {where} was {_shown(old)} and became {_shown(new)}"
            remedy = "make a new node" if node is not None else f"work on a copy{_such_as(path, old, name, x)}"
            raise refuse("changed-argument", f"{sentence}; leave it as it is, and {remedy}")


def _where(path: str, label: object) -> str:
    """A part of a node in words: "the value of w", "w.requires_gradient"."""
    return f"{path} of {label}" if path.startswith("the ") else f"{label}.{path}"


def _such_as(path: str, old: Any, name: str, x: Any) -> str:
    """How to copy the array, or the list or dictionary, that was changed."""
    if type(old) is np.ndarray:
        return f", such as {path}.copy()"
    return f", such as {type(x).__name__}({name})" if type(x) in (list, dict) else ""


def _alike(old: Any, new: Any) -> bool:
    if type(old) is np.ndarray and type(new) is np.ndarray:
        return (old.shape, old.dtype, old.tobytes()) == (new.shape, new.dtype, new.tobytes())
    return type(old) is type(new) and isinstance(old, PLAIN) and bool(old == new)


def _shown(x: Any) -> str:
    if type(x) is np.ndarray:
        return " ".join(short_array(x))
    text = "something else" if x is ... else repr(x)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
