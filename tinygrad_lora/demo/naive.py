r"""The paper's formula written down as it stands, $y = xW + b + 2\,x(AB)$: what does the compiler make of it?"""

import inspect
from dataclasses import dataclass
from textwrap import dedent

import numpy as np

from ..compiler import CompiledFunction, compile
from ..compiler.cost import Cost, graph_cost
from ..core.node import constant
from ..named_object import EXAMPLE, loaded

_example = loaded(str(EXAMPLE))  # the compiler explorer shows it as well
BATCH, WIDE, NARROW, RANK = _example.BATCH, _example.WIDE, _example.NARROW, _example.RANK


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
    naive_lora_step, arrays = _example.naive_lora_step, _example.examples
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
