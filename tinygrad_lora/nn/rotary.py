r"""Rotary positions: a query or key at position t is turned by an angle that grows with t.

Then the product of a query and a key depends on how far apart they are, not on where they stand.
Source: Su et al. 2021 (arXiv:2104.09864).
"""

from typing import Any

import numpy as np

from ..boundary.lines import remembered
from ..core import ComputationNode
from ..errors import ShapeError
from ..library import concatenate


def rotary_angles(positions: Any, size: int, base: float = 10_000.0, *, dtype: Any) -> tuple[Any, Any]:
    r"""$\cos t\,\omega_i$ and $\sin t\,\omega_i$ with $\omega_i = \text{base}^{-2i/\text{size}}$, (size / 2, time).

    `positions` are the whole numbers t, (time,), and `size` is that of one head, which must be even. Two arrays.
    """
    if size % 2:
        raise ShapeError(f"rotary positions turn pairs of numbers: a head of size {size} has one left over")
    omega = float(base) ** (-np.arange(0, size, 2) / size)
    angles = np.multiply.outer(omega, np.asarray(positions))
    return np.cos(angles).astype(dtype), np.sin(angles).astype(dtype)


@remembered
def rotated(x: ComputationNode, angles: tuple[ComputationNode, ComputationNode]) -> ComputationNode:
    r"""$(x_i, x_{i+n/2})$ turned by $t\,\omega_i$, for x of shape (..., n, time).

    The pairs are a number of the first half and its partner in the second, as Hugging Face and GPT-NeoX have it; the
    paper pairs neighbors. Weights made for one order do not work in the other.
    """
    (cosines, sines), half = angles, x.shape[-2] // 2
    first, second = x[..., :half, :], x[..., half:, :]
    return concatenate([first * cosines - second * sines, second * cosines + first * sines], axis=-2)
