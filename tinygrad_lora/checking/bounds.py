"""Whether floating-point arithmetic on a graph is exact, whatever the order in which it is done."""

from collections.abc import Callable
from math import inf, prod
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..core.graph import topological_order
from ..core.node import ComputationNode as Node, DType

# The largest size of exact numbers, in units: below the limit of the significand, so that partial sums have room, too.
FLOATS = {"float64": 2**44, "float32": 2**22, "float16": 2**10}
MOST_HALVINGS = 30


class Bound(NamedTuple):
    """No number is larger than `size`, and all are whole multiples of $2^{-halvings}$."""

    size: float
    halvings: int = 0


class Bounds:
    """`bounds(node)` is the bound of a node, None if its numbers may be rounded or wrap. Each is derived once."""

    def __init__(self) -> None:
        self._known: dict[Node, Bound | None] = {}

    def __call__(self, node: Node) -> Bound | None:
        """The bound of a node that has a value."""
        for each in topological_order([node]):
            if each not in self._known:
                self._known[each] = self._of(each)
        return self._known[node]

    def _of(self, node: Node) -> Bound | None:
        if not node.parents:
            bound = of_array(node.value)
        else:
            parents, name = [self._known[p] for p in node.parents], node.op.name
            infinite = any(p.size == inf for p in parents if p)
            if None in parents or name not in RULES or (infinite and name not in DEFINED):
                return None
            bound = RULES[name](node, *parents)
        return bound if bound and fits(bound, node.dtype) else None


def of_array(array: ArrayLike) -> Bound | None:
    """The bound of the numbers in an array; None if there is none."""
    array = np.asarray(array)
    if array.dtype.kind != "f":
        return Bound(max((abs(int(array.max())), abs(int(array.min()))), default=0) if array.size else 0)
    finite = array[np.isfinite(array)].astype(float)
    size = inf if np.isinf(array).any() else float(np.abs(finite).max(initial=0))
    if np.isnan(array).any() or np.abs(finite).max(initial=0) > 2**44:
        return None
    for halvings in range(MOST_HALVINGS):
        if np.array_equal(finite, np.trunc(finite)):
            return Bound(size, halvings)
        finite = finite * 2
    return None


def fits(bound: Bound, dtype: DType) -> bool:
    """Whether numbers within the bound are exact in this dtype."""
    if dtype.kind == "f":
        few = bound.halvings <= MOST_HALVINGS and max(bound.size, 1) * 2**bound.halvings <= FLOATS[dtype.name]
        return few or bound.size == inf
    return bound.halvings == 0 and (dtype.kind == "b" or bound.size <= np.iinfo(dtype).max)


def _same(node: Node, x: Bound, *others: Bound) -> Bound:
    return x


def _largest(node: Node, *parts: Bound) -> Bound:
    return Bound(max(p.size for p in parts), max(p.halvings for p in parts))


def _sum(node: Node, a: Bound, b: Bound) -> Bound | None:
    if node.op.name == "subtract" and node.dtype.kind == "u":
        return None
    return Bound(min(a.size + b.size, 1 if node.dtype.kind == "b" else inf), max(a.halvings, b.halvings))


def _product(node: Node, a: Bound, b: Bound) -> Bound:
    n = node.parents[0].shape[-1] if node.op.name == "matmul" else 1
    return Bound(max(n, 1) * a.size * b.size, a.halvings + b.halvings)


def _scale(node: Node, x: Bound) -> Bound | None:
    factor = node.params["factor"]
    if not np.isfinite(factor):
        return None
    top, bottom = float(factor).as_integer_ratio()
    # The scaled numbers are multiples of a smaller unit; without the factor they must fit as well.
    return Bound(max(x.size, 1) * max(abs(factor), 1), x.halvings + bottom.bit_length() - 1) if abs(top) < 64 else None


def _quotient(node: Node, a: Bound, b: Bound) -> Bound | None:
    """Exact where the divisor holds powers of two."""
    part, exponent = np.frexp(np.abs(np.asarray(node.parents[1].value, float)))
    if not np.all(part == 0.5):
        return None
    low, high = int(exponent.min(initial=1)) - 1, int(exponent.max(initial=1)) - 1
    return Bound(a.size * 2.0**-low, max(a.halvings + high, 0))


def _power(node: Node, x: Bound) -> Bound | None:
    n = node.params["exponent"]
    return Bound(max(x.size, 1) ** n, x.halvings * n) if n in (0, 1, 2, 3, 4) else None


def _reduced(node: Node, x: Bound) -> Bound:
    shape = node.parents[0].shape
    return Bound(x.size * max(prod(shape[i] for i in node.params["axis"]), 1), x.halvings)


def _scattered(node: Node, x: Bound, *indices: Bound) -> Bound:
    return Bound(x.size * max(prod(node.parents[1].shape), 1), x.halvings)


def _cast(node: Node, x: Bound) -> Bound:
    return x if node.dtype.kind == "f" else Bound(min(x.size, 1 if node.dtype.kind == "b" else inf))


RULES: dict[str, Callable[..., Bound | None]] = {
    **dict.fromkeys(("identity", "stop_gradient", "transpose", "reshape", "broadcast", "index", "place"), _same),
    **dict.fromkeys(("take", "reduce_max", "relu"), _same), "concatenate": _largest,
    "where": lambda node, condition, a, b: _largest(node, a, b),
    "sign": lambda node, x: Bound(1), "greater": lambda node, a, b: Bound(1),
    "add": _sum, "subtract": _sum, "multiply": _product, "matmul": _product, "scale": _scale, "divide": _quotient,
    "power": _power, "reduce_sum": _reduced, "scatter_add": _scattered, "cast": _cast,
}  # fmt: skip
# Operations that infinities may pass through: they neither add nor multiply them.
DEFINED = {name for name, rule in RULES.items() if rule is _same} | {"concatenate", "where", "sign", "greater"}
