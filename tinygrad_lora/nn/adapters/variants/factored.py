"""What VeRA, LoHa and LoKr have in common: sizes, a start, and factors that are not LoRA's two."""

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np

from ....core.node import ComputationNode, Shape, parameter
from ...checks import check_size
from ...linear import Seed, check_width, on_rows
from ..adapter import SizedAdapter
from ..lora import checked_alpha

Factor = Callable[[str, Shape, float], ComputationNode]


class Factored(SizedAdapter):
    r"""$\delta(x) = s\,x\,\Delta(\theta)$ with $s = \alpha / r$: a subclass writes `make_factors` and `of_rows`.

    `alpha` -1 or None means rank; `options` are those of `make_factors`. Raises ValueError for sizes, a rank or an
    alpha that are not positive.
    """

    def __init__(
        self, input_size: int, output_size: int, rank: int, alpha: float | None = -1, *,
        seed: Seed = None, dtype: Any = np.float64, name: str = "lora", **options: Any,
    ) -> None:  # fmt: skip
        self.input_size = check_size(input_size, "Input size")
        self.output_size = check_size(output_size, "Output size")
        self.rank, self.input_shape = check_size(rank, "Rank"), (self.input_size,)
        self.alpha = checked_alpha(alpha, self.rank)
        self.make_factors(drawing(seed, dtype, name), **options)

    def make_factors(self, *factor: Any, **options: Any) -> None:
        """Assign the factors; `factor(name, shape, fan_in)` makes one. `options` are those of the class."""
        raise NotImplementedError(f"{type(self).__name__} needs a method make_factors(self, factor)")

    def __call__(self, x: ComputationNode) -> ComputationNode:
        check_width(x, self.input_size)
        return on_rows(self.of_rows, x)

    def of_rows(self, rows: ComputationNode) -> ComputationNode:
        r"""$\delta(x)$ of a matrix of rows.

        rows: x, a node (n, in)
        Returns a node (n, out).
        Raises NotImplementedError where no subclass wrote it.
        """
        raise NotImplementedError(f"{type(self).__name__} needs a method of_rows(self, rows)")


def drawing(seed: Seed, dtype: Any, prefix: str) -> Factor:
    r"""A function that makes factors: uniform in $\pm 1 / \sqrt{\text{fan\_in}}$, or zeros if fan_in is 0."""
    rng = np.random.default_rng(seed)

    def factor(name: str, shape: Shape, fan_in: float) -> ComputationNode:
        bound = 1 / sqrt(fan_in) if fan_in else 0.0
        return parameter(rng.uniform(-bound, bound, shape).astype(dtype), f"{prefix}_{name}")

    return factor
