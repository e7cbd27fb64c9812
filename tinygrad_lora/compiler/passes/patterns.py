"""Questions about nodes that several passes ask."""

from __future__ import annotations

from collections import Counter
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ... import ops
from ...core.graph import Graph
from ...core.node import ComputationNode


def is_constant(node: ComputationNode) -> bool:
    """Whether this is a leaf with a value. In a closed graph parameters have none, so it never changes."""
    return not node.parents and node.known


def uniform(node: ComputationNode) -> float | None:
    """The number that fills every element of a constant (of one element, repeated or not), or None."""
    while node.op in (ops.broadcast, ops.reshape):
        node = node.parents[0]
    if is_constant(node) and node.size == 1 and node.dtype.kind == "f":
        return float(node.value.reshape(()))
    return None


_outputs: WeakKeyDictionary[Graph, Counter[ComputationNode]] = WeakKeyDictionary()


def uses(graph: Graph, node: ComputationNode) -> int:
    """How often a result is used: by operations, and as an output."""
    if graph not in _outputs:
        _outputs[graph] = Counter(graph.outputs)
    return len(graph.users[node]) + _outputs[graph][node]


def one_factor(a: float, b: float, dtype: Any) -> float | None:
    """$a b$ if scaling by it is as good as scaling by both: floats, and a product that is neither infinite nor lost."""
    if dtype.kind != "f":
        return None
    product = a * b
    with np.errstate(over="ignore", under="ignore"):
        as_seen = dtype.type(float(a) * float(b))
    return product if np.isfinite(as_seen) and (as_seen != 0 or a == 0 or b == 0) else None


def keeps_dtype(node: ComputationNode) -> bool:
    """Whether the result has the dtype of every operand: then the order of operations does not change a dtype."""
    return all(p.dtype == node.dtype for p in node.parents)
