"""`compile`: a function that traces itself for each new signature and runs the generated NumPy."""

from __future__ import annotations

import keyword
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..core.graph import Graph
from ..core.node import ComputationNode, Op
from ..core.source import function_from_source
from ..core.trace import trace
from ..errors import CompileError
from ..files import write_atomically
from .emit import emit
from .pipeline import DEFAULT, Pass, Snapshot, improving
from .report import explanation, first_line, table
from .standalone import standalone


class Program(NamedTuple):
    """What was generated for one signature."""

    traced: Graph
    graph: Graph
    snapshots: tuple[Snapshot, ...]
    source: str
    run: Callable[..., Any]
    container: type | None  # list or tuple, if that is what the function gives


class CompiledFunction:
    """A function that runs as generated NumPy. Call it on arrays, get arrays; on nodes it is the function itself.

    The first call with a new signature (shapes and dtypes of the arrays, and every other argument as it is) traces the
    function and generates a program; later calls run it. The values of parameters are read at every call. `.source`,
    `.graph`, `.snapshots`, `.report` and `.explain()` tell of the program that ran last.
    """

    def __init__(self, function: Callable[..., Any], passes: Sequence[Pass | tuple[Pass, ...]] = DEFAULT) -> None:
        if not callable(function):
            raise CompileError(f"compile takes a function or a layer, not {type(function).__name__}")
        self.function, self.passes = function, tuple(passes)
        self.name = _function_name(function)
        # A layer can say what its graph depends on, so that one whose adapter is switched off is traced again.
        self.structure = getattr(function, "graph_key", None)
        self.programs: dict[Any, Program] = {}
        self._last: Program | None = None

    def __call__(self, *args: Any) -> Any:
        if any(isinstance(a, ComputationNode) for a in args):
            return self.function(*args)  # part of a graph that somebody else differentiates or compiles
        args = tuple(map(_plain, args))
        program = self._last = self._program(args)
        arrays = [a for a in args if isinstance(a, np.ndarray | np.generic)]
        results = program.run(*arrays, *(p.value for p in program.graph.captured))
        if program.container is None:
            return results
        return program.container(results if len(program.graph.outputs) > 1 else [results][: len(program.graph.outputs)])

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """A compiled method, called on its object."""
        return self if instance is None else partial(self, instance)

    def prepare(self, *args: Any) -> CompiledFunction:
        """Generate the program for arguments like these without running it."""
        self._last = self._program(tuple(_plain(a) for a in args))
        return self

    def _program(self, args: tuple[Any, ...]) -> Program:
        key = (self.structure() if self.structure else None, *map(_key, args))
        if key not in self.programs:
            self.programs[key] = self._generate(args)
        return self.programs[key]

    def _generate(self, args: tuple[Any, ...]) -> Program:
        containers: list[type | None] = []

        @wraps(self.function)
        def watched(*inputs: Any) -> Any:
            result = self.function(*inputs)
            containers.append(next((kind for kind in (list, tuple) if isinstance(result, kind)), None))
            return result

        traced = trace(watched, *args)
        snapshots = tuple(improving(traced, self.passes))
        graph = next((s.after for s in reversed(snapshots) if s.kept), traced)
        source, variables = emit(graph, self.name, self._names(graph))
        for node, variable in variables.items():
            node.name = node.name or variable  # pictures and listings of the graph speak of the same names
        run = function_from_source(self.name, source)
        return Program(traced, graph, snapshots, source, run, containers[0])

    def _names(self, graph: Graph) -> Mapping[ComputationNode, str]:
        """Variable names for the inputs of the program; empty: the nodes' own."""
        return {}

    @property
    def program(self) -> Program:
        if self._last is None:
            raise CompileError(
                f"{self.name} has not seen any arguments yet: call it, or prepare it with example arrays"
            )
        return self._last

    @property
    def source(self) -> str:
        """The generated NumPy code."""
        return self.program.source

    @property
    def graph(self) -> Graph:
        """The improved graph that was printed as source."""
        return self.program.graph

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """What each pass did: graph and cost before and after."""
        return self.program.snapshots

    @property
    def report(self) -> str:
        """A table of the passes."""
        return table(self.program.traced, self.snapshots)

    def explain(self) -> str:
        """Every change that the passes made, with the law that allows it."""
        flat = [p for row in self.passes for p in (row if isinstance(row, tuple) else (row,))]
        return explanation(self.snapshots, {p.__name__: first_line(p) for p in flat})

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the program as a Python file that needs NumPy alone and runs by itself."""
        return write_atomically(path, standalone(self.name, self.graph, self.source))

    def __repr__(self) -> str:
        return f"<compiled {self.name}, {len(self.programs)} programs>"


def compile(function: Callable[..., Any] | None = None, *, passes: Sequence[Pass | tuple[Pass, ...]] = DEFAULT) -> Any:
    """A `CompiledFunction` of a function or a layer: traced once for each signature, then run as generated NumPy.

    Also a decorator. What Python decides while tracing is part of the program. A layer is traced again when its
    structure changes (an adapter is added, merged or switched off); a function is not: compile it again.
    `passes` replaces the list in `pipeline.DEFAULT`; with `passes=()` the graph is printed as it was traced.
    """
    if function is None:
        return lambda f: CompiledFunction(f, passes)
    return CompiledFunction(function, passes)


def _function_name(function: Callable[..., Any]) -> str:
    name = getattr(function, "__name__", None) or type(function).__name__
    helper = any(f"def {name}(" in op.prelude for op in Op.registry.values())
    return name if name.isidentifier() and not keyword.iskeyword(name) and name != "np" and not helper else "compiled"


def _plain(argument: Any) -> Any:
    """Lists as arrays; everything else as it is."""
    return np.asarray(argument) if isinstance(argument, list) else argument


def _key(argument: Any) -> Any:
    """What two arguments must have in common to share a program: for arrays shape and dtype, else the value itself."""
    if isinstance(argument, np.ndarray | np.generic):
        return argument.shape, argument.dtype
    try:
        hash(argument)
    except TypeError:
        raise CompileError(
            f"an argument of type {type(argument).__name__} cannot be part of a program: "
            "pass arrays, or values that can be hashed such as numbers, strings and tuples"
        ) from None
    return type(argument), repr(argument), argument  # 1, 1.0 and True are equal, and not the same
