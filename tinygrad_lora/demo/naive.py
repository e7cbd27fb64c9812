r"""The paper's formula written down as it stands, $y = xW + b + 2\,x(AB)$: what does the compiler make of it?"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

import numpy as np

from ..compiler import CompiledFunction, compile
from ..compiler.cost import Cost, graph_cost
from ..core.autodiff import gradients
from ..core.node import constant, parameter
from ..library import mse

BATCH, WIDE, NARROW, RANK = 64, 256, 128, 4


@dataclass(frozen=True)
class Naive:
    """The formula as written, what was generated from it, and what both cost."""

    written: str  # its lines
    compiled: CompiledFunction
    before: Cost
    after: Cost
    difference: float  # largest between the results of both, relative to the largest number in each result


def naive_lora() -> Naive:
    """Compile the loss of the formula and its gradients for A and B, and run both ways once.

    >>> found = naive_lora()
    >>> f"{found.before.flops / 1e6:.2f} -> {found.after.flops / 1e6:.2f} million operations"
    '13.45 -> 4.69 million operations'
    """
    rng = np.random.default_rng(0)
    W, b = parameter(rng.normal(size=(WIDE, NARROW)), "W"), parameter(rng.normal(size=NARROW), "b")
    A, B = parameter(rng.normal(size=(WIDE, RANK)), "A"), parameter(rng.normal(size=(RANK, NARROW)), "B")

    def naive_lora_step(x: Any, target: Any) -> Any:
        y = x @ W + b + 2 * (x @ (A @ B))
        loss = mse(y, target)
        return loss, *gradients(loss, [A, B])

    arrays = rng.normal(size=(BATCH, WIDE)), rng.normal(size=(BATCH, NARROW))
    compiled = compile(naive_lora_step, buffers=False)  # as expressions: here the algebra is to be seen
    results = compiled(*arrays)
    as_written = [node.value for node in naive_lora_step(*map(constant, arrays))]
    return Naive(
        dedent("".join(inspect.getsourcelines(naive_lora_step)[0][1:])),
        compiled,
        graph_cost(compiled.program.traced),
        graph_cost(compiled.graph),
        max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(results, as_written, strict=True)),
    )
