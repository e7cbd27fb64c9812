"""Graphs of the other process, built again: every node by its operation, within a bound on memory and work.

Nothing here is compiled. An operation is one of the core's, by its name; its parameters are plain values.
"""

import math
from typing import Any

import numpy as np

from ...compiler.text.literals import is_plain
from ...core import ops
from ...core.node import CONSTANT, INPUT, PARAMETER, ComputationNode, Op
from .plain import NUMBERS, dtype_of
from .wire import Misbehaved

LARGEST = 1 << 26  # bytes of a node's value
WORK = 2 * 10**10  # operations, and bytes written, to evaluate what one message defines: seconds
FEW = 1_000  # elements: what is elementwise on so few needs no bound
LEAVES = {"input": INPUT, "parameter": PARAMETER, "constant": CONSTANT}
# Those that graphs of every tutorial are made of, and none that is put together from text.
OPERATIONS = {name: op for name, op in Op.registry.items() if type(op).__module__ == ops.__name__}


def leaf(op: str, like: Any, value: Any) -> ComputationNode:
    """An input, a parameter or a constant, with this value; without one, of this dtype and shape."""
    if value is not None:
        value = value[()]  # without axes it is a number, as in `parameter(2.0)`: then `p.value -= 1` makes a new one
        return ComputationNode(LEAVES[op], (), {}, value.shape, value.dtype, False, value)
    dtype, shape = like
    if any(type(n) is not int or n < 0 for n in shape):
        raise TypeError("a leaf of no shape")
    return ComputationNode(LEAVES[op], (), {}, tuple(shape), dtype_of(dtype))


class Work:
    """What the results of one message may take."""

    def __init__(self) -> None:
        self._done = 0

    def result(self, op: str, parents: tuple[Any, ...], params: dict[Any, Any]) -> ComputationNode:
        """The node of an operation, evaluated if its parents are. Raises Misbehaved if that is too much."""
        made, known, few = OPERATIONS[op], True, True
        for parent in parents:
            if type(parent) is not ComputationNode:
                raise TypeError(f"a parent of {op} is no node")
            known, few = known and parent._value is not None, few and parent.size <= FEW
        for name, value in params.items():
            if type(name) is not str or not is_plain(value):
                raise TypeError(f"a parameter of {op} is no plain value")
        if not (known and few and made.elementwise):
            shape, dtype = self._bounded(made, parents, params)
            if not known:
                return ComputationNode(made, parents, params, shape, dtype)
        result = np.asarray(made.forward(*[parent._value for parent in parents], **params))
        if result.dtype.kind not in NUMBERS:
            raise TypeError(f"a result of {op} is no number")
        return ComputationNode(made, parents, params, result.shape, result.dtype, False, result)

    def _bounded(self, op: Op, parents: tuple[Any, ...], params: dict[str, Any]) -> tuple[Any, Any]:
        """Shape and dtype of a result. Raises Misbehaved if it is too large, or with all the others too much work."""
        shape, dtype = op.infer(parents, params)
        size = math.prod(shape) * dtype_of(np.dtype(dtype).str).itemsize
        self._done += size + op.flops(shape, *(parent.shape for parent in parents), **params)
        if size > LARGEST or self._done > WORK:
            raise Misbehaved("a graph takes too much memory or too much work")
        return shape, dtype
