"""What a careful person writes in NumPy: gradients by hand, the right order of products, nothing computed twice.

Temporaries come and go as they like. On float64 arrays this is also the reference that all peers must agree with.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import formulas
from ..formulas import GELU_CUBE, GELU_SLOPE
from ..updates import adam, sgd
from ..workloads import NORM_EPS, SCALE, Case
from . import Prepared, chosen


def prepare(name: str, case: Case) -> Prepared:
    return chosen(WAYS, case, "not written by hand")


def delta(case: Case) -> Prepared:
    x, A, B = case["x A B"]
    return Prepared(lambda: formulas.delta(x, A, B), lambda y: {"y": y})


def linear(case: Case) -> Prepared:
    x, W, A, B = case["x W A B"]
    return Prepared(lambda: formulas.linear(x, W, A, B), lambda y: {"y": y})


def block(case: Case) -> Prepared:
    return Prepared(lambda: formulas.block(np, case.arrays, case.size.heads), lambda y: {"y": y})


def mse(y: Any, t: Any) -> tuple[Any, Any]:
    """The loss and its gradient."""
    d = y - t
    return np.mean(d * d), d * (2 / d.size)


def cross_entropy(y: Any, t: Any) -> tuple[Any, Any]:
    """The loss and its gradient, softmax minus one at the label, over the batch."""
    rows = np.arange(len(t))
    z = y - y.max(axis=-1, keepdims=True)
    e = np.exp(z)
    total = e.sum(axis=-1, keepdims=True)
    loss = np.mean(np.log(total[:, 0]) - z[rows, t])
    g = e / total
    g[rows, t] -= 1
    g *= 1 / len(t)
    return loss, g


def lora_step(case: Case) -> Prepared:
    x, W, t = case["x W t"]
    A, B = (p.copy() for p in case["A B"])
    loss_of, update = mse if case.workload == "W3" else cross_entropy, sgd(case, [A, B])

    def step() -> Any:
        h = SCALE * (x @ A)
        loss, g = loss_of(x @ W + h @ B, t)
        u = SCALE * (g @ B.T)
        dx = g @ W.T + u @ A.T
        update([x.T @ u, h.T @ g])
        return loss, dx

    return Prepared(step, lambda result: {"loss": result[0], "dx": result[1], "A": A, "B": B})


def gelu(x: Any) -> tuple[Any, Any]:
    """The function and its derivative."""
    square = x * x
    tanh = np.tanh(GELU_SLOPE * (x + GELU_CUBE * (square * x)))
    half = 0.5 * (1 + tanh)
    return x * half, half + 0.5 * x * (1 - tanh * tanh) * (GELU_SLOPE * (1 + 3 * GELU_CUBE * square))


def mlp(case: Case) -> Prepared:
    x, t = case["x t"]
    frozen = [case[f"W{i} b{i}"] for i in (1, 2, 3)]
    factors = [case[name].copy() for name in case.updated]
    update = adam(case, factors)

    def step() -> Any:
        y, kept = x, []
        for i, (W, b) in enumerate(frozen):
            A, B = factors[2 * i : 2 * i + 2]
            h = SCALE * (y @ A)
            out = y @ W + b + h @ B
            after, slope = gelu(out) if i < 2 else (out, None)
            kept.append((y, h, slope))
            y = after
        loss, g = cross_entropy(y, t)
        gradients: list[Any] = []
        for i in (2, 1, 0):
            (y, h, slope), (A, B) = kept[i], factors[2 * i : 2 * i + 2]
            g = g if slope is None else g * slope
            u = SCALE * (g @ B.T)
            gradients[:0] = [y.T @ u, h.T @ g]
            if i:  # the first layer's input needs no gradient
                g = g @ frozen[i][0].T + u @ A.T
        update(gradients)
        return loss

    return Prepared(step, lambda loss: {"loss": loss, **dict(zip(case.updated, factors, strict=True))})


def functions(case: Case) -> Prepared:
    x, w, b, g = case["x w b g"]

    def step() -> Any:
        c = x - x.mean(axis=-1, keepdims=True)
        inverse = 1 / np.sqrt(np.mean(c * c, axis=-1, keepdims=True) + NORM_EPS)
        normal = c * inverse
        active, slope = gelu(normal * w + b)
        y = formulas.softmax(np, active)
        back = y * (g - np.sum(g * y, axis=-1, keepdims=True)) * slope
        dw, db = np.sum(back * normal, axis=0), back.sum(axis=0)
        back = back * w
        lean = np.mean(back * normal, axis=-1, keepdims=True)
        dx = (back - back.mean(axis=-1, keepdims=True) - normal * lean) * inverse
        return y, dx, dw, db

    return Prepared(step, lambda result: dict(zip(["y", "dx", "dw", "db"], result, strict=True)))


def chain(case: Case) -> Prepared:
    x, a, b = case["x a b"]

    def step() -> Any:
        ys = [x]
        for _ in range(case.size.steps):
            ys.append(np.maximum(ys[-1] * a + b, 0.0))
        g, da, db = np.ones_like(x), np.zeros_like(x), np.zeros_like(x)
        for y, after in zip(reversed(ys[:-1]), reversed(ys), strict=False):
            g = g * (after > 0)
            da, db, g = da + g * y, db + g, g * a
        return ys[-1], g, da, db

    return Prepared(step, lambda result: dict(zip(["y", "dx", "da", "db"], result, strict=True)))


WAYS = {
    "W1": delta, "W2": linear, "W3": lora_step, "W3ce": lora_step, "W4": mlp, "W5": functions, "W6": chain, "W7": block,
}  # fmt: skip
