"""One pass tried on one program: alone, among other passes, and in compiled programs; and the faults that it shows."""

import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from ..compiler.checks.agreement import disagreement
from ..compiler.compiled import compile as compiled
from ..compiler.pipeline import name_of
from ..core.graph import Graph
from ..core.node import Array, ComputationNode as Node
from .bounds import Bounds
from .programs import RandomProgram

Pass = Callable[[Graph], Graph]
Arrays = Sequence[Array]
MOST_CALLS = 200_000, 4_000  # of functions in one pass: in all, and for each node of the graph


@dataclass(frozen=True)
class Fault:
    """What a pass did wrong: a sentence that continues the name of the pass, and the evidence.

    `before` is the graph that the pass was given, `after` the one that it returned (None if it returned none).
    `expected` are the outputs without the pass, `actual` those with it (None if there are none).
    """

    sentence: str
    before: Graph
    after: Graph | None = None
    expected: tuple[Array, ...] = ()
    actual: tuple[Array, ...] | None = None
    error: Exception | None = None


class BrokenPromise(Exception):  # noqa: N818, it never leaves this file
    """A promise that a pass did not keep."""


# --- Applying ---


def applied(apply: Pass, graph: Graph, *, twice: bool = True) -> Graph:
    """The graph that the pass returns. Raises BrokenPromise if that is no graph with the same inputs and outputs.

    Errors of the pass itself pass through. `twice` applies it a second time: a pass is a function of the graph alone.
    """
    before = _fingerprint(graph)
    with _at_most(MOST_CALLS[0] + MOST_CALLS[1] * len(graph.nodes)):
        after = apply(graph)
    if not isinstance(after, Graph):
        kind = "None" if after is None else f"an object of type {type(after).__name__}"
        raise BrokenPromise(f"gives {kind} instead of a graph: return graph.rewrite(rule), or graph.map(build)")
    if _fingerprint(graph) != before:
        raise BrokenPromise("changes the graph that it is given: leave its nodes as they are, and build new ones")
    if after.outputs == graph.outputs:
        return after
    _check_kind(graph, after)
    again = apply(graph) if twice else after
    if again is not after and str(again) != str(after):
        raise BrokenPromise("gives another graph when it is asked again: a pass is a function of the graph alone")
    return after


def _check_kind(before: Graph, after: Graph) -> None:
    if len(after.outputs) != len(before.outputs):
        raise BrokenPromise(f"gives {len(after.outputs)} outputs where the graph has {len(before.outputs)}")
    for what, old, new in (("input", before.inputs, after.inputs), ("output", before.outputs, after.outputs)):
        for i, (a, b) in enumerate(zip(old, new, strict=False)):
            if a.shape != b.shape:
                raise BrokenPromise(f"changes the shape of {what} {i}: {b.shape} instead of {a.shape}")
            if a.dtype != b.dtype:
                raise BrokenPromise(f"changes the dtype of {what} {i}: {b.dtype} instead of {a.dtype}")
    if len(after.inputs) != len(before.inputs) or after.captured != before.captured:
        number = f"{len(after.inputs)} inputs where the graph has {len(before.inputs)}"
        raise BrokenPromise(f"gives {number}: hand on graph.inputs")


def _fingerprint(graph: Graph) -> list[Any]:
    parts: list[Any] = [graph.inputs, graph.outputs, graph.captured]
    return parts + [(n, n.op, n.parents, repr(n.params), n.shape, n.dtype, n.known) for n in graph.nodes]


@contextmanager
def _at_most(calls: int) -> Any:
    """Raise BrokenPromise after this many calls of functions: a rule may loop forever.

    Counts nothing where a profiler is active already, or none may be set, as in the process that runs a submission.
    """
    left = calls

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise BrokenPromise("comes to no end: does a rule match what it returns itself?")

    with suppress(PermissionError):
        sys.setprofile(sys.getprofile() or count)
    try:
        yield
    finally:
        if sys.getprofile() is count:
            sys.setprofile(None)


def values_of(graph: Graph, arrays: Arrays) -> tuple[Array, ...]:
    """The outputs of the graph. Raises BrokenPromise if a value has another shape or dtype than its node says."""
    values = {}
    for node, value in graph.running(*arrays):
        values[node] = value
        if node.parents and (np.shape(value), value.dtype) != (node.shape, node.dtype):
            claim = f"{node.dtype}{list(node.shape)}, and computes {value.dtype}{list(np.shape(value))}"
            raise BrokenPromise(f"makes a node of {node.op} that says it is {claim}: call {node.op} on nodes instead")
    return tuple(np.asarray(values[node]) for node in graph.outputs)


# --- Comparing ---


def difference(graph: Graph, arrays: Arrays, expected: Arrays, actual: Arrays, exact: bool) -> str:
    """A sentence that says where `actual` differs; "" if it agrees: to the last bit, or as far as rounding explains."""
    if not exact:
        wrong = disagreement(graph, arrays, actual, expected=expected)
        if wrong is None:
            return ""
        if wrong.index is not None:
            return _sentence(wrong.output, wrong.index, wrong.expected, wrong.actual)
    for i, (a, b) in enumerate(zip(expected, actual, strict=True)):
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            return f"makes output {i} {b.dtype}{list(b.shape)}, and it was {a.dtype}{list(a.shape)}"
        same = (a == b) | (np.isnan(a) & np.isnan(b) if a.dtype.kind == "f" else False)
        if not np.all(same):
            index = tuple(int(k[0]) for k in np.nonzero(~np.atleast_1d(same)))[: a.ndim]
            return _sentence(i, index, a[index].item(), b[index].item())
    return ""


