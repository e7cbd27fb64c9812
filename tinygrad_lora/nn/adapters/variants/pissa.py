r"""PiSSA: train what is largest in the weight, and freeze the rest."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from .beside_weight import BesideWeight


class PiSSA(BesideWeight):
    r"""$A = U_r \sqrt{S_r / s},\; B = \sqrt{S_r / s}\,V_r^\top$ from $W = U S V^\top$; the base becomes $W - s A B$.

    The adapter starts at the r largest singular values of the weight, and the layer at what it was. Arguments as for
    `LoRALayer` but for `init`, and the `weight` W; nothing is random.
    Source: Meng et al. 2024, "PiSSA: Principal Singular Values and Singular Vectors Adaptation" (arXiv:2404.02948).
    """

    residual: ClassVar[bool] = True

    def __init__(self, *sizes: Any, **options: Any) -> None:
        if "init" in options:
            raise ValueError(f"{type(self).__name__} begins at a part of the weight: leave out init")
        super().__init__(*sizes, **options)

    def begin(self, weight: Any, name: str) -> None:
        """Take A and B from this weight (in, out). Raises ValueError for a rank that it does not have."""
        if self.rank > (largest := min(weight.shape)):
            raise ValueError(f"{type(self).__name__} begins at the weight, whose rank is {largest}, not {self.rank}")
        self.lora_A.value, self.lora_B.value = self.start(weight)

    def start(self, weight: Any) -> tuple[Any, Any]:
        """A and B for this weight (in, out)."""
        U, S, V = np.linalg.svd(weight, full_matrices=False)
        root = np.sqrt(S[: self.rank] / self.scaling)
        return U[:, : self.rank] * root, root[:, None] * V[: self.rank]
