"""A generated program, ready to run, and the cache that keeps one for each signature."""

import ast
import gc
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from ..boundary.lines import user_line
from ..core import ComputationNode as Node, Graph
from ..core.source import function_from_source
from ..errors import RecompileWarning
from .calling import Form, put_together
from .checks.verify import verify
from .checks.warn import warn_of_fault
from .pipeline import Snapshot
from .planned.decide import lower
from .planned.write import Planned, emit_planned
from .signatures import Guard, LayerKey, ValueKey, never
from .text.plain import emit

MOST_PROGRAMS = 64  # for one function; the one that was not used for longest goes first
MANY_PROGRAMS = 16  # so many say that something varies from call to call which should not

Runs = Callable[..., Any]


class CompiledProgram:
    """What was generated for one signature: graphs, source, and the function that runs."""

    def __init__(
        self, name: str, traced: Graph, graph: Graph, snapshots: tuple[Snapshot, ...], form: Form,
        engine: str = "numpy", reason: str = "",
    ) -> None:  # fmt: skip
        self.engine, self.reason = engine, reason  # why this engine, where that was open
        self.name, self.traced, self.graph, self.snapshots, self.form = name, traced, graph, snapshots, form
        self.captured = graph.captured
        self.structure: Any = None
        self.source = ""
        self.variables: dict[Node, str] = {}
        self.planned: Planned | None = None  # what was decided, where memory is planned
        self.into: dict[int, int] = {}  # which outputs are written over which inputs, both counted from 0
        self.views: dict[int, list[int]] = {}  # for each of these inputs, those that are views of it
        self.seconds = 0.0  # that generating it took
        self.guard = Guard(never, None)
        self.fits: Runs = never  # until it is settled
        self.settled = False  # whether its first call was compared, or need not be
        self._kind = None if form is None else form.kind
        self._nested = form if form and (any(form.items) or form.kind not in (tuple, list)) else None
        self._make: Callable[[], Runs] | None = None
        self._idle: list[Runs] = []  # functions with memory of their own that no call is using
        self._pack: Runs | None = None
        self._kept: tuple[Any, ...] = ()
        self._packed_at: list[int] = []  # when the frozen weights got the values that were packed
        self._frozen: list[Node] = []  # the parameters of the model that are packed

    # --- Three ways to run ---

    def run_as_expressions(self, names: Mapping[Node, str]) -> None:
        """Plain expressions: NumPy allocates every result."""
        self.source, self.variables = emit(self.graph, self.name, names)
        self._idle = [function_from_source(self.name, self.source)]

    def run_by_engine(self, names: Mapping[Node, str]) -> None:
        """The same graph through another library."""
        build = import_module(f".engines.{self.engine}", __package__).build
        (self.source, self.variables), run = build(self.graph, self.name, names)
        self._idle = [run]

    def run_in_planned_memory(
        self, names: Mapping[Node, str], techniques: frozenset[str], frozen: Iterable[Node],
        into: Mapping[int, Node], views: Mapping[Node, Sequence[Node]],
    ) -> None:  # fmt: skip
        """Calls that write into memory that is planned ahead; plain expressions if a second look finds them wrong."""
        position = {leaf: i for i, leaf in enumerate(self.graph.inputs)}
        self.into = {output: position[leaf] for output, leaf in into.items()}
        self.views = {position[leaf]: [position[view] for view in parts] for leaf, parts in views.items()}
        planned = emit_planned(lower(self.graph, techniques, frozen, into, views), self.name, names)
        make = partial(function_from_source, self.name, planned.source)
        function = make()
        if objection := verify(planned, function, views):
            self.into, self.views = {}, {}
            self.run_as_expressions(names)
            warn_of_fault(self.name, f"in planned memory, {objection}")
            return
        self.planned, self.source, self.variables = planned, planned.source, planned.variables
        self._make, self._idle = make, [function]
        if planned.packer:
            self._pack = self._idle[0].__globals__[planned.packer]
            parameters = dict(zip(self.graph.inputs[::-1], self.captured[::-1], strict=False))
            self._frozen = [parameters[leaf] for leaf in planned.lowered.frozen]

    def run_plainly(self, names: Mapping[Node, str]) -> None:
        """The traced graph as expressions, where something was wrong with what was made of it."""
        self.graph, self.snapshots, self.planned, self._make, self._pack = self.traced, (), None, None, None
        self.into, self.views, self._frozen = {}, {}, []
        self.run_as_expressions(names)

    def settle(self) -> None:
        """From now on, arguments that fit run the program without any question."""
        self.settled, self.fits = True, self.guard.fits

    # --- Running ---

    def run(self, args: Sequence[Any]) -> Any:
        """The outputs for these arguments, in the container that the function gives.

        A call takes an idle function with its memory; if none is idle, because another call is running, a new one.
        """
        arrays = args if self.guard.arrays is None else self.guard.arrays(*args)
        weights = [p._value for p in self.captured]
        if self._pack is not None:
            weights += self._settled()
        try:
            function = self._idle.pop() if self._make else self._idle[0]
        except IndexError:
            function = self._make()  # type: ignore[misc]
        try:
            results = function(*arrays, *weights)
        finally:
            if self._make:
                self._idle.append(function)
        if self._kind is None:
            return results
        results = results if type(results) is tuple else () if results is None else (results,)
        return self._kind(results) if self._nested is None else put_together(self._nested, iter(results))

    def inputs(self, arrays: Sequence[Any]) -> list[Any]:
        """The arrays of all inputs: these, and the present values of the parameters."""
        return [*arrays, *(p._value for p in self.captured)]

    def outputs(self, values: Sequence[Any]) -> list[Any]:
        """All outputs for arrays of all inputs, in a flat list. What is written over an input is written to a copy."""
        values = list(values)
        for i in set(self.into.values()):
            start, values[i] = values[i].ctypes.data, np.array(values[i])
            for j in self.views.get(i, ()):  # a view of the copy, so that it shows what is written
                view = values[j]
                offset = view.ctypes.data - start if view.size else 0
                values[j] = np.ndarray(view.shape, view.dtype, values[i], offset)
        by_leaf = dict(zip(self.graph.inputs, values, strict=True))
        kept = self._pack(*map(by_leaf.get, self.planned.lowered.frozen)) if self._pack and self.planned else ()
        results = self._idle[0](*values, *kept)  # while it is being checked, no call runs it
        rest = iter(results if type(results) is tuple else () if results is None else (results,))
        return [values[self.into[i]] if i in self.into else next(rest) for i in range(len(self.graph.outputs))]

    def _settled(self) -> tuple[Any, ...]:
        """What is kept from call to call; computed again if a frozen weight has a new value."""
        moments = [p.created for p in self._frozen]
        if moments != self._packed_at:
            self._kept = self._pack(*(p._value for p in self._frozen))  # type: ignore[misc]
            self._packed_at = moments
        return self._kept

    @property
    def calls(self) -> int:
        """How many functions one run calls, counted in the source: those in a loop once for each time around."""
        statements = ast.walk(ast.parse(self.source))
        return _calls([f for f in statements if isinstance(f, ast.FunctionDef) and f.name == self.name][-1])


