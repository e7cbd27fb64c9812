"""The same call twice: whatever a function keeps from one call to the next shows in what it gives the second time."""

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ...core.graph import topological_order
from ...core.node import Array, ComputationNode
from ...nn.layer import Layer
from ...view.words.sentences import short_array
from ..diagnosis import refuse
from ..exact import label

_asarray, _absolute, _isnan, _all = np.asarray, np.absolute, np.isnan, np.all
NUMBERS = (bool, int, float, np.generic)
KNOWN = (*NUMBERS, np.ndarray, list, tuple, dict, str, bytes, set, ComputationNode, type(None))
USUAL = (float, int, np.float64)
LONGEST = 60  # characters of a result in a sentence


def repeatable(arguments: Sequence[Any]) -> bool:
    """Whether a call with these arguments may be made again: nothing among them can be called or changed by a call.

    What is asked for an example, without arguments, may give another one each time.
    """
    return bool(arguments) and not any(isinstance(x, Layer) or callable(x) for x in arguments)


def again(x: Any) -> Any:
    """An argument for the second call: a generator of random numbers begins where it began."""
    return copy.deepcopy(x) if isinstance(x, np.random.Generator) else x


def kept(x: Any, other: Callable[[Any], Any] = lambda x: x) -> Any:
    """A thing as it is now: its lists, dictionaries, sets and arrays may be filled later. `other` copies the rest."""
    if type(x) is np.ndarray:
        return np.array(x)
    if type(x) in (list, tuple):
        return type(x)([kept(part, other) for part in x])
    if type(x) is set:
        return set(x)
    return {key: kept(part, other) for key, part in x.items()} if type(x) is dict else other(x)


def require_repeated(name: str, first: Any, second: Any, *, drawn: bool = False) -> None:
    """Raise `Wrong` unless two calls with the same arguments gave the same. `drawn`: one is a generator of numbers."""
    if not alike(first, second):
        now, before = differing(second, first)
        again = f"called again with the same arguments, {name} gives {now}, and the first time {before}"
        if drawn:
            remedy = "draw all random numbers from the generator that is given, which begins where it began"
            raise refuse("seed-ignored", f"{again}: {remedy}")
        where = "in a default such as seen=set() (which is made only once), or at the nodes"
        memory = f"does it keep something from call to call, in a name outside the function, {where}"
        raise refuse("remembers", f"{again}: {memory}? Or does it draw random numbers?")


def differing(a: Any, b: Any) -> tuple[str, str]:
    """Two results in words; where those are the same, the first part in which the results differ."""
    words = shown(a), shown(b)
    if words[0] != words[1] or type(a) is not type(b):
        return words
    pairs: Iterable[tuple[Any, Any, Any]] = ()
    if type(a) in (list, tuple):
        pairs = ((i, x, y) for i, (x, y) in enumerate(zip(a, b, strict=False)))
    elif type(a) is dict:
        pairs = ((key, a[key], b[key]) for key in a if key in b)
    for key, x, y in pairs:
        if not alike(x, y):
            place = label(key) if type(key) is ComputationNode else repr(key)
            return f"{shown(x)} for {place}", shown(y)
    return words


def alike(a: Any, b: Any) -> bool:
    """Whether two results are the same, as far as that can be seen. Objects of unknown kinds count as equal."""
    if type(a) is type(b) and type(a) in USUAL and a == b:
        return True
    if isinstance(a, NUMBERS) and isinstance(b, NUMBERS):
        return _close(_asarray(a), _asarray(b))
    if type(a) is not type(b):  # objects of another process have a class of their own each
        return not isinstance(a, KNOWN) and not isinstance(b, KNOWN)
    if type(a) is np.ndarray:
        return a.shape == b.shape and (a.dtype.kind not in "fiub" or _close(a, b))
    if type(a) in (list, tuple):
        return len(a) == len(b) and all(map(alike, a, b))
    if type(a) is dict:
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    if type(a) in (str, bytes, set):
        return bool(a == b)
    return _same_graph(a, b) if type(a) is ComputationNode else True


def _close(a: Array, b: Array) -> bool:
    """Equal up to rounding; NaN equals NaN here."""
    with np.errstate(all="ignore"):
        near = _absolute(a - 1.0 * b) <= 1e-12 + 1e-9 * _absolute(b)
    return bool(_all(near | (a == b) | (_isnan(1.0 * a) & _isnan(1.0 * b))))


def _same_graph(a: ComputationNode, b: ComputationNode) -> bool:
    """Whether two nodes are the same, or made by the same operations from the same leaves and values."""
    if a is b:
        return True
    orders = [topological_order([node]) for node in (a, b)]
    numbers = [{node: i for i, node in enumerate(order)} for order in orders]
    if len(orders[0]) != len(orders[1]):
        return False
    for x, y in zip(*orders, strict=True):
        where = ([number[p] for p in node.parents] for number, node in zip(numbers, (x, y), strict=True))
        if x.op is not y.op or x.shape != y.shape or next(where) != next(where):
            return False
        if x.known != y.known or (x.known and not alike(np.asarray(x.value), np.asarray(y.value))):
            return False
    return True


def shown(x: Any) -> str:
    """A result in a sentence."""
    if type(x) is np.ndarray:
        return " ".join(short_array(x))
    text = f"{len(x)} entries" if _many(x) else repr(x.item() if isinstance(x, np.generic) else x)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _many(x: Any) -> bool:
    return type(x) in (list, tuple, dict, set) and len(repr(x)) > LONGEST
