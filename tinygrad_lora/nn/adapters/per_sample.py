r"""A linear layer with matrices of low rank beside it, other ones for each sample of a batch."""

from collections.abc import Sequence
from math import prod
from typing import Any

from ...core import ComputationNode
from ...errors import AdaptError
from ...library import reshape
from ..layer import Layer

Matrices = tuple[ComputationNode, ComputationNode]  # A (samples, in, r) and B (samples, r, out)


class PerSampleLinear(Layer):
    r"""$y_i = x_i W + b + \sum_g (x_i A_{gi}) B_{gi}$: sample i of the batch has the matrices i of each group g.

    The product with W is made once for the whole batch. `groups` are set before each call, by whoever has the numbers:
    the graph is the same for all of them, and so is a program that is made of it.
    """

    def __init__(self, base: Any) -> None:
        self.base, self.input_shape = base, base.input_shape
        self.groups: Sequence[Matrices] = ()

    @property
    def weight(self) -> ComputationNode:
        """The weight of the base: what a layer that is tied to this one shares."""
        return self.base.weight

    def __call__(self, x: ComputationNode) -> ComputationNode:
        y: ComputationNode = self.base(x)
        for A, B in self.groups:
            if len(x.shape) < 2 or x.shape[0] != A.shape[0]:
                raise AdaptError(f"{A.shape[0]} names for x {x.shape}: its first axis must have one sample for each")
            rows = reshape(x, (x.shape[0], prod(x.shape[1:-1]), x.shape[-1]))
            y = y + reshape((rows @ A) @ B, y.shape)
        return y
