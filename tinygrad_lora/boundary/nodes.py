"""What a node refuses, with what to write instead: attributes, operators and NumPy functions that it does not have."""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from ..errors import PassError, ShapeError, StaleGraphError, TraceError
from .words import INSTEAD, LOST, OPERATORS_REFUSED, REBUILT, WALKED

SHAPES = {np.shape: "shape", np.ndim: "ndim", np.size: "size"}  # what a node answers without a value
QUESTIONS = {np.allclose, np.array_equal, np.isclose}  # NumPy functions that only ask about values


REFUSED = {  # what NumPy calls for `array // node` and its like, and the node's method for it
    np.greater_equal: "__ge__", np.less_equal: "__le__", np.floor_divide: "__floordiv__", np.remainder: "__mod__",
    np.bitwise_and: "__and__", np.bitwise_or: "__or__",
}  # fmt: skip


def _refusing(sentence: str) -> Any:
    """A method that raises TypeError."""

    def refuse(self: Any, *others: Any) -> NoReturn:
        raise TypeError(sentence)

    return refuse


class Absent:
    """An attribute that arrays or tensors have and nodes have not: asking for it raises AttributeError with advice.

    So `hasattr` is false. A `__getattr__` would do the same, and make every other attribute three times slower.
    """

    def __init__(self, name: str) -> None:
        self.message = f"a node has no .{name}: write {INSTEAD[name]}"

    def __get__(self, node: Any, owner: Any = None) -> NoReturn:
        raise AttributeError(self.message)

    def __set__(self, node: Any, new: Any) -> NoReturn:
        raise AttributeError(self.message)


def fixed(get: Callable[[Any], Any], maker: str, documentation: str) -> Any:
    """A property that refuses to be set, and says what makes another node."""

    def refuse(self: Any, *new: Any) -> NoReturn:
        raise AttributeError(f"the structure of a node is fixed when it is made: {maker} makes another")

    return property(get, refuse, refuse, documentation)


def as_matrix(node: Any) -> Any:
    """The node itself, or a ShapeError."""
    if node.ndim != 2:
        raise ShapeError(f".T is for matrices; this node has shape {node.shape}: .mT swaps the last two axes")
    return node


class AdvisingNode:
    """What `ComputationNode` inherits so that it refuses with advice. Refusals elsewhere know nodes by this class."""

    __slots__ = ()
    value: Any
    call: Any
    __reversed__ = None
    __iter__ = _refusing(f"a node is not iterable: {WALKED}")
    __contains__ = _refusing("a node is not searched with `in`, since nodes equal only themselves: ask node.value")
    __setitem__ = __delitem__ = _refusing(f"nodes are read-only: {REBUILT}")

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """NumPy's functions would give plain arrays, and the gradient would be lost without a word."""
        if function in SHAPES and not kwargs and len(args) == 1:
            return getattr(self, SHAPES[function])
        if function not in QUESTIONS:
            raise TypeError(LOST.format(function.__name__))
        return function(*(x.value if isinstance(x, AdvisingNode) else x for x in args), **kwargs)

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name not in INSTEAD]


def refuse_ufunc(ufunc: np.ufunc, alone: bool) -> NoReturn:
    """Raise TypeError: of a function that nodes do not have, or not with options; `alone`: it was called without."""
    if alone and ufunc in REFUSED:
        getattr(AdvisingNode, REFUSED[ufunc])(None)
    raise TypeError(LOST.format(ufunc.__name__))


def refuse_stale(nodes: Sequence[Any]) -> None:
    """Raise if a parameter is younger than what was computed from it: the numbers there belong to its old value."""
    for node in nodes:
        for p in node.parents:
            if p.created > node.created and node.known:
                raise StaleGraphError(f"parameter {p.name or p.shape} got a new value after {node!r} was computed")


def refuse_replacement(node: Any, made: Any) -> None:
    """Raise PassError unless `made` has the shape and the dtype of the node that it is to replace."""
    if not isinstance(made, type(node)):
        raise PassError(f"{node.op} became {made!r}, which is not a node", replaced=node)
    if made.shape != node.shape or made.dtype != node.dtype:
        kinds = [f"{x.op} {x.shape} {x.dtype}" for x in (node, made)]
        message = f"{' became '.join(kinds)}: what replaces a node has its shape and dtype"
        raise PassError(message, replaced=node, replacement=made)


def refuse_results(outputs: Sequence[Any], alone: bool) -> None:
    """Raise TraceError unless all that a traced function returned are nodes; `alone`: it returned no list."""
    for i, y in enumerate(outputs):
        if not isinstance(y, AdvisingNode):
            which = type(y).__name__ if alone else f"{type(y).__name__} (result {i})"
            remedy = "use functions of nodes, or tl.constant(...) for what is none"
            raise TraceError(f"a traced function must return nodes, not {which}: {remedy}")


for _name in INSTEAD:
    setattr(AdvisingNode, _name, Absent(_name))
for _names, _sentence in OPERATORS_REFUSED.items():
    for _name in _names.split():
        setattr(AdvisingNode, f"__{_name}__", _refusing(_sentence))
