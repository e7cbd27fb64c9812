r"""AdaLoRA: an adapter in the form of a singular value decomposition, so that single ranks can be given up."""

from functools import reduce
from typing import Any

import numpy as np

from ....core.node import ComputationNode, constant, parameter
from ....core.ops import add, scale, sqrt
from ....library import sum
from ...layer import Layer
from ...linear import Seed
from ..lora import LoRALayer


class AdaLoRA(LoRALayer):
    r"""$\delta(x) = \frac{\alpha}{r + 10^{-5}}\,((x A) \odot e)\,B$, in the form of a singular value decomposition.

    e starts at zero, A and B at normal numbers with standard deviation 0.02. `orthogonality` keeps A and B near
    orthonormal, and `RankAllocator` sets those entries of e to zero that matter least.

    *sizes: input_size, output_size, rank and alpha, as for `LoRALayer`
    seed: a whole number or a Generator that draws A and B; None draws new numbers every time
    **options: those of `LoRALayer`, without `init`, `rslora` and `lora_bias`
    Raises ValueError as `LoRALayer` does, and for one of the options that it does not have.
    Source: Zhang et al. 2023, "AdaLoRA: Adaptive Budget Allocation" (arXiv:2303.10512); the scale is that of PEFT.

    >>> from tinygrad_lora.nn.adapters.variants import AdaLoRA
    >>> layer = AdaLoRA(4, 3, 2, seed=0)
    >>> layer.lora_E.value, round(layer.scaling, 4), [f.shape for f in layer.factors()]
    (array([0., 0.]), 1.0, [(4, 2), (2, 3)])
    """

    def __init__(self, *sizes: Any, seed: Seed = None, **options: Any) -> None:
        if unfit := [option for option in ("lora_bias", "rslora", "init") if options.get(option)]:
            raise ValueError(f"AdaLoRA has a scale and a start of its own, and no bias for B: leave out {unfit[0]}")
        super().__init__(*sizes, **options)
        rng = np.random.default_rng(seed)
        for p in (self.lora_A, self.lora_B):
            p.value = rng.normal(0, 0.02, p.shape)

    def _hold(self, A: Any, B: Any, bias: Any, name: str) -> None:
        super()._hold(A, B, bias, name)
        self.lora_E = parameter(np.zeros(self.rank, self.lora_A.dtype), f"{name}_E")

    @property
    def scaling(self) -> float:
        r"""$\alpha / (r + 10^{-5})$."""
        return self.alpha / (self.rank + 1e-5)

    def _narrow(self, rows: ComputationNode) -> ComputationNode:
        return super()._narrow(rows) * self.lora_E

    def factors(self) -> tuple[Any, Any]:
        """A diag(e) and B.

        Returns a pair of arrays, (in, r) and (r, out).
        """
        return self.lora_A.value * self.lora_E.value, self.lora_B.value


def orthogonality(model: Layer) -> ComputationNode:
    r"""The mean of $\lVert A^\top A - I \rVert$ and $\lVert B B^\top - I \rVert$ over all AdaLoRA adapters of a model.

    Add 0.1 of it or more to the loss.

    model: a layer with AdaLoRA adapters
    Returns a scalar node.
    Raises ValueError for a model without such adapters.

    >>> from tinygrad_lora.nn.adapters.variants import orthogonality
    >>> model = tl.adapt(tl.Sequential(tl.Linear(4, 3, seed=0)), rank=2, variant="adalora", seed=0)
    >>> orthogonality(model).value.round(2)
    np.float64(1.41)
    """
    layers = [x for x in model.named_layers().values() if isinstance(x, AdaLoRA)]
    products = [p for x in layers for p in (x.lora_A.mT @ x.lora_A, x.lora_B @ x.lora_B.mT)]
    if not products:
        raise ValueError('the model has no AdaLoRA adapters: adapt(model, rank, variant="adalora") gives it some')
    off = [p - constant(np.eye(p.shape[0], dtype=p.dtype)) for p in products]
    # The small number keeps the slope of the root finite where A is exactly orthonormal.
    norms = [sqrt(sum(d * d) + 1e-30) for d in off]
    return scale(reduce(add, norms), factor=1 / len(norms))
