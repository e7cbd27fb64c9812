r"""LoHa: the elementwise product of two matrices of rank r has a rank of up to r * r."""

from __future__ import annotations

from typing import Any

from ....core.node import ComputationNode
from .factored import Factor, Factored


class LoHa(Factored):
    r"""$\Delta W = s\,(w_{1a} w_{1b}) \odot (w_{2a} w_{2b})$ with $s = \alpha / r$.

    The first factor of each product is (in, r), the second (r, out). $w_{2b}$ starts at zero. Twice the numbers of LoRA
    of the same rank, for the square of its rank; but the dense $\Delta W$ is computed in every step.
    Source: Hyeon-Woo et al. 2021, "FedPara" (arXiv:2108.06098); Yeh et al. 2023, "LyCORIS" (arXiv:2309.14859).
    """

    def make_factors(self, factor: Factor) -> None:
        """Four factors."""
        n, r, m = self.input_size, self.rank, self.output_size
        self.hada_w1_a, self.hada_w1_b = factor("w1_a", (n, r), n), factor("w1_b", (r, m), r)
        self.hada_w2_a, self.hada_w2_b = factor("w2_a", (n, r), n), factor("w2_b", (r, m), 0)

    def delta(self) -> ComputationNode:
        r"""$\Delta W$ (in, out), as a graph."""
        return self.scaling * ((self.hada_w1_a @ self.hada_w1_b) * (self.hada_w2_a @ self.hada_w2_b))

    def of_rows(self, rows: ComputationNode) -> ComputationNode:
        return rows @ self.delta()

    def merge_weights(self) -> Any:
        r"""$\Delta W$ (in, out)."""
        return self.delta().value
