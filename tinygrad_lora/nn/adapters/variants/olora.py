r"""OLoRA: start at orthonormal directions of the weight."""

from typing import Any

import numpy as np

from .pissa import PiSSA


class OLoRA(PiSSA):
    r"""$A = R_r^\top,\; B = Q_r^\top$ from $W^\top = Q R$; the base becomes $W - s A B$.

    The rows of B are orthonormal at the start, and the layer is what it was. A QR decomposition takes a fraction of the
    time of PiSSA's singular values. Nothing is random.

    *sizes: input_size, output_size, rank and alpha, as for `LoRALayer`
    **options: those of `PiSSA`
    Raises ValueError as `PiSSA` does.
    Source: Büyükakyüz 2024, "OLoRA: Orthonormal Low-Rank Adaptation of Large Language Models" (arXiv:2406.01775).

    >>> from tinygrad_lora.nn.adapters.variants import OLoRA
    >>> A, B = OLoRA.for_layer(tl.Linear(4, 3, seed=0), rank=2).factors()
    >>> (B @ B.T).round(6).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    >>> [f.shape for f in OLoRA(4, 3, 2, weight=np.eye(4, 3)).start(np.eye(4, 3))]
    [(4, 2), (2, 3)]
    """

    def start(self, weight: Any) -> tuple[Any, Any]:
        """A and B for a weight.

        weight: W, an array (in, out)
        Returns a pair of arrays, (in, r) and (r, out).
        """
        Q, R = np.linalg.qr(weight.T)
        return R[: self.rank].T, Q[:, : self.rank].T
