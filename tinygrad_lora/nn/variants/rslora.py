r"""rsLoRA: a scale that high ranks need."""

from __future__ import annotations

from typing import Any, Self

from ..linear import Seed
from ..lora import LoRALayer


class RsLoRA(LoRALayer):
    r"""$\delta(x) = \frac{\alpha}{\sqrt r}\,(x A) B$.

    With $\alpha / r$ the change and its gradient shrink as the rank grows, so that a high rank learns no more than a
    low one; with $\alpha / \sqrt r$ their size does not depend on the rank. Arguments as for `LoRALayer`.
    Source: Kalajdzievski 2023, "A Rank Stabilization Scaling Factor for Fine-Tuning with LoRA" (arXiv:2312.03732).
    """

    @classmethod
    def for_layer(
        cls, base: Any, rank: int, alpha: float | None = -1, *, seed: Seed = None, name: str = "lora", **options: Any
    ) -> Self:
        """An adapter of the base's sizes and dtype, at its start."""
        return super().for_layer(base, rank, alpha, seed=seed, name=name, **{**options, "rslora": True})
