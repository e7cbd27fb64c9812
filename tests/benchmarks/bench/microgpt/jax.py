"""JAX: the whole step is one compiled function, anew for each length of names, or once for names of one length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import formulas
from ..peers.jax import library
from . import model
from .model import Trainer


def trainer(weights: Mapping[str, Any], size: model.NameSize, padded: bool = False) -> Trainer:
    jax = library(double=True)
    jnp = jax.numpy
    b1, b2 = model.BETAS

    def loss_of(p: Mapping[str, Any], inputs: Any, targets: Any) -> Any:
        labels, mask = targets if padded else (targets, None)
        return formulas.name_loss(jnp, p, inputs, labels, size.heads, mask)

    def advance(state: Any, rate: Any, inputs: Any, targets: Any) -> Any:
        p, means, squares, time = state
        loss, gradients = jax.value_and_grad(loss_of)(p, inputs, targets)
        time = time + 1
        means = {n: b1 * m + (1 - b1) * gradients[n] for n, m in means.items()}
        squares = {n: b2 * v + (1 - b2) * (gradients[n] * gradients[n]) for n, v in squares.items()}
        rate, root = rate / (1 - b1**time), jnp.sqrt(1 - b2**time)
        p = {n: w - rate * means[n] / (jnp.sqrt(squares[n]) / root + model.EPS) for n, w in p.items()}
        return loss, (p, means, squares, time)

    run = jax.jit(advance)
    zeros = {name: jnp.zeros_like(array) for name, array in weights.items()}
    state, done = (jax.device_put(dict(weights)), zeros, zeros, jnp.float64(0.0)), 0

    def step(inputs: Any, targets: Any) -> float:
        nonlocal state, done
        if padded:
            inputs, targets = model.padded((inputs, targets), size.block)
        loss, state = run(state, model.rate(done), inputs, targets)
        done += 1
        return float(jax.block_until_ready(loss))

    return Trainer(step, lambda: {name: np.asarray(array) for name, array in state[0].items()})
