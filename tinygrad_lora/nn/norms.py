"""Layers that bring each vector to the same scale."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..boundary.lines import remembered
from ..core.node import ComputationNode, parameter
from ..core.ops import sqrt
from ..library import in_float32, layer_norm, mean
from .checks import check_number, check_size
from .layer import Layer
from .linear import check_width


class LayerNorm(Layer):
    r"""$y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}\,w + b$, mean and variance over the last axis.

    x is (..., size); w starts at 1 and b at 0, both (size,). Raises ValueError for a size that is not
    positive, ShapeError for an input of another width.
    Source: Ba et al. 2016 (arXiv:1607.06450).
    """

    def __init__(self, size: int, eps: float = 1e-5, *, dtype: Any = np.float64) -> None:
        n, self.eps = check_size(size, "size"), check_number(eps, "eps", 0)
        self.input_shape = (n,)
        self.weight, self.bias = parameter(np.ones(n, dtype), "weight"), parameter(np.zeros(n, dtype), "bias")

    def __call__(self, x: ComputationNode) -> ComputationNode:
        check_width(x, self.weight.size)
        return layer_norm(x, self.weight, self.bias, self.eps)


class RMSNorm(Layer):
    r"""$y = \frac{x}{\sqrt{\frac1n \sum_i x_i^2 + \epsilon}}\,w$: a layer norm without mean and bias.

    x is (..., size); w starts at 1. Raises ValueError for a size that is not positive, ShapeError for an input of
    another width.
    Source: Zhang and Sennrich 2019 (arXiv:1910.07467).
    """

    def __init__(self, size: int, eps: float = 1e-6, *, dtype: Any = np.float64) -> None:
        n, self.eps = check_size(size, "size"), check_number(eps, "eps", 0)
        self.input_shape = (n,)
        self.weight = parameter(np.ones(n, dtype), "weight")

    def __call__(self, x: ComputationNode) -> ComputationNode:
        check_width(x, self.weight.size)
        return rms_norm(x, self.weight, self.eps)


@remembered
def rms_norm(x: Any, weight: Any, eps: float) -> Any:
    r"""$y = \frac{x}{\sqrt{\frac1n \sum_i x_i^2 + \epsilon}}\,w$."""
    return _scaled(x, eps) * weight


@in_float32
def _scaled(x: Any, eps: float) -> Any:
    """x with mean square 1 along its last axis."""
    return x / sqrt(mean(x * x, -1, keepdims=True) + eps)
