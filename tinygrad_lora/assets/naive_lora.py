r"""The paper's formula written down as it stands, $y = xW + b + 2\,x(AB)$: what does the compiler make of it?

This is a file like one of yours: it is loaded from where it lies, and it knows the package by its public names.
"""

from typing import Any

import numpy as np

import tinygrad_lora as tl

BATCH, WIDE, NARROW, RANK = 64, 256, 128, 4

rng = np.random.default_rng(0)
W, b = tl.parameter(rng.normal(size=(WIDE, NARROW)), "W"), tl.parameter(rng.normal(size=NARROW), "b")
A, B = tl.parameter(rng.normal(size=(WIDE, RANK)), "A"), tl.parameter(rng.normal(size=(RANK, NARROW)), "B")
examples = rng.normal(size=(BATCH, WIDE)), rng.normal(size=(BATCH, NARROW))


def naive_lora_step(x: Any, target: Any) -> Any:
    y = x @ W + b + 2 * (x @ (A @ B))
    loss = tl.mse(y, target)
    return loss, *tl.gradients(loss, [A, B])


def naive_lora() -> tl.CompiledFunction:
    """The loss of the formula and its gradients for A and B, compiled."""
    compiled: tl.CompiledFunction = tl.compile(naive_lora_step)
    return compiled.prepare(*examples)