def _sentence(output: int, index: tuple[int, ...], expected: Any, actual: Any) -> str:
    place = f" at {list(index)}" if index else ""
    return f"changes output {output}{place}: {actual!r} instead of {expected!r}"


def is_exact(program: RandomProgram) -> bool:
    """Whether arithmetic on this program is exact, whatever its order."""
    bounds, values = Bounds(), program.values
    return all(bounds(values[i]) is not None for i in program.outputs)


def is_finite(program: RandomProgram) -> bool:
    """Whether no line of the program is infinite or nan."""
    nodes = [v for v in program.values.values() if isinstance(v, Node)]
    return all(bool(np.isfinite(node.value).all()) for node in nodes if node.dtype.kind == "f")


# For each mode, which programs belong to it.
SUITS: dict[str, Callable[[RandomProgram], bool]] = {
    "exact": is_exact, "real": is_finite, "special": lambda program: True,
}  # fmt: skip


# --- Trials ---


@dataclass(frozen=True)
class PassTrial:
    """A pass, the passes that run before and after it, and how numbers are compared. Call it on a program.

    `twice` applies the pass a second time, which must give the same graph.
    """

    apply: Pass
    exact: bool = True
    before: tuple[Pass, ...] = ()
    after: tuple[Pass, ...] = ()
    twice: bool = True

    @np.errstate(all="ignore")
    def run(self, program: RandomProgram) -> tuple[bool, Fault | None]:
        """Whether the pass changed the graph, and the fault, if any: what other passes do without this one is none."""
        graph, arrays, after = program.graph, program.arrays, None
        try:
            for other in self.before:
                graph = other(graph)
            expected = values_of(graph, arrays)
        except Exception:  # this trial is of the pass alone, and others are at fault
            return False, None
        try:
            after = applied(self.apply, graph, twice=self.twice)
            if after.outputs == graph.outputs:
                return False, None
            actual = values_of(after, arrays)
        except BrokenPromise as broken:
            return True, Fault(str(broken), graph, after, expected)
        except Exception as error:  # a pass is anybody's code
            sentence = f"raises {type(error).__name__}: {error}".rstrip(": ")
            return True, Fault(sentence, graph, after, expected, error=error)
        if sentence := difference(graph, arrays, expected, actual, self.exact):
            return True, Fault(sentence, graph, after, expected, actual)
        if self.after and (sentence := self._later(graph, after, arrays, expected)):
            return True, Fault(sentence, graph, after, expected, actual)
        return True, None

    def _later(self, graph: Graph, after: Graph, arrays: Arrays, expected: Arrays) -> str:
        """What goes wrong in the passes that follow, if nothing does when this pass is left out."""
        sentences = []
        for start in (after, graph):
            name = ""
            try:
                for other in self.after:
                    name = name_of(other)
                    start = other(start)
                sentences.append(difference(graph, arrays, expected, values_of(start, arrays), self.exact))
            except Exception as error:
                sentences.append(f"makes {name} raise {type(error).__name__}: {error}")
        with_pass, without_pass = sentences
        return "" if without_pass else with_pass

    @property
    def where(self) -> str:
        """The other passes that run with it, in words."""
        places = {"after": self.before, "before": self.after}
        return " and ".join(f"{word} {', '.join(map(name_of, passes))}" for word, passes in places.items() if passes)

    def simpler(self) -> list[Self]:
        """Trials with fewer of the other passes: first with none, then each with one left out."""
        if not (self.before or self.after):
            return []
        before, after = self.before, self.after
        fewer = [(before[:i] + before[i + 1 :], after) for i in range(len(before))]
        fewer += [(before, after[:i] + after[i + 1 :]) for i in range(len(after))]
        return [replace(self, before=b, after=a) for b, a in [((), ()), *fewer]]


@dataclass(frozen=True)
class CompiledTrial(PassTrial):
    """The pass in a compiled program, planned or plain, against the same program without it."""

    planned: bool = True

    @property
    def where(self) -> str:
        return f"compiled with buffers={self.planned} {super().where}".rstrip()

    @np.errstate(all="ignore")
    def run(self, program: RandomProgram) -> tuple[bool, Fault | None]:
        graph, expected = program.graph, tuple(program.eager())
        sentence = self._compiled(program, graph, expected, (*self.before, self.apply, *self.after))
        if not sentence or self._compiled(program, graph, expected, (*self.before, *self.after)):
            return False, None
        return True, Fault(sentence, graph, None, expected)

    def _compiled(self, program: RandomProgram, graph: Graph, expected: Arrays, passes: Sequence[Pass]) -> str:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                results = compiled(program, passes=passes, buffers=self.planned, check=False)(*program.arrays)
        except Exception as error:
            return f"makes a program that raises {type(error).__name__}: {error}"
        actual = [np.asarray(y) for y in (results if isinstance(results, tuple) else (results,))]
        return difference(graph, program.arrays, expected, actual, self.exact)
