"""What LoHa and LoKr have in common: sizes, a start, and factors that are not two matrices of low rank."""

from __future__ import annotations

from math import sqrt
from typing import Any, Self

import numpy as np

from ...core.node import ComputationNode, parameter
from ..adapter import Adapter
from ..checks import check_size
from ..linear import Seed
from ..lora import checked_alpha


class Factored(Adapter):
    r"""$\delta(x) = s\,x\,\Delta(\theta)$ with $s = \alpha / r$: a subclass makes its factors in `make_factors`.

    `alpha` -1 or None means rank. Raises ValueError for a rank or an alpha that is not positive.
    """

    @classmethod
    def for_layer(
        cls, base: Any, rank: int, alpha: float | None = -1, *, seed: Seed = None, name: str = "lora", **options: Any
    ) -> Self:
        """An adapter of the base's sizes and dtype, at its start. `options` are those of the class."""
        layer, rng = cls(), np.random.default_rng(seed)
        layer.rank, layer.input_size, layer.output_size = check_size(rank, "Rank"), base.input_size, base.output_size
        layer.alpha, layer.input_shape = checked_alpha(alpha, layer.rank), (base.input_size,)

        def factor(what: str, shape: tuple[int, int], fan_in: int) -> ComputationNode:
            """Uniform numbers of PyTorch's Kaiming start, or zeros if `fan_in` is 0."""
            bound = 1 / sqrt(fan_in) if fan_in else 0.0
            return parameter(rng.uniform(-bound, bound, shape).astype(base.weight.dtype), f"{name}_{what}")

        layer.make_factors(factor, **options)
        return layer

    def make_factors(self, factor: Any, **options: Any) -> None:
        """Assign the factors; `factor(name, shape, fan_in)` makes one."""
        raise NotImplementedError(f"{type(self).__name__} needs a method make_factors(self, factor)")
