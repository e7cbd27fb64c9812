r"""OLoRA: start at orthonormal directions of the weight."""

from __future__ import annotations

from typing import Any

import numpy as np

from .pissa import PiSSA


class OLoRA(PiSSA):
    r"""$A = R_r^\top,\; B = Q_r^\top$ from $W^\top = Q R$; the base becomes $W - s A B$.

    The rows of B are orthonormal at the start, and the layer is what it was. A QR decomposition takes a fraction of the
    time of PiSSA's singular values. Arguments as for `PiSSA`; nothing is random.
    Source: Büyükakyüz 2024, "OLoRA: Orthonormal Low-Rank Adaptation of Large Language Models" (arXiv:2406.01775).
    """

    def start(self, weight: Any) -> tuple[Any, Any]:
        """A and B for this weight (in, out)."""
        Q, R = np.linalg.qr(weight.T)
        return R[: self.rank].T, Q[:, : self.rank].T
