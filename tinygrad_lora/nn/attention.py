r"""Attention, $V\,\mathrm{softmax}(K^\top Q / \sqrt d)$: each token looks for others, and takes what it finds.

In these formulas a token is a column, so the heads of x (batch, time, heads * size) are x.mT cut into (heads, size):
no other order of axes is needed. The scores of a query are a column too, and its largest and its sum are found fast.
Source: Vaswani et al. 2017 (arXiv:1706.03762).
"""

from math import sqrt
from typing import Any

import numpy as np

from ..boundary.lines import remembered
from ..core import ComputationNode
from ..core.ops import cast
from ..errors import ShapeError
from ..library import reshape, softmax


def far(dtype: Any) -> float:
    """A score whose exponential is 0, and finite, so that a query which sees nothing gets no NaN."""
    return -3e4 if np.dtype(dtype) == np.float16 else -1e9


@remembered
def heads(x: ComputationNode, count: int) -> ComputationNode:
    """x (batch, time, count * size) cut into heads, with one column per token: (batch, count, size, time)."""
    batch, time, width = x.shape
    if width % count:
        raise ShapeError(f"{width} numbers a token cannot be cut into {count} heads of equal size")
    return reshape(x.mT, (batch, count, width // count, time))


@remembered
def attention(
    queries: ComputationNode, keys: ComputationNode, values: ComputationNode,
    mask: ComputationNode | None = None, attentions: list[Any] | None = None,
) -> ComputationNode:  # fmt: skip
    r"""$V\,\mathrm{softmax}(K^\top Q / \sqrt d + M)$ for each head, and the heads of a token joined again.

    queries (batch, heads, size, time), keys and values (batch, groups, size, seen), as `heads` cuts them. The heads of
    a group share their keys and values; where there are as many groups as heads, each has its own. `mask` is added to
    the scores (batch, groups, heads / groups, seen, time) and broadcasts, see `causal_mask` and `padding_mask`. The
    result is (batch, time, heads * size). To the list `attentions` the weights are added, (batch, heads, time, seen).

    Raises ShapeError where the sizes do not fit.
    """
    batch, count, size, time = queries.shape
    _, groups, _, seen = keys.shape
    if keys.shape != values.shape or keys.shape != (batch, groups, size, seen) or count % groups:
        problem = f"queries {queries.shape}, keys {keys.shape} and values {values.shape} do not fit"
        wanted = "(batch, heads, size, tokens), and as many heads of queries share each head of keys and values"
        raise ShapeError(f"attention: {problem}: they are {wanted}")
    q = reshape(queries, (batch, groups, count // groups, size, time))
    k, v = (reshape(x, (batch, groups, 1, size, seen)) for x in (keys, values))
    scores = k.mT @ q * (1 / sqrt(size))
    weights = softmax(scores if mask is None else scores + mask, axis=-2)
    if attentions is not None:
        attentions.append(reshape(weights, (batch, count, seen, time)).mT)
    return reshape(v @ weights, (batch, count * size, time)).mT


def causal_mask(time: int, *, dtype: Any) -> Any:
    """0 where a query may look and a very negative number where not, (seen, time): no one sees the future. An array."""
    at = np.arange(time)
    return np.where(at[:, None] > at, far(dtype), 0.0).astype(dtype)


@remembered
def padding_mask(is_token: ComputationNode, dtype: Any) -> ComputationNode:
    """0 for a token and a very negative number for padding, (batch, 1, 1, seen, 1): no one sees the padding.

    is_token (batch, seen) holds 1 or true for a token, 0 or false for padding.
    """
    batch, seen = is_token.shape
    mask = (cast(is_token, dtype=dtype) - 1.0) * -far(dtype)
    return reshape(mask, (batch, 1, 1, seen, 1))
