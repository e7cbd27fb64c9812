r"""DoRA: direction and size of each column of the weight are learned apart."""

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
    constant, as in the paper's section 4.3. `tl.adapt(model, rank, variant="dora")` makes them.

    *sizes: input_size, output_size, rank and alpha, as for `LoRALayer`
    weight: W, an array (in, out)
    name: goes before the names of the parameters in listings
    **options: those of `LoRALayer`, without `lora_bias` and `activation`
    Raises AdaptError for a column of zeros: it has no direction; TypeError without a weight, ShapeError for one of
    another shape, ValueError for one of the options that it does not have.
    Source: Liu et al. 2024, "DoRA: Weight-Decomposed Low-Rank Adaptation" (arXiv:2402.09353).

    >>> from tinygrad_lora.nn.adapters.variants import DoRA
    >>> linear = tl.Linear.from_arrays([[3.0, 0.0], [4.0, 1.0]])
    >>> adapter = DoRA.for_layer(linear, rank=1, seed=0)
    >>> adapter.lora_magnitude_vector.value, adapter.merged(linear.weight.value).round(6).tolist()
    (array([5., 1.]), [[3.0, 0.0], [4.0, 1.0]])
    >>> x = tl.constant(np.ones((5, 2)))
    >>> np.abs(adapter.change(x, x @ linear.weight, linear.weight).value).max() < 1e-12
    np.True_
    >>> adapter.merge_weights()
    Traceback (most recent call last):
        ...
    ValueError: what DoRA adds depends on the weight beside it: merged(weight) gives the sum of the two
    >>> adapter.begin(np.zeros((2, 2)), "lora")
    Traceback (most recent call last):
        ...
    tinygrad_lora.errors.AdaptError: DoRA divides by the norm of each column of the weight, and column ...
    """

    lora_magnitude_vector: ComputationNode

    def begin(self, weight: Any, name: str) -> None:
        """Take the magnitudes from a weight.

        weight: W, an array (in, out)
        name: goes before the name of the new parameter
        Raises AdaptError for a column of zeros, ValueError for an adapter with a bias or an activation.
        """
        if unfit := [n for n, x in (("lora_bias", self.lora_B_bias), ("activation", self.activation)) if x is not None]:
            raise ValueError(f"DoRA has no bias for B and no activation: leave out {unfit[0]}")
        norms = np.linalg.norm(weight, axis=0).astype(self.lora_A.dtype)
        if len(zero := np.flatnonzero(norms == 0)):
            raise AdaptError(f"DoRA divides by the norm of each column of the weight, and column {zero[0]} is zero")
        self.lora_magnitude_vector = parameter(norms, f"{name}_magnitude_vector")

    def change(self, rows: ComputationNode, product: ComputationNode, weight: ComputationNode) -> ComputationNode:
        r"""What is added to the base's output: $(\frac mn - 1)\,x W + \frac mn\,s\,(x A) B$.

        rows: x, a node (n, in)
        product: `rows @ weight`, without the bias, a node (n, out)
        weight: W, a node (in, out)
        Returns a node (n, out).
        """
        new = weight + self.scaling * (self.lora_A @ self.lora_B)
        ratio = self.lora_magnitude_vector / stop_gradient(sqrt(sum(new * new, axis=0)))
        return (ratio - 1.0) * product + ratio * self._low_rank(rows)

    def merged(self, weight: Any) -> Any:
        r"""$\frac{m}{n}(W + s A B)$.

        weight: W, an array (in, out)
        Returns an array (in, out).
        """
        new = weight + self.scaling * (self.lora_A.value @ self.lora_B.value)
        return self.lora_magnitude_vector.value / np.linalg.norm(new, axis=0) * new

    def merge_weights(self) -> Any:
        """There is none: what DoRA adds depends on the weight that it is beside.

        Returns nothing: it always raises.
        Raises ValueError, which names `merged`.
        """
        raise ValueError("what DoRA adds depends on the weight beside it: merged(weight) gives the sum of the two")
