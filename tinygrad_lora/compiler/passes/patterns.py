"""Questions about nodes that several passes ask."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np

from ... import ops
from ...core.graph import Graph
from ...core.node import ComputationNode

REPEATED = (ops.broadcast, ops.reshape)


def is_constant(node: ComputationNode) -> bool:
    """Whether this is a leaf with a value. In a closed graph parameters have none, so it never changes."""
    return not node.parents and node.known


def uniform(node: ComputationNode) -> float | None:
    """The number that fills every element of a constant (of one element, repeated or not), or None."""
    while node.op in REPEATED:
        node = node.parents[0]
    if node.parents or not node.known or node.size != 1 or node.dtype.kind != "f":
        return None
    return float(node.value.reshape(()))


def uses(graph: Graph, node: ComputationNode) -> int:
    """How often a result is used: by operations, and as an output."""
    return _uses(graph)[node]


@lru_cache(maxsize=8)
def _uses(graph: Graph) -> Counter[ComputationNode]:
    return Counter(chain(graph.outputs, *(node.parents for node in graph.nodes)))


def one_factor(a: float, b: float, dtype: Any) -> float | None:
    """$a b$ if scaling by it is as good as scaling by both: floats, and a product that is neither infinite nor lost."""
    if dtype.kind != "f":
        return None
    product = a * b
    if dtype.itemsize > 2 and 1e-30 < abs(product) < 1e30:
        return product  # far from the limits of float32
    with np.errstate(over="ignore", under="ignore"):
        as_seen = dtype.type(float(a) * float(b))
    return product if np.isfinite(as_seen) and (as_seen != 0 or a == 0 or b == 0) else None


def keeps_dtype(node: ComputationNode) -> bool:
    """Whether the result has the dtype of every operand: then the order of operations does not change a dtype."""
    dtype = node.dtype
    return all(p.dtype == dtype for p in node.parents)


def is_precise(dtype: Any) -> bool:
    """Whether the laws of real numbers hold but for rounding in the last digits.

    Whole numbers wrap around and booleans saturate. The three digits of float16 are too few to add up in another order.
    """
    return bool(dtype.kind == "f" and dtype.itemsize > 2)


def is_real(node: ComputationNode) -> bool:
    """Whether the laws of real numbers hold for this operation: all operands and the result are floats of one dtype."""
    dtype = node.dtype
    return is_precise(dtype) and all(p.dtype == dtype for p in node.parents)
