r"""PiSSA: train what is largest in the weight, and freeze the rest."""

from typing import Any, ClassVar

import numpy as np

from .beside_weight import BesideWeight


class PiSSA(BesideWeight):
    r"""$A = U_r \sqrt{S_r / s},\; B = \sqrt{S_r / s}\,V_r^\top$ from $W = U S V^\top$; the base becomes $W - s A B$.

    The adapter starts at the r largest singular values of the weight, and the layer at what it was. Nothing is random.

    *sizes: input_size, output_size, rank and alpha, as for `LoRALayer`
    **options: those of `LoRALayer` but for `init`, and `weight`, W, an array (in, out)
    Raises ValueError as `LoRALayer` does, and for an `init` or a rank that the weight does not have; TypeError without
    a weight, ShapeError for one of another shape.
    Source: Meng et al. 2024, "PiSSA: Principal Singular Values and Singular Vectors Adaptation" (arXiv:2404.02948).

    >>> from tinygrad_lora.nn.adapters.variants import PiSSA
    >>> weight = np.diag([3.0, 1.0])
    >>> adapter = PiSSA(2, 2, 1, weight=weight)
    >>> np.abs(adapter.merge_weights()).round(6).tolist()
    [[3.0, 0.0], [0.0, 0.0]]
    >>> adapter.begin(2 * weight, "lora")
    >>> np.abs(adapter.start(weight)[0]).round(4).tolist()
    [[1.7321], [0.0]]
    """

    residual: ClassVar[bool] = True

    def __init__(self, *sizes: Any, **options: Any) -> None:
        if "init" in options:
            raise ValueError(f"{type(self).__name__} begins at a part of the weight: leave out init")
        super().__init__(*sizes, **options)

    def begin(self, weight: Any, name: str) -> None:
        """Take A and B from a weight.

        weight: W, an array (in, out)
        name: goes before the names of new parameters; here there are none
        Raises ValueError for a rank that the weight does not have.
        """
        if self.rank > (largest := min(weight.shape)):
            raise ValueError(f"{type(self).__name__} begins at the weight, whose rank is {largest}, not {self.rank}")
        self.lora_A.value, self.lora_B.value = self.start(weight)

    def start(self, weight: Any) -> tuple[Any, Any]:
        """A and B for a weight.

        weight: W, an array (in, out)
        Returns a pair of arrays, (in, r) and (r, out).
        """
        U, S, V = np.linalg.svd(weight, full_matrices=False)
        root = np.sqrt(S[: self.rank] / self.scaling)
        return U[:, : self.rank] * root, root[:, None] * V[: self.rank]
