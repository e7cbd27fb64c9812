"""What VeRA, LoHa and LoKr have in common: sizes, a start, and factors that are not LoRA's two."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any, Self

import numpy as np

from ...core.node import ComputationNode, Shape, parameter
from ..adapter import Adapter
from ..checks import check_size
from ..linear import Seed
from ..lora import checked_alpha

Factor = Callable[[str, Shape, float], ComputationNode]


class Factored(Adapter):
    r"""$\delta(x) = s\,x\,\Delta(\theta)$ with $s = \alpha / r$: a subclass makes its $\theta$ in `make_factors`.

    `alpha` -1 or None means rank. Raises ValueError for a rank or an alpha that is not positive.
    """

    input_size: int
    output_size: int

    @classmethod
    def for_layer(
        cls, base: Any, rank: int, alpha: float | None = -1, *, seed: Seed = None, name: str = "lora", **options: Any
    ) -> Self:
        """An adapter of the base's sizes and dtype, at its start. `options` are those of the class."""
        layer = cls()
        layer.rank, layer.input_size, layer.output_size = check_size(rank, "Rank"), base.input_size, base.output_size
        layer.alpha, layer.input_shape = checked_alpha(alpha, layer.rank), (base.input_size,)
        layer.make_factors(drawing(seed, base.weight.dtype, name), **options)
        return layer

    def make_factors(self, *factor: Any, **options: Any) -> None:
        """Assign the factors; `factor(name, shape, fan_in)` makes one. `options` are those of `for_layer`."""
        raise NotImplementedError(f"{type(self).__name__} needs a method make_factors(self, factor)")


def drawing(seed: Seed, dtype: Any, prefix: str) -> Factor:
    r"""A function that makes factors: uniform in $\pm 1 / \sqrt{\text{fan\_in}}$, or zeros if fan_in is 0."""
    rng = np.random.default_rng(seed)

    def factor(name: str, shape: Shape, fan_in: float) -> ComputationNode:
        bound = 1 / sqrt(fan_in) if fan_in else 0.0
        return parameter(rng.uniform(-bound, bound, shape).astype(dtype), f"{prefix}_{name}")

    return factor
