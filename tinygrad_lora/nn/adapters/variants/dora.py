r"""DoRA: direction and size of each column of the weight are learned apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....core.node import ComputationNode, parameter
from ....core.ops import sqrt, stop_gradient
from ....errors import AdaptError
from ....library import sum
from .beside_weight import BesideWeight


class DoRA(BesideWeight):
    r"""$y = x\,\frac{m}{n}(W + s A B) + b$ with $n_j = \lVert (W + s A B)_{\cdot j} \rVert$, one for each output.

    The magnitudes m start at the norms of the columns of W, so that $m / n = 1$. In the gradient n counts as a
    constant, as in the paper's section 4.3. Arguments as for `LoRALayer`, and the `weight` W. Raises AdaptError for a
    column of zeros: it has no direction.
    Source: Liu et al. 2024, "DoRA: Weight-Decomposed Low-Rank Adaptation" (arXiv:2402.09353).
    """

    lora_magnitude_vector: ComputationNode

    def begin(self, weight: Any, name: str) -> None:
        """Take the magnitudes from this weight (in, out)."""
        if unfit := [n for n, x in (("lora_bias", self.lora_B_bias), ("activation", self.activation)) if x is not None]:
            raise ValueError(f"DoRA has no bias for B and no activation: leave out {unfit[0]}")
        norms = np.linalg.norm(weight, axis=0).astype(self.lora_A.dtype)
        if len(zero := np.flatnonzero(norms == 0)):
            raise AdaptError(f"DoRA divides by the norm of each column of the weight, and column {zero[0]} is zero")
        self.lora_magnitude_vector = parameter(norms, f"{name}_magnitude_vector")

    def change(self, rows: ComputationNode, product: ComputationNode, weight: ComputationNode) -> ComputationNode:
        r"""What is added to `product`, which is `rows @ weight`: $(\frac mn - 1)\,x W + \frac mn\,s\,(x A) B$."""
        new = weight + self.scaling * (self.lora_A @ self.lora_B)
        ratio = self.lora_magnitude_vector / stop_gradient(sqrt(sum(new * new, axis=0)))
        return (ratio - 1.0) * product + ratio * self._low_rank(rows)

    def merged(self, weight: Any) -> Any:
        r"""$\frac{m}{n}(W + s A B)$: arrays, (in, out)."""
        new = weight + self.scaling * (self.lora_A.value @ self.lora_B.value)
        return self.lora_magnitude_vector.value / np.linalg.norm(new, axis=0) * new

    def merge_weights(self) -> Any:
        """There is none: what DoRA adds depends on the weight that it is beside. Raises ValueError."""
        raise ValueError("what DoRA adds depends on the weight beside it: merged(weight) gives the sum of the two")
