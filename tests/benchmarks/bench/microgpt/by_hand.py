"""NumPy, with the backward pass derived by hand: what a careful person writes who wants it fast.

All weights are views of one vector, and so are their gradients: Adam is a few calls on all of them. Queries, keys and
values are one product. What depends on the length of a name alone is made once for each length.

For y = x W, with the gradient g of y: the gradient of W is x^T g, that of x is g W^T. For y = x / r with
r = sqrt(mean(x^2) + eps), row by row: that of x is (g - y mean(g y)) / r. For a softmax p, row by row: that of the
scores is p (g - sum(g p)). The gradient of the mean cross-entropy is (p - 1 at the target) / n.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from . import model
from .model import Trainer


def trainer(weights: Mapping[str, Any], size: model.NameSize) -> Trainer:
    shape_of, n, heads = _joined(size), size.width, size.heads
    vector = np.concatenate([_join(weights)[name].ravel() for name in shape_of])
    gradient = np.zeros_like(vector)
    W, G = model.parts(vector, shape_of), model.parts(gradient, shape_of)
    update = _adam(vector, gradient)
    ones = np.full((n, 1), 1 / n)
    root_of_size = (n // heads) ** -0.5

    @cache
    def fixed(time: int) -> tuple[Any, Any, Any]:
        """The mask of the future, and the rows of the targets."""
        at = np.arange(time)
        return np.where(at > at[:, None], -np.inf, 0.0), at, W["places"][:time]

    def norm(x: Any) -> tuple[Any, Any]:
        """x with each row at mean square 1, and by what it was multiplied."""
        inverse = 1 / np.sqrt((x * x) @ ones + model.NORM_EPS)
        return x * inverse, inverse

    def norm_back(g: Any, y: Any, inverse: Any) -> Any:
        return (g - y * ((g * y) @ ones)) * inverse

    def step(inputs: Any, targets: Any) -> float:
        time = len(inputs)
        mask, at, places = fixed(time)
        # Forward.
        x0, inverse0 = norm(W["tokens"][inputs] + places)
        h, inverse1 = norm(x0)
        q, k, v = (h @ W["qkv"]).reshape(time, 3, heads, n // heads).transpose(1, 2, 0, 3)
        scores = q @ k.transpose(0, 2, 1)
        scores *= root_of_size
        scores += mask
        scores -= scores.max(axis=-1, keepdims=True)
        looks = np.exp(scores, out=scores)
        looks /= looks.sum(axis=-1, keepdims=True)
        mixed = (looks @ v).transpose(1, 0, 2).reshape(time, n)
        x1 = x0 + mixed @ W["mixing"]
        h1, inverse2 = norm(x1)
        active = h1 @ W["up"]
        np.maximum(active, 0.0, out=active)
        x2 = x1 + active @ W["down"]
        p = x2 @ W["scores"]
        p -= p.max(axis=-1, keepdims=True)
        right = p[at, targets]
        np.exp(p, out=p)
        total = p.sum(axis=-1, keepdims=True)
        loss = (np.log(total).sum() - right.sum()) / time
        # Backward.
        p /= total
        p[at, targets] -= 1.0
        p *= 1 / time
        np.matmul(x2.T, p, out=G["scores"])
        g = p @ W["scores"].T
        np.matmul(active.T, g, out=G["down"])
        u = g @ W["down"].T
        u *= active > 0.0
        np.matmul(h1.T, u, out=G["up"])
        g += norm_back(u @ W["up"].T, h1, inverse2)
        np.matmul(mixed.T, g, out=G["mixing"])
        m = (g @ W["mixing"].T).reshape(time, heads, n // heads).transpose(1, 0, 2)
        back = np.empty((time, 3, heads, n // heads))
        gq, gk, gv = back.transpose(1, 2, 0, 3)
        np.matmul(looks.transpose(0, 2, 1), m, out=gv)
        s = m @ v.transpose(0, 2, 1)
        s -= np.einsum("hij,hij->hi", s, looks)[..., None]
        s *= looks
        s *= root_of_size
        np.matmul(s, k, out=gq)
        np.matmul(s.transpose(0, 2, 1), q, out=gk)
        joined = back.reshape(time, 3 * n)
        np.matmul(h.T, joined, out=G["qkv"])
        g += norm_back(joined @ W["qkv"].T, h, inverse1)
        g = norm_back(g, x0, inverse0)
        G["places"][:time], G["places"][time:] = g, 0.0
        G["tokens"].fill(0.0)
        np.add.at(G["tokens"], inputs, g)
        update()
        return float(loss)

    def apart() -> dict[str, Any]:
        qkv = dict(zip(model.WEIGHTS[2:5], np.split(W["qkv"], 3, axis=1), strict=True))
        return {name: qkv[name] if name in qkv else W[name] for name in model.WEIGHTS}

    return Trainer(step, apart)


def _joined(size: model.NameSize) -> dict[str, tuple[int, int]]:
    """The shapes of the weights, with queries, keys and values side by side in one matrix."""
    shape_of = model.shapes(size)
    q, k, v = (shape_of.pop(name) for name in model.WEIGHTS[2:5])
    return {**shape_of, "qkv": (q[0], q[1] + k[1] + v[1])}


def _join(weights: Mapping[str, Any]) -> dict[str, Any]:
    return {**weights, "qkv": np.concatenate([weights[name] for name in model.WEIGHTS[2:5]], axis=1)}


def _adam(vector: Any, gradient: Any) -> Any:
    """A function that moves the vector by its gradient."""
    (b1, b2), step = model.BETAS, 0
    mean, square, scratch = (np.zeros_like(vector) for _ in range(3))

    def update() -> None:
        nonlocal step
        rate, step = model.rate(step), step + 1
        np.multiply(gradient, 1 - b1, out=scratch)
        np.multiply(mean, b1, out=mean)
        np.add(mean, scratch, out=mean)
        np.multiply(gradient, gradient, out=scratch)
        np.multiply(scratch, 1 - b2, out=scratch)
        np.multiply(square, b2, out=square)
        np.add(square, scratch, out=square)
        # Numerator and denominator times the root of the correction: that is a number, and no pass over the arrays.
        root = (1 - b2**step) ** 0.5
        np.sqrt(square, out=scratch)
        np.add(scratch, model.EPS * root, out=scratch)
        np.divide(mean, scratch, out=scratch)
        np.multiply(scratch, rate * root / (1 - b1**step), out=scratch)
        np.subtract(vector, scratch, out=vector)

    return update
