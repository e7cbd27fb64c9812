"""Arguments and results as trees: tuples, named tuples, lists and dicts around arrays and other values."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..boundary.arrays import real_array
from ..core import ComputationNode
from ..errors import CompileError

ARRAY = np.ndarray | np.generic


class ContainerForm(NamedTuple):
    """A container without what is in it: its type, the keys of a dict, and for each item its form, None for a leaf."""

    kind: type
    keys: tuple[Any, ...]
    items: tuple[ContainerForm | None, ...]
    key_kinds: tuple[Any, ...]  # 1 and True are equal, and not the same; of a tuple those of its items


Form = ContainerForm | None  # of a tree; None for a leaf


class ContainerLeaf(NamedTuple):
    """What a container holds in the end. `path` says where: "['ids'][0]"."""

    path: str
    value: Any


def taken_apart(x: Any, opens: Callable[[Any], bool], path: str = "") -> tuple[Form, list[ContainerLeaf]]:
    """The form of a tree and its leaves, from left to right. `opens` says which containers are opened."""
    if not opens(x):
        return None, [ContainerLeaf(path, x)]
    kind: Any = type(x)
    keys = tuple(x) if isinstance(x, dict) else ()
    steps = [f"[{key!r}]" for key in keys] or [f".{f}" for f in getattr(kind, "_fields", ())]
    steps = steps or [f"[{i}]" for i in range(len(x))]
    forms, leaves = [], []
    for step, item in zip(steps, x.values() if keys else x, strict=True):
        form, inner = taken_apart(item, opens, path + step)
        forms.append(form)
        leaves += inner
    return ContainerForm(kind, keys, tuple(forms), tuple(map(_kind_of, keys))), leaves


def _kind_of(key: Any) -> Any:
    return tuple(map(_kind_of, key)) if isinstance(key, tuple) else type(key)


def put_together(form: Form, leaves: Iterator[Any]) -> Any:
    """The tree of this form around the next leaves."""
    if form is None:
        return next(leaves)
    items = [put_together(inner, leaves) for inner in form.items]
    if form.kind in (dict, OrderedDict):
        return form.kind(zip(form.keys, items, strict=True))
    return form.kind._make(items) if hasattr(form.kind, "_make") else form.kind(items)


def is_container(x: Any) -> bool:
    """Whether this is a tuple, a named tuple, a list or a dict. Other classes that inherit from these are not."""
    kind = type(x)
    return kind in (tuple, list, dict, OrderedDict) or (issubclass(kind, tuple) and hasattr(kind, "_make"))


def is_layer(x: Any) -> bool:
    """Whether this, or the object that it is a method of, can say what its graph depends on."""
    return callable(getattr(type(getattr(x, "__self__", x)), "watch", None))


def _holds_arrays(x: Any) -> bool:
    """Whether a container is opened. A tuple of plain values is one value, and a list of numbers is an array."""
    if not is_container(x):
        return False
    return isinstance(x, dict) or any(
        isinstance(item, np.ndarray | ComputationNode) or is_layer(item) or _like_array(item) or _holds_arrays(item)
        or (isinstance(x, tuple) and isinstance(item, list))
        for item in x
    )  # fmt: skip


def _like_array(x: Any) -> bool:
    """Whether another library calls this an array."""
    return hasattr(type(x), "__array__") and not isinstance(x, ARRAY | ComputationNode)


@dataclass(frozen=True)
class Arguments:
    """The arguments of one call. `args` are all of them, in the order of the signature; the last go by `names`.

    `forms` are those of `args`. `leaves` are arrays, layers and plain values, and `labels` say what each is called.
    """

    args: tuple[Any, ...]
    names: tuple[str, ...]
    forms: tuple[Form, ...]
    leaves: tuple[Any, ...]
    labels: tuple[str, ...]
    places: tuple[str, ...]

    @property
    def arrays(self) -> list[Any]:
        """The leaves that change from call to call."""
        return [leaf for leaf in self.leaves if isinstance(leaf, ARRAY)]

    @property
    def array_labels(self) -> list[str]:
        """What the arrays are called."""
        return [label for leaf, label in zip(self.leaves, self.labels, strict=True) if isinstance(leaf, ARRAY)]

    def call(self, function: Callable[..., Any], nodes: Sequence[Any]) -> Any:
        """The function of the same arguments, with these in the place of the arrays."""
        inputs = iter(nodes)
        leaves = iter([next(inputs) if isinstance(leaf, ARRAY) else leaf for leaf in self.leaves])
        args = [put_together(form, leaves) for form in self.forms]
        n = len(args) - len(self.names)
        return function(*args[:n], **dict(zip(self.names, args[n:], strict=True)))


class Binder:
    """Brings the arguments of a function into one form, however they are given."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self.name = name
        try:
            self.signature: inspect.Signature | None = inspect.signature(function)
        except (TypeError, ValueError):  # of some functions that are not written in Python
            self.signature = None
        parameters = self.signature.parameters.values() if self.signature else ()
        self.positional = [p.name for p in parameters if p.kind <= p.POSITIONAL_OR_KEYWORD]

    def __call__(self, args: Sequence[Any], keywords: Mapping[str, Any]) -> Arguments | None:
        """The arguments; None if a node is among them. Raises TypeError as Python does, DtypeError for other arrays."""
        if keywords and self.signature:
            try:
                bound = self.signature.bind(*args, **keywords)
            except TypeError as error:
                raise TypeError(f"{self.name}: {error}") from None
            args, keywords = bound.args, bound.kwargs
        positional = [*self.positional[: len(args)], *(f"x{i}" for i in range(len(self.positional), len(args)))]
        args, names = (*args, *keywords.values()), tuple(keywords)
        forms, leaves, labels, places = [], [], [], []
        for i, (name, argument) in enumerate(zip([*positional, *names], args, strict=True)):
            form, inside = taken_apart(argument, _holds_arrays)
            forms.append(form)
            labels += [name + leaf.path for leaf in inside]
            places += [f"argument {i}{leaf.path}" for leaf in inside]
            leaves += [leaf.value for leaf in inside]
        if any(isinstance(leaf, ComputationNode) for leaf in leaves):
            return None
        leaves = [_at_the_door(leaf, label) for leaf, label in zip(leaves, labels, strict=True)]
        rest = iter(leaves)
        args = tuple(put_together(form, rest) for form in forms)
        return Arguments(args, names, tuple(forms), tuple(leaves), tuple(labels), tuple(places))


def _at_the_door(leaf: Any, label: str) -> Any:
    """An array as the program takes it; anything else as it is."""
    if isinstance(leaf, np.generic) and leaf.dtype.kind in "biuf":
        return leaf
    if isinstance(leaf, ARRAY | list) or (_like_array(leaf) and not is_layer(leaf) and not isinstance(leaf, type)):
        return real_array(leaf, f"argument {label}")
    if isinstance(leaf, dict):
        raise CompileError(f"argument {label} is a {type(leaf).__name__}: pass a plain dict, so that it can be rebuilt")
    return leaf
