"""What a student's code returned, as something that can be compared without trusting it.

A subclass may say that it equals anything, and a student may replace `np.allclose`. So types are compared exactly, and
the NumPy functions are those that were there when this module was loaded.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.node import Array, ComputationNode, Shape
from ..view.words.sentences import with_article
from .diagnosis import refuse

_asarray, _array, _absolute = np.asarray, np.array, np.absolute
_isfinite, _isnan, _all = np.isfinite, np.isnan, np.all
NUMBERS = (bool, int, float)


def kind_of(value: object) -> str:
    """What a value is, as in "gave a list"."""
    if value is None:
        return "None"
    usual = {ComputationNode: "node", np.ndarray: "array", np.ufunc: "function"}
    return with_article(usual.get(type(value), type(value).__name__))


def label(node: ComputationNode) -> str:
    """What a sentence calls a node: `multiply`, `parameter x`."""
    return f"{node.op} {node.name or ''}".strip()


def as_array(value: object, name: str = "the result", shape: Shape | None = None) -> Array:
    """The numbers in `value` as a float64 array of our own.

    Takes an array, a number, or a list of numbers (of lists ...). Raises `Wrong` with the code "no-return" for None,
    "blank" for `...`, "wrong-type" for anything else, "wrong-shape".
    """
    _there(value, name)
    if isinstance(value, ComputationNode):
        needed = "a number, as in float(node)," if shape == () else "an array, such as its .value or its .gradient,"
        raise refuse("wrong-type", f"{name} is a node; {needed} is needed")
    needed = "a number" if shape == () else "an array of numbers"
    if shape == () and type(value) in (list, tuple):
        raise refuse("wrong-type", f"{name} is {kind_of(value)}; {needed} is needed")
    plain = value if type(value) is np.ndarray else _plain(value, name, needed)
    if plain.dtype.kind not in "fiub":
        raise refuse("wrong-type", f"{name} has dtype {plain.dtype}; it must hold real numbers")
    if shape is not None and plain.shape != shape:
        raise refuse("wrong-shape", f"{name} has shape {plain.shape}; it must have {shape or '(), as numbers have'}")
    return _array(plain, dtype=np.float64)


def _there(value: object, name: str) -> None:
    """Refuse what is not written yet, and what nobody returned."""
    if value is None:
        raise refuse("no-return", f"{name} is None: does every path of your function end with `return`?")
    if value is ...:
        raise refuse("blank", f"{name} is still `...`: write your answer there")


def _plain(value: Any, name: str, needed: str) -> Array:
    kind = type(value)
    if kind in NUMBERS or (issubclass(kind, np.generic) and kind.__module__ == "numpy"):
        return _asarray(value)
    if kind in (list, tuple):
        inside = f"{name.rstrip(',')}, in a {kind.__name__},"
        parts = [v if type(v) is np.ndarray else _plain(v, inside, needed) for v in value]
        if len({p.shape for p in parts}) > 1:
            raise refuse("wrong-type", f"{name} is a list of rows of different lengths")
        return _array(parts)
    raise refuse("wrong-type", f"{name} is of type {kind.__name__}; {needed} is needed")


def as_number(value: object, name: str = "the result") -> float:
    """One number. An array of no axes counts as one."""
    return float(as_array(value, name, ())[()])


def as_whole(value: Any, name: str = "the result") -> int:
    """One whole number; True and 3.0 are none."""
    as_number(value, name)  # says what is wrong with None, `...`, lists
    if type(value) is bool or not (type(value) is int or isinstance(_asarray(value)[()], np.integer)):
        raise refuse("wrong-type", f"{name} is {value!r}; a whole number is needed, such as 3")
    return int(value)


def as_nodes(value: Any, name: str = "the result") -> list[ComputationNode]:
    """A list of nodes, as a list of our own. Takes a list or tuple."""
    _there(value, name)
    if type(value) not in (list, tuple):
        raise refuse("wrong-type", f"{name} is {kind_of(value)}; a list of nodes is needed")
    nodes = list(value)
    if other := [x for x in nodes if type(x) is not ComputationNode]:
        raise refuse("wrong-type", f"{name} holds {kind_of(other[0])}; all must be nodes")
    return nodes


def as_bool(value: object, name: str = "the result") -> bool:
    """True or False, and nothing that merely behaves so."""
    _there(value, name)
    if type(value) not in (bool, np.bool_):
        said = repr(value) if type(value) in NUMBERS or type(value) is str else kind_of(value)
        raise refuse("wrong-type", f"{name} is {said}; True or False is needed")
    return bool(value)


def same(a: Array, b: Array, rtol: float = 1e-6, atol: float = 1e-9) -> bool:
    """The same shape and, up to rounding, the same numbers: |a - b| <= atol + rtol max|b|. NaN equals nothing.

    Both must be arrays of ours: pass results through `as_array` first.
    """
    if a.shape != b.shape:
        return False
    if not a.size:
        return True
    if not a.shape:  # numbers, of which an answer may have thousands
        x, y = float(a), float(b)
        return abs(x - y) <= atol + rtol * abs(y) < math.inf
    bound = atol + rtol * float(_absolute(b).max())
    return bool(_all(_absolute(a - b) <= bound)) and bool(_all(_isfinite(b)))


def largest_difference(a: Array, b: Array) -> tuple[float, tuple[int, ...]]:
    """The largest |a - b| and its index, for arrays of one shape; NaN counts as largest."""
    difference = _array(_absolute(a - b))  # of two numbers NumPy makes a number, and that has no elements
    difference[_isnan(difference)] = np.inf
    place = np.unravel_index(int(difference.argmax()), difference.shape)
    return float(difference[place]), tuple(int(i) for i in place)


def all_same(a: Iterable[object], b: Iterable[object], rtol: float = 1e-6, atol: float = 1e-9) -> bool:
    """Whether two lists of arrays or numbers are the same, one by one."""
    return all(same(as_array(x), as_array(y), rtol, atol) for x, y in zip(a, b, strict=True))
