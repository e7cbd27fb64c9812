r"""AdaLoRA's optimizer: it learns which ranks matter, and gives up the others on a schedule."""

from typing import Any

import numpy as np

from ...checks import check_size
from ...layer import Layer
from ...optim import Rate
from .adalora import AdaLoRA
from .importance import Importance


class RankAllocator(Importance):
    r"""$e_i \leftarrow 0$ for the ranks i with the lowest scores: AdamW, and every `every` steps a smaller budget.

    The score of a rank is $I U$ of its entry of e, and the means of $I U$ over its column of A and its row of B: I is a
    running mean of $|\theta\,\bar\theta|$, U one of how uncertain that is. Ranks of all layers compete. As many stay as
    a cubic schedule allows; at its end the choice stays. A rank that was given up earlier may come back.

    model: a layer with AdaLoRA adapters
    lr: the learning rate, a positive number, or a function of the number of steps done
    target_rank: the rank that is left to each layer on average, a positive whole number
    total_steps: how many steps will be done
    warmup: steps before the first rank is given up
    final: steps at the end in which the choice stays
    every: how many steps apart ranks are given up
    **options: those of `tl.AdamW`
    Raises ValueError for a model without AdaLoRA adapters, and for numbers that are out of range.
    Source: Zhang et al. 2023, algorithm 1 (arXiv:2303.10512), as in PEFT.

    >>> from tinygrad_lora.nn.adapters.variants import RankAllocator
    >>> model = tl.adapt(tl.Sequential(tl.Linear(4, 3, seed=0)), rank=2, variant="adalora", seed=0)
    >>> optimizer = RankAllocator(model, target_rank=1, total_steps=2)
    >>> for step in range(2):
    ...     tl.sum(model(tl.constant(np.ones((1, 4)))) ** 2).backward()
    ...     optimizer.step()  # which calls optimizer.after_step()
    >>> (model[0].lora.lora_E.value != 0).sum()
    np.int64(1)
    """

    elementwise = True
    _unwatched = Importance._unwatched | {"masks"}  # they are applied to values, and no graph depends on them

    def __init__(
        self, model: Layer, lr: Rate = 1e-3, *, target_rank: int, total_steps: int, warmup: int = 0, final: int = 0,
        every: int = 1, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__(model.parameters(), lr, **options)
        self.ranked = [x for x in model.named_layers().values() if isinstance(x, AdaLoRA) and x.parameters()]
        if not self.ranked:
            raise ValueError('no AdaLoRA adapter is trained here: adapt(model, rank, variant="adalora") makes some')
        if not 0 <= warmup < total_steps - final <= total_steps:
            raise ValueError(f"need 0 <= warmup < total_steps - final, 0 <= final: {warmup=}, {total_steps=}, {final=}")
        self.start, self.masks = sum(x.rank for x in self.ranked), list[Any]()
        self.target = check_size(target_rank, "target_rank") * len(self.ranked)
        if self.target > self.start:
            raise ValueError(f"target_rank {target_rank} is above the ranks that there are, {self.start} in all")
        self.warmup, self.last, self.every = warmup, total_steps - final, check_size(every, "every")

    def after_step(self) -> None:
        """Count a step that was done, and give up ranks if it is time."""
        super().after_step()
        if self.warmup < self.steps <= self.last and (self.steps % self.every == 0 or self.steps == self.last):
            left = (1 - (self.steps - self.warmup) / (self.last - self.warmup)) ** 3
            self.masks = self._masks(self.start - int((self.start - self.target) * left + self.target))
        elif self.steps < self.last:
            return
        for layer, mask in zip(self.ranked, self.masks, strict=False):
            layer.lora_E.value = np.where(mask, layer.lora_E.value, 0)

    def _masks(self, pruned: int) -> list[Any]:
        """For each layer, which ranks stay when this many of all are given up."""
        score = {p: i.value * u.value for p, i, u in zip(self.parameters, *self.slots[2:], strict=True)}
        scores = [score[x.lora_E] + score[x.lora_A].mean(axis=0) + score[x.lora_B].mean(axis=1) for x in self.ranked]
        bar = np.sort(np.concatenate(scores))[pruned - 1] if pruned > 0 else -np.inf
        return [s > bar for s in scores]
