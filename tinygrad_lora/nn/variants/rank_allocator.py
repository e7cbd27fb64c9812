r"""AdaLoRA's optimizer: it learns which ranks matter, and gives up the others on a schedule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...ops import sign
from ..checks import check_number, check_size
from ..layer import Layer
from ..optim import AdamW, Lists, Rate
from .adalora import AdaLoRA


class RankAllocator(AdamW):
    r"""$I \leftarrow \beta I + (1 - \beta)\,|\theta \bar\theta|,\; U \leftarrow \beta U + (1 - \beta)\,||\theta \bar\theta| - I|$.

    AdamW for the adapters of a model that keeps for each number how much it matters (I) and how sure that is (U). A
    rank scores $I U$ of its entry of e, and the means of $I U$ over its column of A and its row of B. Every `every`
    steps after `warmup`, the entries of e with the lowest scores in the whole model become zero: so many that the
    ranks left follow a cubic schedule, down to `target_rank` for each layer on average, `final` steps before
    `total_steps`. From then on the choice stays. The other arguments are those of AdamW.

    Raises ValueError for a model without AdaLoRA adapters, and for numbers that are out of range.
    Source: Zhang et al. 2023, algorithm 1 (arXiv:2303.10512), as in PEFT.
    """

    elementwise = True
    masks: list[Any] | None = None

    def __init__(
        self, model: Layer, lr: Rate = 1e-3, *, target_rank: int, total_steps: int, warmup: int = 0, final: int = 0,
        every: int = 1, beta: float = 0.85, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__(model.parameters(), lr, **options)
        self.ranked = [x for x in model.named_layers().values() if isinstance(x, AdaLoRA) and x.parameters()]
        if not self.ranked or not 0 <= warmup < total_steps - final <= total_steps:
            raise ValueError("a model with AdaLoRA adapters and 0 <= warmup < total_steps - final are needed")
        self.start = sum(x.rank for x in self.ranked)
        self.target = check_size(target_rank, "target_rank") * len(self.ranked)
        self.warmup, self.last, self.every = warmup, total_steps - final, check_size(every, "every")
        self.beta = check_number(beta, "beta", 0, 1)
        self.slots += [self._zeros("importance"), self._zeros("uncertainty")]

    def update(self, parameters: Sequence[Any], gradients: Sequence[Any], state: Sequence[Any], rate: Any) -> Lists:
        n, b = len(parameters), self.beta
        new, own = super().update(parameters, gradients, [*state[: 2 * n], *state[4 * n :]], rate)
        sizes = [_size(p * g) for p, g in zip(new, gradients, strict=True)]
        means = [b * i + (1 - b) * s for i, s in zip(state[2 * n : 3 * n], sizes, strict=True)]
        off = [_size(s - i) for s, i in zip(sizes, means, strict=True)]
        unsure = [b * u + (1 - b) * d for u, d in zip(state[3 * n : 4 * n], off, strict=True)]
        return new, [*own[: 2 * n], *means, *unsure, *own[2 * n :]]

    def after_step(self) -> None:
        """Count a step that was done, and give up ranks if it is time."""
        super().after_step()
        if self.warmup < self.steps <= self.last and (self.steps % self.every == 0 or self.steps == self.last):
            left = (1 - (self.steps - self.warmup) / (self.last - self.warmup)) ** 3
            self.masks = self._masks(self.start - int((self.start - self.target) * left + self.target))
        elif self.steps < self.last:
            return
        for layer, mask in zip(self.ranked, self.masks or [], strict=False):
            layer.lora_E.value = np.where(mask, layer.lora_E.value, 0)

    def _masks(self, pruned: int) -> list[Any]:
        """For each layer, which ranks stay when this many of all are given up."""
        parts = zip(self.parameters, *self.slots[2:], strict=True)
        score = {p: np.asarray(i.value * u.value, np.float64) for p, i, u in parts}
        scores = [score[x.lora_E] + score[x.lora_A].mean(axis=0) + score[x.lora_B].mean(axis=1) for x in self.ranked]
        bar = np.sort(np.concatenate(scores))[pruned - 1] if pruned > 0 else -np.inf
        return [s > bar for s in scores]


def _size(x: Any) -> Any:
    return x * sign(x)
