"""Updates of parameters in NumPy, written by hand: for libraries that have gradients and no optimizers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .workloads import ADAM_BETAS, ADAM_EPS, Case

Update = Callable[[Sequence[Any]], None]


def sgd(case: Case, parameters: Sequence[Any]) -> Update:
    """A function of the gradients that changes the parameters in place."""

    def update(gradients: Sequence[Any]) -> None:
        for p, g in zip(parameters, gradients, strict=True):
            p -= case.rate * g

    return update


def adam(case: Case, parameters: Sequence[Any]) -> Update:
    """The same by Adam, one parameter after the other."""
    (b1, b2), time = ADAM_BETAS, 0
    means, squares = ([np.zeros_like(p) for p in parameters] for _ in range(2))

    def update(gradients: Sequence[Any]) -> None:
        nonlocal time
        time += 1
        rate, root = case.rate / (1 - b1**time), (1 - b2**time) ** 0.5
        for p, m, v, g in zip(parameters, means, squares, gradients, strict=True):
            m *= b1
            m += (1 - b1) * g
            v *= b2
            v += (1 - b2) * (g * g)
            p -= rate * m / (np.sqrt(v) / root + ADAM_EPS)

    return update
