"""What may be written into source: exact plain values, and nothing that writes itself.

A program is text that is executed. The `repr` of an object is whatever its class says, so that a parameter with a
clever `repr` would run in whoever compiles the graph. Only what is listed here is ever written, and of exactly these
types: a subclass may have a `repr` of its own.
"""

from typing import Any

import numpy as np

from ...core import ComputationNode, Graph, Op
from ...errors import CompileError

NUMBERS = frozenset({int, float, bool})
SINGLE = NUMBERS | {str, type(None), type(...)}
DTYPES = frozenset(type(np.dtype(code)) for code in np.typecodes["All"] if np.dtype(code).kind in "biufc")
PLAIN = "numbers, text, None, slices, and tuples of these"


def is_plain(value: Any) -> bool:
    """Whether a value is of a type that says itself how it is written: not a subclass, nothing else inside a tuple."""
    kind = type(value)
    if kind in SINGLE:
        return True
    if kind is slice:
        return is_plain(value.start) and is_plain(value.stop) and is_plain(value.step)
    return kind is tuple and all(map(is_plain, value))


def refuse_foreign(graph: Graph) -> None:
    """Raise CompileError unless all that is written of a graph's nodes is plain: parameters, shapes, dtypes, names.

    What the engine builds passes. It is for nodes that were put together by hand.
    """
    known: set[int] = set()  # operations that were looked at, by identity: there are few of them
    for node in graph.nodes:
        if what := _foreign(node, known):
            op = getattr(node, "op", None)
            place = f"a node of the operation {op.name}" if isinstance(op, Op) and _is_word(op.name) else "a node"
            raise CompileError(f"{place} cannot be written as source, since {what}: only {PLAIN} are written")


def _foreign(node: Any, known: set[int]) -> str:
    """What of a node is not plain, in words; "" if all is."""
    if type(node) is not ComputationNode:
        return "it is no node of this package"
    op, params, shape = node.op, node.params, node.shape
    if id(op) not in known:
        if not isinstance(op, Op) or not _is_word(op.name):
            return "its operation has no plain name"
        for step in getattr(op, "steps", ()):
            if what := _foreign_parameter(step.params):
                return what
        known.add(id(op))
    if params or type(params) is not dict:
        what = _foreign_parameter(params) if type(params) is dict else f"its parameters are {kind_of(params)}"
        if what:
            return what
    if type(shape) is not tuple or (shape and any(type(n) is not int or n < 0 for n in shape)):
        return "its shape is no tuple of whole numbers"
    if type(node.dtype) not in DTYPES:
        return "its dtype is not one of NumPy's for numbers"
    return "" if node.name is None or type(node.name) is str else f"its name is {kind_of(node.name)}"


def _foreign_parameter(params: dict[str, Any]) -> str:
    for key, value in params.items():
        if not _is_word(key) or (type(value) not in SINGLE and not is_plain(value)):
            return f"its parameter {key if _is_word(key) else ''} is {kind_of(value)}"
    return ""


def _is_word(name: Any) -> bool:
    return type(name) is str and name.isidentifier()


def kind_of(value: Any) -> str:
    """The type of a value in words. A class may call itself anything."""
    name = type.__getattribute__(type(value), "__name__")
    return f"of the type {name}" if _is_word(name) else "of a type without a plain name"
