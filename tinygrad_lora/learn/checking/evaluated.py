"""A compiled function whose graph is evaluated node by node: for others' code no source is generated, and none is run.

The passes improve the graph as they do for every program, so that its operations can be counted; they compute on
graphs alone.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Self

import numpy as np

from ...compiler.compiled import CompiledFunction
from ...compiler.pipeline import DEFAULT, improving
from ...core.graph import Graph
from ...core.trace import trace

MOST_GRAPHS = 16  # of one function: one for each signature


class Evaluated(CompiledFunction):
    """Call it on arrays, get arrays; `prepare(*arrays)` and `graph` as of a compiled function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function, ())
        self._traced: dict[Any, tuple[Graph, type | None]] = {}
        self._latest: Graph | None = None

    def __call__(self, *args: Any) -> Any:
        arrays = [np.asarray(x) for x in args]
        graph, container = self._graph_for(arrays)
        results = [np.array(y)[()] for y in graph(*arrays)]  # copies: an output may be a view of an argument
        return results[0] if container is None else container(results)

    def prepare(self, *args: Any) -> Self:
        """Trace the function for arguments like these without running it."""
        self._graph_for([np.asarray(x) for x in args])
        return self

    @property
    def graph(self) -> Graph:
        """The improved graph of the last call."""
        if self._latest is None:
            return super().graph  # which says what to do
        return next((s.after for s in reversed([*improving(self._latest, DEFAULT)]) if s.kept), self._latest)

    def _graph_for(self, arrays: list[Any]) -> tuple[Graph, type | None]:
        """The graph for arrays of these shapes and dtypes, and the kind of sequence that the function gives."""
        key = (self.structure(), *((x.shape, x.dtype) for x in arrays))
        if key not in self._traced:
            containers: list[type | None] = []

            @wraps(self.function, updated=())  # whose arguments give the inputs their names
            def watched(*inputs: Any) -> Any:
                result = self.function(*inputs)
                containers.append(next((kind for kind in (list, tuple) if isinstance(result, kind)), None))
                return result

            if len(self._traced) >= MOST_GRAPHS:
                self._traced = {}
            self._traced[key] = trace(watched, *arrays), containers[0]
        self._latest = self._traced[key][0]
        return self._traced[key]
