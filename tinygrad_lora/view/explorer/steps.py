"""One compilation as a list of steps: what was traced, each pass with its rule, and the program at the end."""

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ...compiler import CompiledFunction
from ...compiler.cost import Cost, graph_cost
from ...compiler.pipeline import PASSES
from ...compiler.report import lowering
from ...compiler.techniques import LAWS
from ...compiler.text.plain import Emitted, emit
from ...core import Graph
from ...core.source import function_from_source
from ..equations import plain, typeset
from ..words.markup import Markup
from ..written import CodeLine, Excerpt, written
from . import checks
from .code import changed, with_boxes
from .union import PROGRAM, TRACE, Stage, Union

BEGINNING = "Python ran your function once, on placeholders. Each operation that it recorded is a box."
ENDING = "This is what runs. It computes the last graph, call by call, in memory that is planned ahead."
REASON = "Why it is legal. "  # begins the last paragraph in the docstring of a pass's module
UNKNOWN = "A pass of your own: the measured difference is the evidence."


@dataclass(frozen=True)
class Rule:
    """A pass explained. All of it is read from the pass."""

    name: str
    equation: str  # the first sentence of its docstring, in plain characters
    law: Markup  # what it says before a colon, typeset
    more: str  # the rest of its docstring
    legal: str  # from the docstring of its module
    source: str  # "" where Python cannot find it


def rule_of(name: str, passes: Iterable[Sequence[Any]] = ()) -> Rule:
    """The rule of the pass called `name`, which is one of the compiler's or one of `passes`."""
    rows = [*passes, PASSES.values()]
    function = next((p for row in rows for p in row if p.__name__ == name), None)
    first, _, more = (inspect.getdoc(function) or "").partition("\n")
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    legal = " ".join((getattr(module, "__doc__", None) or "").partition(REASON)[2].split())
    return Rule(name, plain(first), typeset(first.partition(": ")[0]), plain(more), legal or UNKNOWN, _source(function))


def _source(function: Any) -> str:
    try:
        return inspect.getsource(function).rstrip()
    except (OSError, TypeError):
        return ""


@dataclass(frozen=True)
class ExplorerStep:
    """One step of the explorer: what was traced, one pass, or the program."""

    name: str
    stage: Stage  # the graphs
    lines: tuple[CodeLine, ...]  # the code, compared with that of the step before; the program as it is
    before: Cost
    after: Cost
    kept: bool
    rule: Rule | None  # of a pass
    difference: float | None  # from the graph before; for the program, from what was traced; None if not compared
    microseconds: float | None  # of one call, if it was measured
    notes: tuple[str, ...]


class Story:
    """Everything that the explorer shows of a compiled function, as data."""

    def __init__(self, compiled: CompiledFunction, measure: bool, seed: int) -> None:
        self.compiled, self.measured, self.name = compiled, measure, compiled.name
        self.program = compiled.program  # says what to do if there is none
        self.inputs = checks.random_inputs(self.program.traced, seed)
        self.union = Union(self.program, f"All graphs of {self.name}", self.inputs, measure)
        things = [getattr(compiled, "model", None), getattr(compiled, "loss", None)]  # of a training step
        things = [thing for thing in things if thing is not None] or [compiled.function]
        self.written: list[Excerpt] = written(things, self.union.origins)
        self.steps = (*map(self._step, self.union.stages[:-1]), self._last(self.union.stages[-1]))

    def _step(self, stage: Stage) -> ExplorerStep:
        code, snapshot = emit(stage.graph, self.name, self.union.labels), stage.snapshot
        lines, took = self._lines(code, stage.graph), self._time(function_from_source(self.name, code.source))
        if snapshot is None:
            cost = graph_cost(stage.graph)
            return ExplorerStep(TRACE, stage, tuple(lines), cost, cost, True, None, None, took, (BEGINNING,))
        before = self._lines(emit(snapshot.before, self.name, self.union.labels), snapshot.before)
        return ExplorerStep(
            stage.name, stage, tuple(changed(before, lines)), snapshot.cost_before, snapshot.cost_after, snapshot.kept,
            rule_of(stage.name, self.compiled.passes), stage.difference, took, tuple(_notes(stage)),
        )  # fmt: skip

    def _last(self, stage: Stage) -> ExplorerStep:
        program = self.program
        lines, cost = self._lines(Emitted(program.source, program.variables), program.graph), graph_cost(program.graph)
        apart = took = None
        if self.compiled.engine == "numpy":
            expected = [self.union.values[node] for node in program.traced.outputs]
            apart = checks.difference(checks.run_program(program, self.inputs), expected)
            took = self._time(checks.as_function(program))
        notes = [ENDING, *lowering(program.graph, program.planned, LAWS)] if program.planned else []
        return ExplorerStep(PROGRAM, stage, tuple(lines), cost, cost, True, None, apart, took, tuple(map(plain, notes)))

    def _lines(self, code: Emitted, graph: Graph) -> list[CodeLine]:
        return with_boxes(code, graph, self.name, self.union.boxes, self.union.origins)

    def _time(self, function: Callable[..., Any]) -> float | None:
        return checks.microseconds(function, [array.copy() for array in self.inputs]) if self.measured else None


def _notes(stage: Stage) -> Iterator[str]:
    states = list(stage.states.values())
    counts = [(states.count(state), state) for state in ("added", "removed", "rewired")]
    changes = ", ".join(f"{n} {state}" for n, state in counts if n)
    yield f"{changes}." if changes else "No box changes: only the order of computation does."
    if stage.snapshot and not stage.snapshot.kept:
        yield "Declined: the result is right, but costs more. The next pass starts from the graph before this one."
