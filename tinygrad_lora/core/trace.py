"""From a Python function to a graph: call it on placeholders and keep what comes out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import TraceError
from .graph import Graph, rebuilt, topological_order
from .node import PARAMETER, ComputationNode, placeholder


def trace(f: Callable[..., Any], *examples: Any) -> Graph:
    """The graph of `f` for inputs like `examples`: arrays become placeholders of their shape and dtype.

    Anything else (a number, a string, None) is passed to `f` as it is and becomes part of the graph. Parameters that
    `f` uses become inputs as well, listed in `captured`: their values may change without tracing again.
    """
    arguments = [
        placeholder(x.shape, x.dtype, name) if isinstance(x, np.ndarray | np.generic | ComputationNode) else x
        for x, name in zip(examples, _argument_names(f, len(examples)), strict=True)
    ]
    result = f(*arguments)
    outputs = result if isinstance(result, tuple | list) else [result]
    for y in outputs:
        if not isinstance(y, ComputationNode):
            raise TraceError(f"a traced function must return nodes, not {type(y).__name__}: use functions of nodes")
    return _close([x for x in arguments if isinstance(x, ComputationNode)], outputs)


def _close(inputs: list[ComputationNode], outputs: Sequence[ComputationNode]) -> Graph:
    """The graph with every parameter turned into an input without a value, so that nothing computes on weights."""
    captured = [n for n in topological_order(outputs) if n.op is PARAMETER]
    unknown = {
        p: ComputationNode(PARAMETER, (), {}, p.shape, p.dtype, p.requires_gradient, None, p.name) for p in captured
    }
    closed = Graph([*inputs, *captured], outputs).map(rebuilt, unknown)
    return Graph(closed.inputs, closed.outputs, captured)


def _argument_names(f: Callable[..., Any], n: int) -> list[str]:
    """The names of the first `n` arguments of `f`, as its author wrote them."""
    try:
        names = [p.name for p in inspect.signature(f).parameters.values() if p.kind is not p.VAR_POSITIONAL]
    except (TypeError, ValueError):
        names = []
    return [names[i] if i < len(names) else f"x{i}" for i in range(n)]
