"""What each workload computes, forward, in the functions that NumPy and its followers share.

`xp` is the library: NumPy, autograd.numpy, jax.numpy or MyGrad. PyTorch, tinygrad and our own engine have their own
words for these, which are faster there, and use them.
"""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

import numpy as np

from .workloads import NORM_EPS, SCALE

GELU_SLOPE, GELU_CUBE = sqrt(2 / pi), 0.044715


def delta(x: Any, A: Any, B: Any) -> Any:
    r"""$s\,(x A) B$."""
    return (SCALE * (x @ A)) @ B


def linear(x: Any, W: Any, A: Any, B: Any) -> Any:
    r"""$x W + s\,(x A) B$."""
    return x @ W + delta(x, A, B)


def mse(xp: Any, y: Any, t: Any) -> Any:
    """The mean of the squared differences."""
    d = y - t
    return xp.mean(d * d)


def cross_entropy(xp: Any, y: Any, t: Any, rows: Any, mask: Any = None) -> Any:
    """The mean of minus the logarithm of the softmax at the labels, where the mask is 1; `rows` counts 0, 1, 2, ..."""
    z = y - xp.max(y, axis=-1, keepdims=True)
    each = xp.log(xp.sum(xp.exp(z), axis=-1)) - z[rows, t]
    return xp.mean(each) if mask is None else xp.sum(each * mask) / xp.sum(mask)


def gelu(xp: Any, x: Any) -> Any:
    """The tanh form."""
    return (0.5 * x) * (1.0 + xp.tanh(GELU_SLOPE * (x + GELU_CUBE * (x * x * x))))


def layer_norm(xp: Any, x: Any, w: Any, b: Any) -> Any:
    """Mean 0 and variance 1 over the last axis, then $w$ and $b$."""
    c = x - xp.mean(x, axis=-1, keepdims=True)
    return c / xp.sqrt(xp.mean(c * c, axis=-1, keepdims=True) + NORM_EPS) * w + b


def softmax(xp: Any, x: Any) -> Any:
    """Over the last axis."""
    e = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
    return e / xp.sum(e, axis=-1, keepdims=True)


def mlp(xp: Any, x: Any, layers: Any) -> Any:
    """Three layers; `layers` holds W, b, A and B of each."""
    (W1, b1, A1, B1), (W2, b2, A2, B2), (W3, b3, A3, B3) = layers
    x = gelu(xp, linear(x, W1, A1, B1) + b1)
    x = gelu(xp, linear(x, W2, A2, B2) + b2)
    return linear(x, W3, A3, B3) + b3


def functions(xp: Any, x: Any, w: Any, b: Any) -> Any:
    """W5: layer norm, GELU, softmax."""
    return softmax(xp, gelu(xp, layer_norm(xp, x, w, b)))


def chain(xp: Any, steps: int, y: Any, a: Any, b: Any) -> Any:
    """W6."""
    for _ in range(steps):
        y = xp.maximum(y * a + b, 0.0)
    return y


def block(xp: Any, p: dict[str, Any], heads: int) -> Any:
    """W7: attention and a feed-forward layer, each after a layer norm and around a residual."""
    x = p["x"]
    batch, tokens, width = x.shape

    def split(y: Any) -> Any:
        return y.reshape(batch, tokens, heads, width // heads).transpose(0, 2, 1, 3)

    h = layer_norm(xp, x, p["wn1"], p["bn1"])
    q = split(linear(h, p["Wq"], p["Aq"], p["Bq"]) + p["bq"])
    k = split(h @ p["Wk"] + p["bk"])
    v = split(linear(h, p["Wv"], p["Av"], p["Bv"]) + p["bv"])
    weights = softmax(xp, (q * (width // heads) ** -0.5) @ k.transpose(0, 1, 3, 2))
    mixed = (weights @ v).transpose(0, 2, 1, 3).reshape(batch, tokens, width)
    x = x + mixed @ p["Wo"] + p["bo"]
    h = layer_norm(xp, x, p["wn2"], p["bn2"])
    return x + gelu(xp, h @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]


def rms_norm(xp: Any, x: Any) -> Any:
    """Mean square 1 over the last axis."""
    return x / xp.sqrt(xp.mean(x * x, axis=-1, keepdims=True) + NORM_EPS)


def name_loss(xp: Any, p: Any, inputs: Any, targets: Any, heads: int, mask: Any = None) -> Any:
    """W8: the mean loss of a GPT of one layer on one name, or on the tokens of it where the mask is 1."""
    time, width = len(inputs), p["tokens"].shape[1]
    at = np.arange(time)

    def split(y: Any) -> Any:
        return xp.transpose(xp.reshape(y, (time, heads, width // heads)), (1, 0, 2))

    x = rms_norm(xp, p["tokens"][inputs] + p["places"][:time])
    h = rms_norm(xp, x)
    q, k, v = (split(h @ p[name]) for name in ("queries", "keys", "values"))
    scores = (q * (width // heads) ** -0.5) @ xp.transpose(k, (0, 2, 1)) + np.where(at > at[:, None], -1e9, 0.0)
    x = x + xp.reshape(xp.transpose(softmax(xp, scores) @ v, (1, 0, 2)), (time, width)) @ p["mixing"]
    x = x + xp.maximum(rms_norm(xp, x) @ p["up"], 0.0) @ p["down"]
    return cross_entropy(xp, x @ p["scores"], targets, at, mask)
