"""Layers that bring each vector to the same scale."""

from __future__ import annotations  # refusals read them as they are written

from math import prod
from typing import Any

import numpy as np

from ..boundary.lines import remembered
from ..core.node import ComputationNode, parameter
from ..core.ops import cast, sqrt
from ..errors import ShapeError
from ..library import in_float32, layer_norm, mean, reshape
from .checks import check_number, check_size
from .layer import Layer
from .linear import check_width


class LayerNorm(Layer):
    r"""$y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}\,w + b$, mean and variance over the last axis.

    x is (..., size); w starts at 1 and b at 0, both (size,).

    size: numbers in a row of x, a positive whole number
    eps: $\epsilon$, a number from 0 on that keeps the root away from 0
    dtype: that of the parameters
    Returns y, of the shape of x, when it is called on a node.
    Raises ValueError for a size that is not positive, ShapeError for an input of another width.
    Source: Ba et al. 2016 (arXiv:1607.06450).

    >>> tl.LayerNorm(3).forward([1.0, 2.0, 3.0]).round(3)
    array([-1.225,  0.   ,  1.225])
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

    x is (..., size); w starts at 1.

    size: n, numbers in a row of x, a positive whole number
    eps: $\epsilon$, a number from 0 on that keeps the root away from 0
    dtype: that of the parameters
    Returns y, of the shape of x, when it is called on a node.
    Raises ValueError for a size that is not positive, ShapeError for an input of another width.
    Source: Zhang and Sennrich 2019 (arXiv:1910.07467).

    >>> tl.RMSNorm(2).forward([3.0, 4.0]).round(3)
    array([0.849, 1.131])
    """

    def __init__(self, size: int, eps: float = 1e-6, *, dtype: Any = np.float64) -> None:
        n, self.eps = check_size(size, "size"), check_number(eps, "eps", 0)
        self.input_shape = (n,)
        self.weight = parameter(np.ones(n, dtype), "weight")

    def __call__(self, x: ComputationNode) -> ComputationNode:
        check_width(x, self.weight.size)
        return rms_norm(x, self.weight, self.eps)


