"""One pass tried on one program: alone, among the other passes, and in compiled programs. What it may do wrong."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..compiler.checks.agreement import disagreement
from ..compiler.compiled import compile as compiled
from ..core.graph import Graph
from ..core.node import ComputationNode as Node
from .bounds import Bounds
from .programs import RandomProgram

Pass = Callable[[Graph], Graph]
MOST_CALLS = 40_000, 4_000  # of functions in one pass: in all, and for each node of the graph


@dataclass(frozen=True)
class Fault:
    """What is wrong: a sentence that goes on after the name of the pass, and what it can be seen by.

    `before` is the graph that the pass was given, `after` what it made of it (None where it made nothing). `expected`
    are the outputs without the pass, `found` those with it (None where it does not come so far). `where` says among
    which others it ran.
    """

    sentence: str
    before: Graph
    after: Graph | None = None
    expected: tuple[Any, ...] = ()
    found: tuple[Any, ...] | None = None
    where: str = ""
    error: Exception | None = None


class Broken(Exception):  # noqa: N818, it never leaves this file
    """A promise that a pass did not keep."""


def name_of(apply: Any) -> str:
    """The name of a pass."""
    return getattr(apply, "__name__", None) or type(apply).__name__


# --- Applying ---


def applied(apply: Pass, graph: Graph, *, twice: bool = True) -> Graph:
    """What the pass makes of the graph. Raises Broken where that is no graph of the same kind, or the pass no function.

    What the pass raises itself is raised. `twice` asks it again, and compares.
    """
    before = _fingerprint(graph)
    with _at_most(MOST_CALLS[0] + MOST_CALLS[1] * len(graph.nodes)):
        after = apply(graph)
    if not isinstance(after, Graph):
        raise Broken(f"gives {_a(after)} instead of a graph: return graph.rewrite(rule), or graph.map(build)")
    if _fingerprint(graph) != before:
        raise Broken("changes the graph that it is given: leave its nodes as they are, and build new ones")
    if after.outputs == graph.outputs:
        return after
    _check_kind(graph, after)
    again = apply(graph) if twice else after
    if again is not after and str(again) != str(after):
        raise Broken("gives another graph when it is asked again: a pass is a function of the graph alone")
    return after


def _check_kind(before: Graph, after: Graph) -> None:
    if len(after.outputs) != len(before.outputs):
        raise Broken(f"gives {len(after.outputs)} outputs where the graph has {len(before.outputs)}")
    for what, old, new in (("input", before.inputs, after.inputs), ("output", before.outputs, after.outputs)):
        for i, (a, b) in enumerate(zip(old, new, strict=False)):
            if a.shape != b.shape:
                raise Broken(f"changes the shape of {what} {i}: {b.shape} instead of {a.shape}")
            if a.dtype != b.dtype:
                raise Broken(f"changes the dtype of {what} {i}: {b.dtype} instead of {a.dtype}")
    if len(after.inputs) != len(before.inputs) or after.captured != before.captured:
        raise Broken(f"gives {len(after.inputs)} inputs where the graph has {len(before.inputs)}: hand on graph.inputs")


def _fingerprint(graph: Graph) -> list[Any]:
    parts: list[Any] = [graph.inputs, graph.outputs, graph.captured]
    return parts + [(n, n.op, n.parents, repr(n.params), n.shape, n.dtype, n.known) for n in graph.nodes]


def _a(value: Any) -> str:
    return "None" if value is None else f"an object of type {type(value).__name__}"


@contextmanager
def _at_most(calls: int) -> Any:
    """Raise Broken at so many calls of functions: a rule may go on for ever.

    Silent where a profiler is at work, or none may be set, as in the process of a submission.
    """
    left = calls

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Broken("comes to no end: does a rule match what it returns itself?")

    counting = sys.getprofile() is None
    if counting:
        try:
            sys.setprofile(count)
        except PermissionError:
            counting = False
    try:
        yield
    finally:
        if counting:
            sys.setprofile(None)


def values_of(graph: Graph, arrays: Sequence[Any]) -> tuple[Any, ...]:
    """The outputs. Raises Broken where a node is not what it says it is."""
    values = {}
    for node, value in graph.running(*arrays):
        values[node] = value
        if node.parents and (np.shape(value), value.dtype) != (node.shape, node.dtype):
            told = f"{node.dtype}{list(node.shape)}, and computes {value.dtype}{list(np.shape(value))}"
            raise Broken(f"makes a node of {node.op} that says it is {told}: call {node.op} on nodes instead")
    return tuple(np.asarray(values[node]) for node in graph.outputs)


# --- Comparing ---


def difference(graph: Graph, arrays: Sequence[Any], expected: Sequence[Any], found: Sequence[Any], exact: bool) -> str:
    """In words where and how `found` differs; "" where it does not: to the last bit, or as rounding explains."""
    if not exact:
        wrong = disagreement(graph, arrays, found, expected=expected)
        if wrong is None:
            return ""
        if wrong.index is not None:
            return _told(wrong.output, wrong.index, wrong.expected, wrong.found)
    for i, (a, b) in enumerate(zip(expected, found, strict=True)):
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            return f"makes output {i} {b.dtype}{list(b.shape)}, and it was {a.dtype}{list(a.shape)}"
        same = (a == b) | (np.isnan(a) & np.isnan(b) if a.dtype.kind == "f" else False)
        if not np.all(same):
            index = tuple(int(k[0]) for k in np.nonzero(~np.atleast_1d(same)))[: a.ndim]
            return _told(i, index, a[index].item(), b[index].item())
    return ""


def _told(output: int, index: tuple[int, ...], expected: Any, found: Any) -> str:
    place = f" at {list(index)}" if index else ""
    return f"changes output {output}{place}: {found!r} instead of {expected!r}"


def is_exact(program: RandomProgram) -> bool:
    """Whether arithmetic on this program is exact, whatever its order."""
    bounds, values = Bounds(), program.values
    return all(bounds(values[i]) is not None for i in program.outputs)


def is_finite(program: RandomProgram) -> bool:
    """Whether no line of the program is infinite or nan."""
    nodes = [v for v in program.values.values() if isinstance(v, Node)]
    return all(bool(np.isfinite(node.value).all()) for node in nodes if node.dtype.kind == "f")


SUITS: dict[str, Callable[[RandomProgram], bool]] = {
    "exact": is_exact,
    "real": is_finite,
    "special": lambda program: True,
}  # which programs belong to a mode


# --- Trials ---


@dataclass(frozen=True)
class PassTrial:
    """A pass, those that run before and after it, and how numbers are compared. Call it on a program.

    `twice` applies the pass a second time, which must give the same graph.
    """

    apply: Pass
    exact: bool = True
    before: tuple[Pass, ...] = ()
    after: tuple[Pass, ...] = ()
    twice: bool = True

    def __call__(self, program: RandomProgram) -> Fault | None:
        """The fault on this program, if there is one; None as well where other passes are at fault without this one."""
        return self.run(program)[1]

    def run(self, program: RandomProgram) -> tuple[bool, Fault | None]:
        """Whether the pass changed the graph, and the fault."""
        with np.errstate(all="ignore"):
            return self._run(program)

    def _run(self, program: RandomProgram) -> tuple[bool, Fault | None]:
        graph = program.graph
        try:
            for other in self.before:
                graph = other(graph)
            expected = values_of(graph, program.arrays)
        except Exception:  # this trial is of the pass alone, and others are at fault
            return False, None
        changed, fault = self._applied(graph, program.arrays, expected)
        if fault is None or not (self.before or self.after):
            return changed, fault
        return changed, replace(fault, where=self._where())

    def _applied(self, graph: Graph, arrays: Sequence[Any], expected: Any) -> tuple[bool, Fault | None]:
        after = None
        try:
            after = applied(self.apply, graph, twice=self.twice)
            if after.outputs == graph.outputs:
                return False, None
            found = values_of(after, arrays)
        except Broken as broken:
            return True, Fault(str(broken), graph, after, expected)
        except Exception as error:  # a pass is anybody's code
            told = f"raises {type(error).__name__}: {error}".rstrip(": ")
            return True, Fault(told, graph, after, expected, error=error)
        if told := difference(graph, arrays, expected, found, self.exact):
            return True, Fault(told, graph, after, expected, found)
        if self.after and (told := self._later(graph, after, arrays, expected)):
            return True, Fault(told, graph, after, expected, found)
        return True, None

    def _later(self, graph: Graph, after: Graph, arrays: Sequence[Any], expected: Any) -> str:
        """What goes wrong in the passes that follow, and does not where this pass is left out."""
        told = ["", ""]
        for i, start in enumerate((after, graph)):
            name = ""
            try:
                for other in self.after:
                    name = name_of(other)
                    start = other(start)
                told[i] = difference(graph, arrays, expected, values_of(start, arrays), self.exact)
            except Exception as error:
                told[i] = f"makes {name} raise {type(error).__name__}: {error}"
        return told[0] if told[0] and not told[1] else ""

    def _where(self) -> str:
        words = [
            f"{word} {', '.join(map(name_of, others))}"
            for word, others in (("after", self.before), ("before", self.after))
            if others
        ]
        return " and ".join(words)

    def simpler(self) -> list[PassTrial]:
        """The trial without some of the other passes."""
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

    def _run(self, program: RandomProgram) -> tuple[bool, Fault | None]:
        graph = program.graph
        expected = tuple(program.eager())
        changed = False

        def seen(graph: Graph) -> Graph:
            nonlocal changed
            after = self.apply(graph)
            changed = changed or after.outputs != graph.outputs
            return after

        seen.__name__ = name_of(self.apply)
        told = self._compiled(program, graph, expected, (*self.before, seen, *self.after))
        if not told or self._compiled(program, graph, expected, (*self.before, *self.after)):
            return changed, None
        where = f"compiled with buffers={self.planned} {self._where()}".rstrip()
        return changed, Fault(told, graph, None, expected, where=where)

    def _compiled(self, program: RandomProgram, graph: Graph, expected: Any, passes: Sequence[Pass]) -> str:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                results = compiled(program, passes=passes, buffers=self.planned, check=False)(*program.arrays)
        except Exception as error:
            return f"makes a program that raises {type(error).__name__}: {error}"
        found = [np.asarray(y) for y in (results if isinstance(results, tuple) else (results,))]
        return difference(graph, program.arrays, expected, found, self.exact)
