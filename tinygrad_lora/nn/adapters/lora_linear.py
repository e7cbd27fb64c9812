r"""A linear layer with adapters beside it, $y = x W + b + \sum_i w_i\,\delta_i(x)$."""

from __future__ import annotations

from math import prod
from typing import Any

from ...core.node import ComputationNode
from ..linear import Linear, Seed, check_width, on_rows
from .adapter import Adapter
from .lora import LoRALayer
from .mergeable import MergeableLayer, Through


class LoRALinear(MergeableLayer):
    r"""$y = x W + b + s\,(x A) B$: a linear layer and an adapter that is trained in its place.

    `base` is a `Linear`, which is frozen unless `trainable_base` (then its parameters stay as they are). `rank`,
    `alpha`, `init` and `seed` are those of the `LoRALayer` made for it, found under `.lora`; its `dtype` is the base's
    unless another is given. `kind` is another class of adapter, and `options` are those that this class has. `attach`,
    `activate` and `delete` manage more adapters; the first is called "lora", whatever `name` is: that goes before the
    names of its parameters in listings.

    Raises TypeError if the base is not a Linear, or one whose class computes more than $x W + b$, ValueError as
    `LoRALayer` does.
    Source: Hu et al. 2021, section 4 (arXiv:2106.09685).
    """

    takes = Linear

    def __init__(
        self, base: Linear, rank: int, alpha: float | None = -1, *,
        init: str = "gaussian", seed: Seed = None, dtype: Any = None, trainable_base: bool = False, name: str = "lora",
        kind: type[Adapter] = LoRALayer, **options: Any,
    ) -> None:  # fmt: skip
        options |= {"init": init} if init != "gaussian" else {}
        options |= {"dtype": dtype} if dtype is not None else {}
        self._begin(base, kind, rank, alpha, trainable_base, seed=seed, name=name, **options)

    def __call__(self, x: ComputationNode) -> ComputationNode:
        if self.is_base_alone:
            return self._base_alone(x)
        check_width(x, self.original.input_size)
        return on_rows(self._beside_base(x, prod(x.shape[1:-1])), x)

    def _through_base(self, rows: ComputationNode) -> Through:
        base = self.base
        y = base(rows)
        product = y.parents[0] if base.bias is not None else y
        return y, product, product.parents[1]

    def like_original(self, weight: Any, bias: Any) -> Linear:
        """A linear layer with these arrays."""
        return Linear.from_arrays(weight, bias)