def _calls(tree: ast.AST) -> int:
    times = 1
    if isinstance(tree, ast.For):
        times = len(range(*ast.literal_eval(ast.Tuple(tree.iter.args, ast.Load()))))  # type: ignore[attr-defined]
    return isinstance(tree, ast.Call) + times * sum(map(_calls, ast.iter_child_nodes(tree)))


@contextmanager
def collector_paused() -> Iterator[None]:
    """Generating a program makes objects that stay, and the cyclic collector would look at all of them again and again.

    At 100,000 nodes that is a quarter of the time. It is switched on again as it was.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Cache:
    """The programs of one function by signature. It holds at most MOST_PROGRAMS of them and warns at MANY_PROGRAMS."""

    def __init__(self, name: str) -> None:
        self.name, self.generated = name, 0
        self._programs: OrderedDict[Any, CompiledProgram] = OrderedDict()

    def get(self, key: Any) -> CompiledProgram | None:
        """The program for a signature, which counts as used now; None if there is none."""
        if key in self._programs:
            self._programs.move_to_end(key)
        return self._programs.get(key)

    def add(self, key: Any, program: CompiledProgram, places: Sequence[str]) -> None:
        """Keep a new program, and let go of the one that was not used for longest if there are too many.

        A key is a structure, the forms of the arguments, and the keys of their leaves, which are called `places`.
        """
        self._programs[key] = program
        self.generated += 1
        if len(self._programs) > MOST_PROGRAMS:
            self._programs.popitem(last=False)
        if self.generated == MANY_PROGRAMS:
            warnings.warn_explicit(self._advice(places), RecompileWarning, *(user_line() or (__file__, 0)))

    def _advice(self, places: Sequence[str]) -> str:
        """Which argument varies."""
        keys = list(self._programs)
        warning = f"{self.name} was compiled {self.generated} times"
        if len({key[1] for key in keys}) > 1:
            return f"{warning}: the number of arguments, or the keys and lengths of containers, vary from call to call"
        varying = [i for i in range(len(places)) if len({repr(key[2][i]) for key in keys}) > 1]
        if not varying:
            return f"{warning}: the structure of the model changes again and again"
        first, warning = keys[-1][2][varying[0]], f"{warning}; {places[varying[0]]}"
        if isinstance(first, LayerKey):
            return f"{warning} is a layer whose structure changes from call to call, or another layer each time"
        remedy = "its shape or dtype varies: pad the arrays to a few sizes"
        if isinstance(first, ValueKey):
            array = "an array of the others' dtype, such as np.float32(3)"
            remedy = f"its values are part of the program: pass it as {array}"
        return f"{warning} differs from call to call, and {remedy}"

    def __len__(self) -> int:
        return len(self._programs)
