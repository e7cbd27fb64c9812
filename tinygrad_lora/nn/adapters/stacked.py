r"""A linear layer with stacks of adapters beside it: which one a sample goes through is a number in an array."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from ...core.node import ComputationNode
from ...core.ops import take
from ...errors import AdaptError
from ...library import reshape
from ..layer import Layer

Stack = tuple[ComputationNode, ComputationNode, ComputationNode]  # A (n, in, r), B (n, r, out), and slots (samples,)


class StackedLinear(Layer):
    r"""$y_i = x_i W + b + \sum_g (x_i A_{g, s_{gi}}) B_{g, s_{gi}}$: of each stack g, sample i takes what its slot has.

    The product with W is made once for the whole batch. `stacks` are set before each call, by whoever has the numbers:
    the graph is the same for all slots, and so is a program that is made of it.
    """

    def __init__(self, base: Any) -> None:
        self.base, self.input_shape = base, base.input_shape
        self.stacks: Sequence[Stack] = ()

    @property
    def weight(self) -> ComputationNode:
        """The weight of the base: what a layer that is tied to this one shares."""
        weight: ComputationNode = self.base.weight
        return weight

    def __call__(self, x: ComputationNode) -> ComputationNode:
        y: ComputationNode = self.base(x)
        for A, B, slots in self.stacks:
            if len(x.shape) < 2 or x.shape[0] != slots.shape[0]:
                raise AdaptError(
                    f"{slots.shape[0]} names for x {x.shape}: its first axis must have one sample for each"
                )
            rows = reshape(x, (x.shape[0], prod(x.shape[1:-1]), x.shape[-1]))
            y = y + reshape((rows @ take(A, slots)) @ take(B, slots), y.shape)
        return y
