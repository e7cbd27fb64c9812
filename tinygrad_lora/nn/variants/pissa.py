r"""PiSSA: train what is largest in the weight, and freeze the rest."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np

from ..linear import Seed
from ..lora import LoRALayer


class PiSSA(LoRALayer):
    r"""$A = U_r \sqrt{S_r / s},\; B = \sqrt{S_r / s}\,V_r^\top$ from $W = U S V^\top$; the base becomes $W - s A B$.

    The adapter starts at the r largest singular values of the weight, and the layer at what it was. Arguments as for
    `LoRALayer`; nothing is random.
    Source: Meng et al. 2024, "PiSSA: Principal Singular Values and Singular Vectors Adaptation" (arXiv:2404.02948).
    """

    residual: ClassVar[bool] = True

    @classmethod
    def for_layer(
        cls, base: Any, rank: int, alpha: float | None = -1, *, seed: Seed = None, name: str = "lora", **options: Any
    ) -> Self:
        """An adapter of the base's sizes and dtype, at its start."""
        if "init" in options:
            raise ValueError(f"{cls.__name__} begins at a part of the weight: leave out init")
        layer = super().for_layer(base, rank, alpha, seed=seed, name=name, **options)
        layer.lora_A.value, layer.lora_B.value = layer.start(base.weight.value)
        return layer

    def start(self, weight: Any) -> tuple[Any, Any]:
        """A and B for this weight (in, out)."""
        U, S, V = np.linalg.svd(weight, full_matrices=False)
        root = np.sqrt(S[: self.rank] / self.scaling)
        return U[:, : self.rank] * root, root[:, None] * V[: self.rank]
