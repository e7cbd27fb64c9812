r"""Attention, $V\,\mathrm{softmax}(K^\top Q / \sqrt d)$: each token looks for others, and takes what it finds.

In these formulas a token is a column, so the heads of x (batch, time, heads * size) are x.mT cut into (heads, size):
nothing is copied. The scores of a query are a column too, and largest and sum over a column are fast.
Source: Vaswani et al. 2017 (arXiv:1706.03762).
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from ..core.node import ComputationNode
from ..errors import ShapeError
from ..library import reshape, softmax
from ..ops import cast

FAR = -1e9  # a score whose exponential is 0, and finite, so that a query which sees nothing gets no NaN


def attention(
    queries: ComputationNode, keys: ComputationNode, values: ComputationNode, heads: int,
    mask: ComputationNode | None = None, groups: int | None = None, attentions: list[Any] | None = None,
) -> ComputationNode:  # fmt: skip
    r"""$V\,\mathrm{softmax}(K^\top Q / \sqrt d + M)$ for each head, with one column per query.

    queries (batch, time, heads * size), keys and values (batch, seen, groups * size): the heads of a group share their
    keys and values, and by default each head is a group. `mask` is added to the scores; its shape broadcasts to (batch,
    groups, heads / groups, seen, time), see `causal_mask` and `padding_mask`. The result has the shape of the queries.
    To the list `attentions` the weights are added, (batch, heads, time, seen).

    Raises ShapeError where the sizes do not fit.
    """
    batch, time, width = queries.shape
    groups = groups or heads
    size, seen = width // heads, keys.shape[1]
    if heads * size != width or heads % groups or keys.shape[2] != groups * size or keys.shape != values.shape:
        raise ShapeError(
            f"queries {queries.shape}, keys {keys.shape} and values {values.shape} do not hold {heads} heads of equal "
            f"size in {groups} groups"
        )
    q = reshape(queries.mT, (batch, groups, heads // groups, size, time))
    k, v = (reshape(x.mT, (batch, groups, 1, size, seen)) for x in (keys, values))
    scores = k.mT @ q * (1 / sqrt(size))
    weights = softmax(scores if mask is None else scores + mask, axis=-2)
    if attentions is not None:
        attentions.append(reshape(weights, (batch, heads, seen, time)).mT)
    found: ComputationNode = reshape(v @ weights, (batch, width, time)).mT
    return found


def causal_mask(time: int, *, dtype: Any) -> Any:
    """0 where a query may look and a very negative number where not, (seen, time): no one sees the future. An array."""
    at = np.arange(time)
    return np.where(at[:, None] > at, FAR, 0.0).astype(dtype)


def padding_mask(is_token: ComputationNode, dtype: Any) -> ComputationNode:
    """0 for a token and a very negative number for padding, (batch, 1, 1, seen, 1): no one sees the padding.

    is_token (batch, seen) holds 1 or true for a token, 0 or false for padding.
    """
    batch, seen = is_token.shape
    mask: ComputationNode = (cast(is_token, dtype=dtype) - 1.0) * -FAR
    return reshape(mask, (batch, 1, 1, seen, 1))
