"""All graphs of one compilation in one picture, in which nothing moves from pass to pass.

A pass creates new nodes. Two nodes share a box if they are the same operation with the same result: then the pass only
changed their operands. Which results are the same is found out on random inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from ...compiler.cost import node_cost
from ...compiler.pipeline import Snapshot
from ...compiler.programs import CompiledProgram
from ...core.graph import Graph
from ...core.node import Array
from ...core.node import ComputationNode as Node
from ..diagram.data import Arrow, Box, Diagram, diagram
from ..words.sentences import one_line
from .checks import Values, difference, microseconds, run, same

TRACE, PROGRAM = "trace", "program"  # the first stage and the last
KEPT, ADDED, REMOVED, REWIRED = "kept", "added", "removed", "rewired"
MEANING = {
    ADDED: "added: this pass computes it",
    REMOVED: "removed: no longer computed",
    REWIRED: "rewired: the same result, computed from other operands",
}
UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


class Edge(NamedTuple):
    """An arrow of the union: from the box of an operand to the box of the operation."""

    start: str
    end: str


@dataclass(frozen=True)
class Stage:
    """The graph after one pass, and what happened to each box and arrow: KEPT, ADDED, REMOVED or REWIRED.

    The first stage and the last have no pass, and everything in them is KEPT.
    """

    name: str
    graph: Graph
    snapshot: Snapshot | None  # of a pass
    boxes: Mapping[Node, str]  # of the graph after the pass
    states: Mapping[str, str]
    edges: Mapping[Edge, str]
    descriptions: Mapping[str, str]  # each box in words: what it computes, from what, at which cost
    difference: float  # between the outputs before and after, relative to the largest number of each


@dataclass(frozen=True)
class Union:
    """The stages, all boxes as one diagram, and a unique name for each box."""

    stages: tuple[Stage, ...]
    diagram: Diagram
    labels: Mapping[Node, str]  # the name of each node's box
    boxes: Mapping[Node, str]  # the id of each node's box
    names: Mapping[str, str]  # by the id of a box
    origins: Mapping[str, tuple[str, int]]  # file and line of the user's code, by the id of a box


def union(program: CompiledProgram, title: str, inputs: Sequence[Array], measure: bool = False) -> Union:
    """The union of what was traced and of the graph after each pass. `inputs` are arrays for all inputs.

    With `measure` the description of each operation says how long it takes by itself.
    """
    builder = Builder(inputs, measure)
    builder.add(TRACE, program.traced, None)
    for snapshot in program.snapshots:
        builder.add(snapshot.name, snapshot.after, snapshot)
    builder.add(PROGRAM, program.graph, None)
    return builder.finished(program, title)


class Builder:
    """Builds a union: takes the graphs one by one, in order, and gives each node a box."""

    def __init__(self, inputs: Sequence[Array], measure: bool) -> None:
        self.inputs, self.measure, self.values = inputs, measure, Values()
        self.times: dict[Node, float] = {}  # microseconds of operations, where they are measured
        self.box_of: dict[Node, str] = {}
        self.first: dict[str, Node] = {}  # the node for which each box was created
        self.alike: dict[Any, list[str]] = {}  # the boxes of each operation and shape
        self.operands: dict[str, dict[str, None]] = {}  # the boxes of each box's operands in any graph
        self.graphs: list[tuple[str, Graph, Snapshot | None]] = []

    def add(self, name: str, graph: Graph, snapshot: Snapshot | None) -> None:
        """Give each new node a box: an existing one with the same result, or a new one."""
        run(graph, self.inputs, self.values)
        taken = {self.box_of[node] for node in graph.nodes if node in self.box_of}
        for node in graph.nodes:
            if node not in self.box_of:
                below = [self.box_of[p] for p in node.parents]
                box = self._box_for(node, taken, below)
                self.box_of[node] = box
                self.operands[box] |= dict.fromkeys(below)
                taken.add(box)
        self.graphs.append((name, graph, snapshot))

    def _box_for(self, node: Node, taken: set[str], below: Sequence[str]) -> str:
        key = (str(node.op), repr(node.params), node.shape, node.dtype)
        boxes = self.alike.setdefault(key, [])
        for box in boxes:
            # The arrows of different graphs must not form a cycle together: all of them lead downward.
            alike = box not in taken and same(self.values[node], self.values[self.first[box]])
            if alike and not self._depends(below, box):
                return box
        box = f"n{len(self.first)}"
        boxes.append(box)
        self.first[box], self.operands[box] = node, {}
        return box

    def _depends(self, boxes: Sequence[str], on: str) -> bool:
        seen, stack = set[str](), list(boxes)
        while stack:
            if (box := stack.pop()) == on:
                return True
            if box not in seen:
                seen.add(box)
                stack += self.operands[box]
        return False

    # --- The finished union ---

    def finished(self, program: CompiledProgram, title: str) -> Union:
        """The union of all graphs that were added."""
        labels = self._labels(program)
        named = {node: labels[box] for node, box in self.box_of.items()}
        box_data: dict[str, Box] = {}
        arrows: dict[Edge, Arrow] = {}
        for _, graph, _ in self.graphs:
            plain = diagram(graph)
            for node, box in zip(graph.nodes, plain.boxes, strict=True):
                box_data.setdefault(self.box_of[node], self._compact(box, node, named[node]))
            ids = {box.id: self.box_of[node] for node, box in zip(graph.nodes, plain.boxes, strict=True)}
            for arrow in plain.arrows:
                edge = Edge(ids[arrow.start], ids[arrow.end])
                arrows.setdefault(edge, Arrow(*edge, "", False))
        outputs = {self.box_of[node] for _, graph, _ in self.graphs for node in graph.outputs}
        boxes = tuple(replace(box_data[box], output=box in outputs) for box in self._in_order())
        drawn = Diagram(one_line(title), boxes, tuple(arrows.values()))
        return Union(tuple(self._stages(named)), drawn, named, self.box_of, labels, self._origins())

    def _origins(self) -> dict[str, tuple[str, int]]:
        """The user's line of each box. A node without one, of parameters alone, belongs to the line that uses it."""
        origins: dict[str, tuple[str, int]] = {}
        for _, graph, _ in self.graphs:
            lines = {node: node.origin for node in graph.nodes if node.parents}
            for node in reversed(graph.nodes):
                if node in lines and lines[node] is None:
                    lines[node] = next((lines[user] for user in graph.users[node] if lines[user]), None)
            for node, line in lines.items():
                if line:
                    origins.setdefault(self.box_of[node], line)
        return origins

    def _in_order(self) -> list[str]:
        """The boxes, operands first."""
        order, seen = list[str](), set[str]()
        for first in self.first:
            stack: list[tuple[str, bool]] = [(first, False)]
            while stack:
                box, done = stack.pop()
                if done:
                    order.append(box)
                elif box not in seen:
                    seen.add(box)
                    stack += [(box, True), *((below, False) for below in reversed(self.operands[box]))]
        return order

    def _labels(self, program: CompiledProgram) -> dict[str, str]:
        """A name for each box: that of its variable in the final program, if any, else a new one that is still free."""
        wanted: dict[str, str] = {}
        for node, variable in program.variables.items():
            if node in self.box_of:
                wanted.setdefault(self.box_of[node], node.name or variable)
        labels: dict[str, str] = {}
        taken: set[str] = set()
        for box in self.first:
            name = one_line(wanted.get(box) or (self.first[box].name or "" if not self.first[box].parents else ""))
            if name and name not in taken:
                labels[box] = name
                taken.add(name)
        counts = {"t": 0, "c": 0}
        for box, node in self.first.items():
            if box not in labels:
                letter = "t" if node.parents else "c"
                while (name := f"{letter}{counts[letter]}") in taken:
                    counts[letter] += 1
                labels[box] = name
                taken.add(name)
        return labels

    def _stages(self, labels: Mapping[Node, str]) -> Iterator[Stage]:
        for name, graph, snapshot in self.graphs:
            before = snapshot.before if snapshot else graph
            old, new = ({self.box_of[n]: n for n in g.nodes} for g in (before, graph))
            edges = {}
            wires = [dict.fromkeys(self._edges(g)) for g in (before, graph)]
            for edge in wires[0] | wires[1]:
                edges[edge] = KEPT if edge in wires[0] and edge in wires[1] else ADDED if edge in wires[1] else REMOVED
            changed = {edge.end for edge, state in edges.items() if state != KEPT}
            states, descriptions = {}, {}
            for box, node in (old | new).items():
                both = box in old and box in new
                states[box] = (REWIRED if box in changed else KEPT) if both else ADDED if box in new else REMOVED
                took = self._took(node)
                descriptions[box] = described(node, labels) + (f", {took:.1f} microseconds by itself" if took else "")
            for edge, state in edges.items():
                if state == ADDED and states[edge.end] == REWIRED:
                    edges[edge] = REWIRED
            results = [[self.values[n] for n in g.outputs] for g in (graph, before)]
            boxes = {n: self.box_of[n] for n in graph.nodes}
            yield Stage(name, graph, snapshot, boxes, states, edges, descriptions, difference(*results))

    def _took(self, node: Node) -> float | None:
        """The microseconds of one call of the operation by itself; None if not measured, or if it needs no call."""
        if not self.measure or not node_cost(node).calls:
            return None
        if node not in self.times:
            call, arrays = partial(node.op.forward, **node.params), [self.values[p] for p in node.parents]
            self.times[node] = microseconds(call, arrays, seconds=0.001)
        return self.times[node]

    def _edges(self, graph: Graph) -> Iterator[Edge]:
        for node in graph.nodes:
            for parent in node.parents:
                yield Edge(self.box_of[parent], self.box_of[node])

    def _compact(self, box: Box, node: Node, label: str) -> Box:
        """The box in two lines: its name and operation, its shape and cost. Its operands differ between graphs."""
        id, took = self.box_of[node], self._took(node)
        if not node.parents:
            return replace(box, id=id, label=label)
        flops = node_cost(node).flops
        costs = [f"{short(flops)} flops"] * bool(flops) + ([f"{took:.1f} µs"] if took else [])
        shape, words = ", ".join([box.shape, *costs]), f"{label} = {box.operation}"
        return replace(box, id=id, label=f"%{id}", operation=words, shape=shape, parameters=(), formula="")


def described(node: Node, labels: Mapping[Node, str]) -> str:
    """`t2 = matmul(x, A), (64, 4) float64, 131k flops, 141k bytes, 1 call`."""
    details = ", ".join([*(labels[p] for p in node.parents), *(f"{k}={v}" for k, v in node.params.items())])
    parts = [f"{labels[node]} = {node.op}({details})" if node.parents else f"{labels[node]}, {node.op}"]
    parts.append(f"{node.shape} {node.dtype}" if node.shape else f"a number, {node.dtype}")
    if node.parents:
        cost = node_cost(node)
        cost_text = f"{short(cost.flops)} flops, {short(cost.bytes)} bytes, 1 call"
        parts.append(cost_text if cost.calls else "a view, which is free")
    return one_line(", ".join(parts))


def short(number: float) -> str:
    """4690000 as 4.69M, 131072 as 131k."""
    size, unit = next(((size, unit) for size, unit in UNITS if number >= size), (1, ""))
    return f"{number / size:.{2 if unit and number < 100 * size else 0}f}{unit}"


def apart(difference: float) -> str:
    """A difference such as 7.8e-16; two digits are enough to tell rounding from a mistake."""
    return f"{difference:.1e}" if difference else "0"
