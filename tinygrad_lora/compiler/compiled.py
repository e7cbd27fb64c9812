"""`compile`: a function that traces itself for each new signature and runs the generated NumPy."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial, wraps
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from ..arraylike import listed
from ..core.graph import Graph
from ..core.node import ComputationNode
from ..core.trace import trace
from ..errors import CompileError
from ..files import write_atomically
from .lowering import prepared
from .memory import Memory, memory_of
from .pipeline import DEFAULT, Pass, Snapshot, improving
from .programs import Cache, Program, collector_paused
from .report import explanation, table
from .signatures import Keys, guard, watch_of
from .standalone import archive, standalone
from .techniques import LAWS, check_engine, split
from .vocabulary import program_name

Passes = Sequence[Pass | tuple[Pass, ...]]


class CompiledFunction:
    """A function that runs as generated NumPy. Call it on arrays, get arrays; on nodes it is the function itself.

    The first call with a new signature (shapes and dtypes of the arrays, and every other argument as it is) traces the
    function and generates a program; later calls run it. The values of parameters are read at every call. Threads may
    share it: each call that runs at the same time as another has memory of its own. `.source`, `.graph`, `.snapshots`,
    `.report` and `.explain()` tell of the program that ran last. Before there is one they raise CompileError.
    """

    def __init__(
        self, function: Callable[..., Any], passes: Passes = DEFAULT, *,
        buffers: bool = True, engine: str = "numpy", without: Iterable[str] = (),
    ) -> None:  # fmt: skip
        if not callable(function):
            raise CompileError(f"compile takes a function or a layer, not {type(function).__name__}")
        self.function, self.engine = function, check_engine(engine)
        self.buffers = buffers and engine == "numpy"
        self.passes, self.techniques = split(passes, without, self.buffers)
        words = import_module(f".engines.{engine}", __package__).WORDS if engine != "numpy" else ()
        name = getattr(function, "__name__", None) or type(function).__name__
        self.name = program_name(name if name.isidentifier() else "compiled", words)
        self._start()

    def _start(self) -> None:
        """No programs yet."""
        # A layer can say what its graph depends on, so that one whose adapter is switched off is traced again.
        self.structure: Callable[[], Any] = watch_of(self.function) or _no_structure
        self.programs, self._keys = Cache(self.name), Keys()
        self._lock = Lock()
        self._last: Program | None = None

    def __call__(self, *args: Any) -> Any:
        program = self._last
        if program is None or not program.fits(*args) or program.structure != self.structure():
            if any(isinstance(a, ComputationNode) for a in args):
                return self.function(*args)  # part of a graph that somebody else differentiates or compiles
            args = tuple(map(_plain, args))
            program = self._last = self._program(args)
        return program.run(args)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """A compiled method, called on its object."""
        return self if instance is None else partial(self, instance)

    def prepare(self, *args: Any) -> CompiledFunction:
        """Generate the program for arguments like these without running it."""
        self._last = self._program(tuple(_plain(a) for a in args))
        return self

    def watch(self) -> Callable[[], Any]:
        """What a function depends on that calls this one: what this one depends on."""
        return lambda: self.structure()

    def _program(self, args: tuple[Any, ...]) -> Program:
        structure = self.structure()
        key = (structure, *map(self._keys, args))
        with self._lock:
            program = self.programs.get(key)
            if program is None:
                with collector_paused():
                    program = self._generate(args)
                program.structure, program.fits = structure, guard(args, key[1:])
                self.programs.add(key, program)
        return program

    def _generate(self, args: tuple[Any, ...]) -> Program:
        containers: list[type | None] = []

        @wraps(self.function)
        def watched(*inputs: Any) -> Any:
            result = self.function(*inputs)
            containers.append(next((kind for kind in (list, tuple) if isinstance(result, kind)), None))
            return result

        traced = trace(watched, *args)
        snapshots = list(improving(traced, self.passes))
        graph = next((s.after for s in reversed(snapshots) if s.kept), traced)
        if self.buffers:
            snapshots += prepared(graph, self._frozen(graph), self.techniques)
            graph = snapshots[-1].after if snapshots and snapshots[-1].kept else graph
        program = Program(traced, graph, tuple(snapshots), args, containers[0])
        names = self._names(graph)
        if self.engine != "numpy":
            program.run_by_engine(self.engine, self.name, names)
        elif self.buffers:
            into, views = self._replaced(graph)
            program.run_in_planned_memory(self.name, names, self.techniques, self._frozen(graph), into, views)
        else:
            program.run_as_expressions(self.name, names)
        for node, variable in program.variables.items():
            node.name = node.name or variable  # pictures and listings of the graph speak of the same names
        return program

    # --- What a compiled training step does differently ---

    def _names(self, graph: Graph) -> Mapping[ComputationNode, str]:
        """Variable names for the inputs of the program; empty: the nodes' own."""
        return {}

    def _replaced(self, graph: Graph) -> tuple[Mapping[int, ComputationNode], Mapping[ComputationNode, Any]]:
        """Which outputs (counted from 0) are written over which inputs, and which inputs are views of those."""
        return {}, {}

    def _frozen(self, graph: Graph) -> list[ComputationNode]:
        """The inputs that seldom change."""
        weights = graph.inputs[len(graph.inputs) - len(graph.captured) :]
        return [leaf for leaf in weights if not leaf.requires_gradient]

    # --- What happened ---

    @property
    def program(self) -> Program:
        """The program that ran last."""
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
        """A table of the passes, and how the calls and the memory were chosen."""
        return table(self.program.traced, self.snapshots, self.program.planned)

    @property
    def memory(self) -> Memory:
        """Which array lies where in the planned memory, and from when to when; `print` shows it as a table."""
        planned = self.program.planned
        if planned is None:
            raise CompileError(f"{self.name} has no planned memory: compile with buffers=True and engine='numpy'")
        return memory_of(planned)

    def explain(self) -> str:
        """Every change that the passes made, with the law that allows it, and every choice of calls and memory."""
        return explanation(self.program.traced, self.snapshots, LAWS, self.program.planned)

    @property
    def captured(self) -> dict[str, np.ndarray]:
        """The values of the parameters by path, in the order in which the program takes them after its arguments."""
        program = self.program
        values = (np.array(p._value) for p in program.captured)  # `value` would make a vector read-only
        return dict(zip(self._paths(program.graph), values, strict=True))

    def _paths(self, graph: Graph) -> list[str]:
        """The captured parameters of a graph by their path in the model, else by their own name; no name twice."""
        named = dict(getattr(getattr(self, "model", self.function), "named_parameters", dict)())
        known = {p: path for path, p in named.items()}
        paths: list[str] = []
        for p in graph.captured:
            path = wanted = known.get(p) or p.name or "parameter"
            n = 1
            while path in paths:
                n += 1
                path = f"{wanted}_{n}"
            paths.append(path)
        return paths

    def save(self, path: str | os.PathLike[str], *, parameters: bool = False) -> Path:
        """Write the program as a Python file that needs NumPy alone and runs by itself.

        Its function takes the arguments and then the values of the parameters, as `compiled.captured` lists them. With
        `parameters` these are written as well, to a file of the same name that ends in .npz, and `load_parameters()` in
        the program reads them: `program(x, *load_parameters())`.
        """
        if self.engine != "numpy":
            raise CompileError(
                f"a program of the engine {self.engine!r} needs that library: compile with engine='numpy'"
            )
        program, path = self.program, Path(path)
        graph = program.graph
        paths = dict(enumerate(self._paths(graph), len(graph.inputs) - len(graph.captured)))
        if parameters and path.suffix != ".py":
            raise CompileError(f"the file of the program must end in .py, not {path.name!r}: the values go beside it")
        text = standalone(path.name, self.name, graph, program.source, program.planned, paths, loads=parameters)
        if parameters:
            write_atomically(path.with_suffix(".npz"), archive(self.captured))
        return write_atomically(path, text)

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles: without programs, which are generated again where they are wanted."""
        own = {"structure", "programs", "_keys", "_lock", "_last"}
        return {name: value for name, value in vars(self).items() if name not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start()

    def __repr__(self) -> str:
        return f"<compiled {self.name}, {len(self.programs)} programs>"


def compile(
    function: Callable[..., Any] | None = None, *, passes: Passes = DEFAULT, buffers: bool = True,
    engine: str = "numpy", without: Iterable[str] = (),
) -> Any:  # fmt: skip
    """A `CompiledFunction` of a function or a layer: traced once for each signature, then run as generated NumPy.

    Also a decorator. What Python decides while tracing is part of the program. A layer, also one that is an argument
    (by itself, not inside a tuple), is traced again when its structure changes: an adapter is added, merged or switched
    off. Changes to anything else that a function uses go unnoticed: compile it again.

    `passes` replaces the list in `pipeline.py`; with `passes=()` the graph is printed as it was traced.
    `buffers=False` prints plain expressions, which allocate every result. `engine` "numba" or "scipy" runs the same
    program through that library (`pip install "tinygrad-lora[speed]"`). `without` leaves out techniques by name.

    Raises CompileError for what is no function and for an unknown engine or technique. The first call raises TraceError
    where the function returns something else than nodes, or asks a node for its numbers.
    """
    if function is None:
        return lambda f: CompiledFunction(f, passes, buffers=buffers, engine=engine, without=without)
    return CompiledFunction(function, passes, buffers=buffers, engine=engine, without=without)


def _no_structure() -> None:
    """What a plain function's graph depends on besides its arguments: nothing that anyone could see."""


def _plain(argument: Any) -> Any:
    """Lists as arrays; everything else as it is."""
    return listed(argument) if isinstance(argument, list) else argument
