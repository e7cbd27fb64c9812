"""From a Python function to a graph: call it on placeholders and keep what comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..boundary.arguments import argument_names, explained
from ..boundary.arrays import refuse_subclass
from ..boundary.nodes import refuse_results
from .graph import Graph, rebuilt, topological_order
from .node import PARAMETER, ComputationNode, placeholder

ARRAY = np.ndarray | np.generic | ComputationNode


@explained
def trace(f: Callable[..., Any], *examples: object) -> Graph:
    """The graph of `f`, recorded by calling it once: arrays become placeholders of their shape and dtype.

    Parameters that `f` uses become inputs as well, listed in `captured`: their values may change without tracing again.

    f: a function of nodes that gives a node, or a tuple or list of them; a layer is one
    *examples: one for each argument of `f`: an array or node says the shape and dtype; anything else (a number, a
        string, None) is passed as it is and becomes part of the graph
    Returns a Graph.
    Raises TraceError where `f` returns something else than nodes, or asks a node for its numbers.

    >>> graph = tl.trace(lambda x, n: tl.sum(x) ** n, np.zeros(3), 2)
    >>> print(graph)
         x = input                                     float64[3]
        %1 = reduce_sum(x, axis=(0,), keepdims=False)  float64[]
        %2 = power(%1, exponent=2)                     float64[]
    return   %2
    >>> graph([1.0, 2.0, 3.0])
    [np.float64(36.0)]
    """
    return traced(f, examples, argument_names(f, len(examples)))


def traced(f: Callable[..., Any], examples: Sequence[Any], names: Sequence[str]) -> Graph:
    """As `trace`, with these names for the arguments."""
    for x, name in (named := [*zip(examples, names, strict=True)]):
        refuse_subclass(x, f"argument {name}")
    arguments = [placeholder(x.shape, x.dtype, name) if isinstance(x, ARRAY) else x for x, name in named]
    outputs = result if isinstance(result := f(*arguments), tuple | list) else [result]
    refuse_results(outputs, alone=outputs is not result)
    # Every parameter becomes an input without a value, so that nothing computes on weights.
    captured = [n for n in topological_order(outputs) if n.op is PARAMETER]
    new = {p: ComputationNode(PARAMETER, (), {}, p.shape, p.dtype, p.requires_gradient, None, p.name) for p in captured}
    inputs = [x for x in [*arguments, *captured] if isinstance(x, ComputationNode)]
    return Graph(inputs, outputs, captured).map(expanded, new)


def expanded(node: ComputationNode, parents: tuple[ComputationNode, ...]) -> ComputationNode:
    """As `rebuilt`, but for an operation that stands for several, as a checkpoint does, these take its place."""
    return node.op.expand(*parents) if hasattr(node.op, "expand") else rebuilt(node, parents)
