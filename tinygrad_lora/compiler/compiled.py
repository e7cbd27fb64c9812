"""`compile`: a function that traces itself for each new signature and runs the generated NumPy."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib import import_module
from threading import Lock
from time import perf_counter
from typing import Any

from ..core import ComputationNode, Graph
from ..core.trace import traced
from ..errors import CompileError, TraceError
from .calling import Arguments, Binder, Form, is_container, taken_apart
from .checks import first_call
from .checks.culprit import find_culprit
from .checks.warn import warn_of_fault
from .engines.choice import choice
from .last_program import LastProgram
from .pipeline import DEFAULT, Pass, Snapshot, improving, improving_calls, name_of, passes_for_calls
from .planned.decide import Lowered, lower
from .planned.within import fitted
from .programs import Cache, CompiledProgram, collector_paused
from .signatures import Keys, guard, watch_of
from .techniques import check_engine, check_memory, split
from .text.names import program_name

Passes = Sequence[Pass | tuple[Pass, ...]]


class CompiledFunction(LastProgram):
    """A function that runs as generated NumPy. Call it on arrays, get arrays; on nodes it is the function itself.

    The first call with a new signature (shapes and dtypes of the arrays, and every other argument as it is) traces the
    function and generates a program; later calls run it. The values of parameters are read at every call. Threads may
    share it: each call that runs at the same time as another has memory of its own. `.source`, `.graph`, `.snapshots`,
    `.report` and `.explain()` tell of the program that ran last. Before there is one they raise CompileError.

    function, passes, buffers, engine, without, check, memory: as in `tl.compile`, which makes it
    Returns what the function returns, with arrays in place of nodes, when it is called.
    Raises what `tl.compile` does.

    >>> step = tl.compile(lambda x: tl.exp(x) * 2.0, buffers=False)
    >>> step.prepare(np.zeros(2)) is step
    True
    >>> print(step.source)
    def compiled(x):
        t0 = np.exp(x) * 2.0  # exp scale (2,)...
        return t0
    >>> step(np.zeros(2)), step
    (array([2., 2.]), <compiled compiled, 1 programs>)
    >>> look = step.watch()  # what a function that calls it depends on
    """

    def __init__(
        self, function: Callable[..., Any], passes: Passes = DEFAULT, *,
        buffers: bool = True, engine: str = "numpy", without: Iterable[str] = (), check: bool | str | None = None,
        memory: int | None = None,
    ) -> None:  # fmt: skip
        if not callable(function):
            raise CompileError(f"compile takes a function or a layer, not {type(function).__name__}")
        engine = "numpy" if memory is not None and engine == "auto" else engine  # machine code plans no memory
        self.function, self.engine = function, check_engine(engine)
        self.buffers, self.check = buffers and engine != "numba", first_call.checked_setting(check)
        self.passes, self.techniques = split(passes, without, self.buffers)
        self.most_bytes = check_memory(memory, self.buffers)
        self.techniques |= {"forget_soon"} if memory else set()
        self.passes_for_loops = split(passes, without, buffers=False)[0]
        words = import_module(".engines.numba", __package__).WORDS if engine != "numpy" else ()
        name = getattr(function, "__name__", None) or type(function).__name__
        self.name = program_name(name if isinstance(name, str) else "compiled", words)
        self._start()

    def _start(self) -> None:
        """No programs yet."""
        # A layer can say what its graph depends on, so that one whose adapter is switched off is traced again.
        self.structure: Callable[[], Any] = watch_of(self.function) or _no_structure
        self.programs, self._keys = Cache(self.name), Keys()
        self._bind, self._lock = Binder(self.function, self.name), Lock()
        self._last: CompiledProgram | None = None

    def __call__(self, /, *args: Any, **keywords: Any) -> Any:
        program = self._last
        if keywords or program is None or not program.fits(*args) or program.structure != self.structure():
            call = self._bind(args, keywords)
            if call is None:
                # It is part of a graph that somebody else differentiates or compiles.
                return self.function(*args, **keywords)
            args, program = call.args, self._program(call)
            self._settle(program, call)
            self._last = program
        return program.run(args)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """A compiled method, called on its object."""
        return self if instance is None else partial(self, instance)

    def prepare(self, /, *args: Any, **keywords: Any) -> CompiledFunction:
        """Generate the program for arguments like these without running it.

        *args, **keywords: arguments like those of a call; only shapes and dtypes of arrays count
        Returns the compiled function itself.
        Raises CompileError for nodes, TraceError as the first call does.
        """
        call = self._bind(args, keywords)
        if call is None:
            raise CompileError(f"{self.name} is prepared with arrays like those of a call, not with nodes")
        self._last = self._program(call)
        return self

    def watch(self) -> Callable[[], Any]:
        """What a function depends on that calls this one: what this one depends on.

        Returns a function without arguments; what it gives is equal as long as the graph is the same.
        """
        return lambda: self.structure()

    # --- Programs ---

    def _program(self, call: Arguments) -> CompiledProgram:
        """The program for these arguments; a new one if there is none."""
        structure = self.structure()
        keys = tuple(map(self._keys, call.leaves))
        key = (structure, (call.names, call.forms), keys)
        with self._lock:
            program = self.programs.get(key)
            if program is None:
                start = perf_counter()
                with collector_paused():
                    program = self._generate(call)
                program.structure, program.guard = structure, guard(call, keys)
                program.seconds = perf_counter() - start
                self.programs.add(key, program, call.places)
        return program

    def _generate(self, call: Arguments) -> CompiledProgram:
        forms: list[Form] = []

        def flat(*nodes: Any) -> list[Any]:
            form, leaves = taken_apart(call.call(self.function, nodes), is_container)
            for leaf in leaves:
                if not isinstance(leaf.value, ComputationNode):
                    raise TraceError(_no_node(leaf.path, leaf.value, call))
            forms.append(form)
            return [leaf.value for leaf in leaves]

        graph = traced(flat, call.arrays, call.array_labels)
        if self.engine != "auto":
            return self._improved(graph, forms[0], self.engine)
        engine, reason = choice(graph)
        try:
            return self._improved(graph, forms[0], engine, reason)
        except CompileError as error:  # it looked as if numba could translate this
            if engine == "numpy":
                raise
            return self._improved(graph, forms[0], "numpy", f"{error}")

    def _improved(self, traced: Graph, form: Form, engine: str, reason: str = "") -> CompiledProgram:
        """The program of a traced graph, after all passes. `reason`: why by this engine, where that was open."""
        planned = self.buffers and engine == "numpy"
        snapshots = list(improving(traced, self.passes if planned else self.passes_for_loops))
        graph = _last_kept(snapshots, traced)
        if planned:
            snapshots += improving_calls(graph, self._frozen(graph), self.techniques)
            graph = _last_kept(snapshots, graph)
        if self.most_bytes is not None:
            snapshots += fitted(self.name, graph, self.most_bytes, self._lowered)
            graph = _last_kept(snapshots, graph)
        program = CompiledProgram(self.name, traced, graph, tuple(snapshots), form, engine, reason)
        self._write(program, self._names(graph), self._frozen(graph), *self._replaced(graph))
        for node, variable in program.variables.items():
            node.name = node.name or variable  # pictures and listings of the graph speak of the same names
        return program

    def _lowered(self, graph: Graph) -> Lowered:
        return lower(graph, self.techniques, self._frozen(graph), *self._replaced(graph))

    def _write(
        self, program: CompiledProgram, names: Mapping[ComputationNode, str], frozen: Iterable[ComputationNode],
        into: Mapping[int, ComputationNode], views: Mapping[ComputationNode, Any],
    ) -> None:  # fmt: skip
        """Give a program its text, in one of three ways."""
        if program.engine != "numpy":
            program.run_by_engine(names)
        elif self.buffers:
            program.run_in_planned_memory(names, self.techniques, frozen, into, views)
        else:
            program.run_as_expressions(names)

    def _settle(self, program: CompiledProgram, call: Arguments) -> None:
        """Before the first call: compare the program with its graph where that is wanted, and use it or not."""
        if program.settled:
            return
        with self._lock:
            report = ""
            if not program.settled and first_call.wanted(program, self.check):
                fault, values = first_call.fault_of(program, call.arrays)
                if fault is not None:
                    report = self._blame(program, values) or f"{program.traced}\n{fault}"
                    program.run_plainly(self._names(program.traced))
            program.settle()
        if report:
            warn_of_fault(self.name, report)

    def _blame(self, program: CompiledProgram, values: Sequence[Any]) -> str:
        """The pass or the program that is to blame, with the smallest part of the graph that shows it."""
        passes = {name_of(apply): apply for row in self.passes for apply in row}
        if self.buffers:
            passes |= passes_for_calls(self._frozen(program.graph))

        def run(part: Graph, arrays: Sequence[Any]) -> Sequence[Any]:
            if part is program.graph:
                return program.outputs(values)
            small = CompiledProgram(self.name, part, part, (), None, program.engine)
            self._write(small, {}, [leaf for leaf in self._frozen(program.graph) if leaf in part.inputs], {}, {})
            return small.outputs(arrays)

        with warnings.catch_warnings():  # of parts of the graph, which are tried one after another
            warnings.simplefilter("ignore")
            culprit = find_culprit(program.traced, program.snapshots, values, passes=passes, run=run)
        return str(culprit or "")

    # --- What a compiled training step does differently ---

    def _names(self, graph: Graph) -> Mapping[ComputationNode, str]:
        """Variable names for the inputs of the program; empty: the nodes' own."""
        return {}

    def _replaced(self, graph: Graph) -> tuple[Mapping[int, ComputationNode], Mapping[ComputationNode, Any]]:
        """Which outputs (counted from 0) are written over which inputs, and which inputs are views of those."""
        return {}, {}

    def _frozen(self, graph: Graph) -> list[ComputationNode]:
        """The inputs that seldom change."""
        return [leaf for leaf in graph.weights if not leaf.requires_gradient]

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles: without programs, which are generated again where they are wanted."""
        own = {"structure", "programs", "_keys", "_bind", "_lock", "_last"}
        return {name: value for name, value in vars(self).items() if name not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start()

    def __repr__(self) -> str:
        return f"<compiled {self.name}, {len(self.programs)} programs>"


def compile(
    function: Callable[..., Any] | None = None, *, passes: Passes = DEFAULT, buffers: bool = True,
    engine: str = "numpy", without: Iterable[str] = (), check: bool | str | None = None, memory: int | None = None,
) -> Any:  # fmt: skip
    """A `CompiledFunction` of a function or a layer: traced once for each signature, then run as generated NumPy.

    Also a decorator. Arguments bind as in Python, by position or by name. They may be arrays, lists of numbers, layers,
    and tuples, named tuples, lists and dicts of these; so may the results, of nodes. Everything else, a Python number
    among it, is part of the program, as is what Python decides while tracing: pass a number that changes as an array,
    such as `np.float64(x)`. A layer is traced again when its structure changes: an adapter is added, merged or switched
    off. Changes to anything else that a function uses go unnoticed: compile it again.

    Before a new program runs for the first time, it is compared with its graph on the same arrays, run operation by
    operation. If they differ by more than rounding does, MiscompiledWarning names the part of the graph and plain NumPy
    runs in place of the program.

    function: a function of nodes, or a layer; None where `compile` is a decorator with arguments
    passes: what replaces the list in `pipeline.py`; with `passes=()` the graph is printed as it was traced
    buffers: False prints plain expressions, which allocate every result; True writes into memory that is planned once
    engine: "numpy"; "numba" runs the same graph as loops in machine code (the extra `speed` brings it), which
        takes seconds to make; "auto" does so where that is installed and known to win, and `.report` says why or why
        not
    without: names of techniques to leave out, as `.report` lists them
    check: whether a new program is compared with its graph: True always, False never; None where that takes at most 15
        % of the time that compiling took and 256 MB
    memory: the most bytes that a program's planned memory may have: arrays that would wait long for a reader are
        computed again just before it, those first that give back most bytes for their time. `.report` says what that
        costs. None sets no bound
    Returns a `CompiledFunction`; a decorator where no function is given.
    Raises CompileError for what is no function and for an unknown engine or technique. A call raises DtypeError for
    arrays that are not of real numbers. The first call raises TraceError where the function returns something else than
    nodes, or asks a node for its numbers, and CompileError for a program that does not fit `memory`.

    >>> @tl.compile(buffers=False)
    ... def half(x, w):
    ...     return (x @ w) * 0.5
    >>> half(np.ones((2, 3)), np.ones((3, 1)))
    array([[1.5],
           [1.5]])
    >>> print(half.source)
    def half(x, w):
        t0 = x @ w     # matmul (2, 1)...
        t1 = t0 * 0.5  # scale (2, 1)...
        return t1
    >>> tl.compile(tl.Linear(3, 1, seed=0))(np.ones((2, 3))).shape
    (2, 1)
    """

    def decorate(f: Callable[..., Any]) -> CompiledFunction:
        return CompiledFunction(f, passes, buffers=buffers, engine=engine, without=without, check=check, memory=memory)

    return decorate if function is None else decorate(function)


def _last_kept(snapshots: Sequence[Snapshot], graph: Graph) -> Graph:
    """The graph after all changes that were kept."""
    return next((s.after for s in reversed(snapshots) if s.kept), graph)


def _no_structure() -> None:
    """What a plain function's graph depends on besides its arguments: nothing that anyone could see."""


def _no_node(path: str, value: Any, call: Arguments) -> str:
    """What a function returned that is no node, and what to do."""
    refusal = f"a traced function must return nodes, not {type(value).__name__}: result{path} is {value!r:.40}"
    if value is None:
        return f"{refusal}: does the function lack a return statement, or return one that is not meant?"
    if isinstance(value, dict | list | tuple):
        return f"{refusal}: return plain tuples, named tuples, lists or dicts of nodes"
    numbers = [label for label, x in zip(call.labels, call.leaves, strict=True) if type(x) in (int, float)]
    if isinstance(value, int | float) and numbers:
        remedy = f"pass np.float64({numbers[0]}), or an array"
        return f"{refusal}. The argument {numbers[0]} is a Python number, and so part of the program: {remedy}"
    return f"{refusal}: return tl.constant(...) of it, or compute it from the arguments with functions of nodes"
