"""What each node sends to its operands in the backward pass: the contributions that add up to their gradients."""

from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from types import FunctionType
from typing import Any

from ..core.autodiff import unbroadcast
from ..core.node import ComputationNode, Value

trainable: Callable[[ComputationNode], bool] = attrgetter("requires_gradient")


def contributions(
    node: ComputationNode, g: Value, values: Mapping[ComputationNode, Value] | None = None,
    wanted: Callable[[ComputationNode], bool] | None = None,
) -> Iterator[tuple[int, ComputationNode, Any]]:  # fmt: skip
    """The contributions of a node with gradient `g` to those of its operands: position, operand, array.

    They are computed as the engine does it. `values` are those of one run; by default each node's own, or the nodes
    themselves if `g` is a node. Operands that are not `wanted` are skipped, and so are those without a gradient.
    """
    if not node.parents:
        return
    own = [(values or {}).get(x, x) for x in (node, *node.parents)]
    if not isinstance(g, ComputationNode):
        own = [x.value if isinstance(x, ComputationNode) else x for x in own]
    parts: Any = node.op.vjp(g, *own, **node.params)
    for i, (parent, part) in enumerate(zip(node.parents, parts, strict=True)):
        if part is not None and (wanted is None or wanted(parent)):
            array = part() if isinstance(part, FunctionType) else part
            yield i, parent, array if array.shape == parent.shape else unbroadcast(array, parent.shape)
