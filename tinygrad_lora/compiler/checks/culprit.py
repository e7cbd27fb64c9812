"""Where a wrong result comes from: the step of the compiler, and the smallest part of the graph that shows it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core import Graph, rebuilt
from ...core.node import ComputationNode as Node, placeholder
from ..pipeline import Snapshot
from .agreement import Disagreement, complete, disagreement, evaluate, values_of

MOST_TRIALS = 100
MOST_LINES = 30  # of a graph in a message
DEPTHS = (0, 1, 2, 3, 5, 8)  # operations above the last one; what is further away becomes an input

Transform = Callable[[Graph], Graph]
Run = Callable[[Graph, Sequence[Any]], Sequence[Any]]
Fault = Disagreement | Exception
Comparison = Callable[[Graph, Sequence[Any]], Fault | None]
Part = tuple[Graph, Sequence[Any], Fault]


@dataclass(frozen=True)
class Culprit:
    """A step of the compiler, the smallest graph at which it gives something else, and how the results differ.

    `step` is the name of a pass, or "" where all graphs agree and the program that was written from the last one does
    not. `after` is what the pass made of `before`; `values` are arrays for the inputs of `before`.
    """

    step: str
    before: Graph
    after: Graph | None
    values: Sequence[Any]
    difference: Fault

    def __str__(self) -> str:
        difference = f"{type(self.difference).__name__}: " if isinstance(self.difference, Exception) else ""
        difference += str(self.difference)
        if self.after is None:
            return f"the program does not compute its graph\n{_listing(self.before)}\n{difference}"
        return f"the pass {self.step} turns\n{_listing(self.before)}\ninto\n{_listing(self.after)}\n{difference}"


def _listing(graph: Graph) -> str:
    lines = str(graph).splitlines()
    more = len(lines) - MOST_LINES
    return "\n".join([f"... {more} lines", *lines[more:]] if more > 0 else lines)


def find_culprit(
    traced: Graph, snapshots: Sequence[Snapshot], arrays: Sequence[Any], *,
    passes: Mapping[str, Transform] | None = None, run: Run | None = None,
) -> Culprit | None:  # fmt: skip
    """The first step after which the graph, or at last the program, gives something else than `traced` does.

    `passes` are functions of graphs by the names in `snapshots`: with them the smallest part is found, without them it
    is all that the pass was given. `run` gives the results of the program of a graph for arrays of all its inputs.
    None where everything agrees.
    """
    values = complete(traced, arrays)
    with np.errstate(all="ignore"):
        graph = traced
        for snapshot in snapshots:
            if snapshot.kept:
                graph = snapshot.after
                if wrong := _compared(traced, values, evaluate, graph):
                    return _of_pass(snapshot, (passes or {}).get(snapshot.name), values, wrong)
        return _of_program(graph, values, run) if run else None


def _compared(graph: Graph, values: Sequence[Any], run: Run, other: Graph) -> Fault | None:
    """How the results of another graph differ from those of this one; or the error, where this one raises none."""
    expected = evaluate(graph, values)
    try:
        results = run(other, values)
    except Exception as error:
        return error
    return disagreement(graph, values, results, expected=expected)


def _of_pass(snapshot: Snapshot, apply: Transform | None, values: Sequence[Any], wrong: Fault) -> Culprit:
    if apply is None:
        return Culprit(snapshot.name, snapshot.before, snapshot.after, values, wrong)

    def differs(part: Graph, arrays: Sequence[Any]) -> Fault | None:
        after = apply(part)
        return None if after is part else _compared(part, arrays, evaluate, after)

    part, arrays, difference = _smallest(snapshot.before, values, wrong, differs)
    return Culprit(snapshot.name, part, apply(part), arrays, difference)


def _of_program(graph: Graph, values: Sequence[Any], run: Run) -> Culprit | None:
    def differs(part: Graph, arrays: Sequence[Any]) -> Fault | None:
        return _compared(part, arrays, run, part)

    wrong = differs(graph, values)
    if wrong is None:
        return None
    part, arrays, difference = _smallest(graph, values, wrong, differs)
    return Culprit("", part, None, arrays, difference)


def _smallest(graph: Graph, values: Sequence[Any], wrong: Fault, differs: Comparison) -> Part:
    """A part of the graph with one output that still differs: as early as possible, then as few operations.

    The whole graph, where no part of it differs.
    """
    trials = 0

    def tried(part: Graph, arrays: Sequence[Any]) -> Part | None:
        nonlocal trials
        trials += 1
        try:
            difference = differs(part, arrays) if trials <= MOST_TRIALS else None
        except Exception:  # of a part that the step cannot take: the difference is to be found elsewhere
            return None
        return (part, arrays, difference) if difference else None

    def first(nodes: Iterable[Node]) -> Part | None:
        return next((part for node in nodes if (part := tried(Graph(graph.inputs, [node]), values))), None)

    best = first([graph.outputs[wrong.output]] if isinstance(wrong, Disagreement) else graph.outputs)
    if best is None:
        return graph, values, wrong
    while earlier := first(p for p in best[0].outputs[0].parents if p.parents):
        best = earlier
    known = values_of(best[0].nodes, best[0], values)
    for depth in DEPTHS:
        if smaller := tried(*_cut(best[0], best[0].outputs[0], depth, known)):
            return smaller
    return best


def _cut(graph: Graph, node: Node, depth: int, known: Mapping[Node, Any]) -> tuple[Graph, list[Any]]:
    """The operations up to so far above `node`, with inputs in the place of the others; and arrays for these."""
    near, row = {node}, {node}
    for _ in range(depth):
        row = {p for n in row for p in n.parents if p.parents} - near
        near |= row
    new: dict[Node, Node] = {}
    used = {p for n in near for p in n.parents}
    for old in graph.nodes:
        if old in near:
            new[old] = rebuilt(old, tuple(new[p] for p in old.parents))
            new[old].name = old.name
        elif old in used:
            new[old] = placeholder(old.shape, old.dtype, old.name) if old.parents else old
    inputs = [old for old, leaf in new.items() if old in used and not leaf.parents and not leaf.known]
    return Graph([new[old] for old in inputs], [new[node]]), [known[old] for old in inputs]