class GroupNorm(Layer):
    r"""$y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}\,w + b$, mean and variance over each group of channels.

    x is (batch, channels, ...); w starts at 1 and b at 0, both (channels,). One group is a layer norm over all of an
    example, a group for each channel an instance norm.

    groups: in how many parts of equal size the channels are cut
    channels: the length of the second axis of x
    eps: $\epsilon$, a number from 0 on that keeps the root away from 0
    dtype: that of the parameters
    Returns y, of the shape of x, when it is called on a node.
    Raises ValueError where the groups do not divide the channels, ShapeError for an input of other channels.
    Source: Wu and He 2018 (arXiv:1803.08494).

    >>> x = np.arange(4.0).reshape(1, 4)
    >>> tl.GroupNorm(2, 4).forward(x).round(3)
    array([[-1.,  1., -1.,  1.]])
    """

    def __init__(self, groups: int, channels: int, eps: float = 1e-5, *, dtype: Any = np.float64) -> None:
        n, self.eps = check_size(channels, "channels"), check_number(eps, "eps", 0)
        self.groups = check_size(groups, "groups")
        if n % self.groups:
            raise ValueError(f"{n} channels cannot be divided into {groups} groups of equal size")
        self.weight, self.bias = parameter(np.ones(n, dtype), "weight"), parameter(np.zeros(n, dtype), "bias")

    def __call__(self, x: ComputationNode) -> ComputationNode:
        per_channel = check_channels(x, self.weight.size)
        groups = (x.shape[0], self.groups, self.weight.size // self.groups * prod(x.shape[2:]))
        y = reshape(layer_norm(reshape(x, groups), eps=self.eps), x.shape)
        return y * reshape(self.weight, per_channel) + reshape(self.bias, per_channel)


class BatchNorm(Layer):
    r"""$y = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}\,w + b$, mean and variance of each channel.

    Called as a layer it takes those that it has seen: the frozen parameters `mean` and `variance`, which start at 0 and
    1. `layer.on_batch(x)` takes those of the batch, and gives y and the moved mean and variance as nodes; a training
    loop hands their values to `layer.remember(...)`. So a graph changes nothing behind one's back, and compiles. x is
    (batch, channels, ...).

    channels: the length of the second axis of x
    eps: $\epsilon$, a number from 0 on that keeps the root away from 0
    momentum: the share of the batch in the moved mean and variance, from 0 to below 1
    dtype: that of the parameters
    Returns y, of the shape of x, when it is called on a node.
    Raises ShapeError for an input of other channels, and for a batch with one number in a channel, which has no
    variance.
    Source: Ioffe and Szegedy 2015 (arXiv:1502.03167).

    >>> layer, x = tl.BatchNorm(1, momentum=0.5), tl.constant([[1.0], [3.0]])
    >>> y, statistics = layer.on_batch(x)
    >>> y.value.round(3).tolist()
    [[-1.0], [1.0]]
    >>> layer.remember(statistics)
    >>> layer.mean.value, layer.variance.value
    (array([1.]), array([1.5]))
    """

    def __init__(self, channels: int, eps: float = 1e-5, momentum: float = 0.1, *, dtype: Any = np.float64) -> None:
        n, self.eps = check_size(channels, "channels"), check_number(eps, "eps", 0)
        self.momentum = check_number(momentum, "momentum", 0, 1)
        self.weight, self.bias = parameter(np.ones(n, dtype), "weight"), parameter(np.zeros(n, dtype), "bias")
        self.mean = parameter(np.zeros(n, dtype), "mean", trainable=False)
        self.variance = parameter(np.ones(n, dtype), "variance", trainable=False)

    def __call__(self, x: ComputationNode) -> ComputationNode:
        per_channel = check_channels(x, self.weight.size)
        return self._normalized(x, reshape(self.mean, per_channel), reshape(self.variance, per_channel))

    def on_batch(self, x: ComputationNode) -> tuple[ComputationNode, tuple[ComputationNode, ComputationNode]]:
        """The layer with the batch's own mean and variance, and what its `mean` and `variance` move to.

        x: a node, (batch, channels, ...)
        Returns a pair: y, of the shape of x, and the pair of the moved mean and variance, two nodes (channels,).
        Raises ShapeError for other channels, and for a batch with one number in a channel.
        """
        check_channels(x, self.weight.size)
        axes, count = (0, *range(2, len(x.shape))), x.size // self.weight.size
        if count < 2:
            raise ShapeError(f"a batch of shape {x.shape} has {count} number in a channel: a variance takes two")
        wide = cast(x, dtype=np.float32) if x.dtype == np.float16 else x  # squares overflow soon
        mu = mean(wide, axes, True)
        variance = mean((wide - mu) ** 2, axes, True)
        moved = [
            cast(old + self.momentum * (reshape(new, old.shape) - old), dtype=old.dtype)
            for old, new in ((self.mean, mu), (self.variance, variance * (count / (count - 1))))
        ]
        return self._normalized(x, mu, variance), (moved[0], moved[1])

    def remember(self, statistics: Any) -> None:
        """Keep a (mean, variance) that `on_batch` gave, as nodes or arrays.

        statistics: a mean and a variance, (channels,) each, nodes or arrays
        Raises ShapeError for other shapes.
        """
        news = [new.value if isinstance(new, ComputationNode) else new for new in statistics]
        if (shapes := [np.shape(new) for new in news]) != [self.mean.shape] * 2:
            raise ShapeError(f"a mean and a variance have shape {self.mean.shape} each, not {shapes}")
        self.mean.value, self.variance.value = news

    def _normalized(self, x: ComputationNode, mu: ComputationNode, variance: ComputationNode) -> ComputationNode:
        weight, bias = (reshape(p, (p.size, *[1] * (len(x.shape) - 2))) for p in (self.weight, self.bias))
        return _standard(x, mu, variance, self.eps) * weight + bias


def check_channels(x: ComputationNode, channels: int) -> tuple[int, ...]:
    """The shape in which one number for each channel meets x; ShapeError unless x has so many channels."""
    if len(x.shape) < 2 or x.shape[1] != channels:
        raise ShapeError(f"a layer for {channels} channels takes (batch, {channels}, ...), not {x.shape}")
    return (channels, *[1] * (len(x.shape) - 2))


@in_float32
def _standard(x: Any, mu: Any, variance: Any, eps: float) -> Any:
    """x with this mean and variance taken out."""
    return (x - mu) / sqrt(variance + eps)


@remembered
def rms_norm(x: Any, weight: Any, eps: float) -> Any:
    r"""$y = \frac{x}{\sqrt{\frac1n \sum_i x_i^2 + \epsilon}}\,w$."""
    return _scaled(x, eps) * weight


@in_float32
def _scaled(x: Any, eps: float) -> Any:
    """x with mean square 1 along its last axis."""
    return x / sqrt(mean(x * x, -1, keepdims=True) + eps)
