"""What a compiled function tells of the program that ran last: its text, its graph, its passes, its parameters."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..core import Graph
from ..errors import CompileError
from ..files import write_atomically
from .pipeline import Snapshot
from .planned.memory import Memory, memory_of
from .programs import CompiledProgram
from .report import explanation, table
from .standalone import archive, standalone
from .techniques import LAWS
from .text.lines import unlike


class LastProgram:
    """The part of `CompiledFunction` that answers questions. Before there is a program it raises CompileError."""

    name: str
    engine: str
    function: Callable[..., Any]
    _last: CompiledProgram | None

    @property
    def program(self) -> CompiledProgram:
        """The program that ran last."""
        if self._last is None:
            remedy = "call it, or prepare it with example arrays"
            raise CompileError(f"{self.name} has not seen any arguments yet: {remedy}")
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
        """A table of the passes, how the calls and the memory were chosen, and the engine where that was chosen."""
        program = self.program
        lines = [f"engine: {program.engine}, because {program.reason}"] if program.reason else []
        return "\n".join([table(program.traced, self.snapshots, program.planned), *lines])

    @property
    def memory(self) -> Memory:
        """Which array lies where in the planned memory, and from when to when; `print` shows it as a table."""
        planned = self.program.planned
        if planned is None:
            raise CompileError(f"{self.name} has no planned memory: compile with buffers=True and engine='numpy'")
        return memory_of(planned)

    def explain(self) -> str:
        """Every change that the passes made, with the law that allows it, and every choice of calls and memory.

        Returns a text.

        >>> step = tl.compile(lambda x: tl.exp(x * 1.0) + 0.0)
        >>> step(np.zeros(2))
        array([1., 1.])
        >>> "simplify" in step.report, "simplify" in step.explain(), len(step.snapshots) > 0
        (True, True, True)
        >>> step.graph.outputs[0].op, step.program.source == step.source, step.captured
        (exp, True, {})
        >>> print(str(step.memory).splitlines()[0])
        array  shape  bytes  made in step  last read in step
        """
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
            paths.append(unlike(paths, known.get(p) or p.name or "parameter"))
        return paths

    def save(self, path: str | os.PathLike[str], *, parameters: bool = False) -> Path:
        """Write the program as a Python file that needs NumPy alone and runs by itself.

        Its function takes the arguments and then the values of the parameters, as `compiled.captured` lists them.

        path: that of the file, such as "step.py"
        parameters: True writes their values as well, to a file of the same name that ends in .npz, and
            `load_parameters()` in the program reads them: `program(x, *load_parameters())`
        Returns the path.
        Raises CompileError before the first call, and for a program of another engine than NumPy.

        >>> import pathlib, tempfile
        >>> step = tl.compile(lambda x: tl.exp(x)).prepare(np.zeros(2))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     print("import numpy as np" in step.save(pathlib.Path(folder, "step.py")).read_text())
        True
        """
        if self.program.engine != "numpy":
            needs = f"a program of the engine {self.program.engine!r} needs that library"
            raise CompileError(f"{needs}: compile with engine='numpy'")
        program, path = self.program, Path(path)
        graph = program.graph
        paths = dict(enumerate(self._paths(graph), len(graph.arguments)))
        if parameters and path.suffix != ".py":
            raise CompileError(f"the file of the program must end in .py, not {path.name!r}: the values go beside it")
        text = standalone(path.name, self.name, graph, program.source, program.planned, paths, loads=parameters)
        if parameters:
            write_atomically(path.with_suffix(".npz"), archive(self.captured))
        return write_atomically(path, text)
