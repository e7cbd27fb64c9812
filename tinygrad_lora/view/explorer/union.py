"""All graphs of one compilation in one picture, in which nothing moves from pass to pass.

A pass creates new nodes. Two nodes share a box if they are the same operation with the same result: then the pass only
changed their operands. Which results are the same is found out on random inputs.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, count
from typing import Any, NamedTuple, TypeVar

from ...compiler.cost import node_cost
from ...compiler.pipeline import Snapshot
from ...compiler.programs import CompiledProgram
from ...core import Array, ComputationNode as Node, Graph
from ..diagram.data import Arrow, Box, Diagram, diagram
from ..words.sentences import one_line
from ..written import Origin, origins_of
from .checks import Values, difference, microseconds, run, same
from .groups import Groups

TRACE, PROGRAM = "trace", "program"  # the first stage and the last
KEPT, ADDED, REMOVED, REWIRED = "kept", "added", "removed", "rewired"
MEANING = {
    ADDED: "added: this pass computes it",
    REMOVED: "removed: no longer computed",
    REWIRED: "rewired: the same result, computed from other operands",
}
Part = TypeVar("Part")  # a box or an arrow
COUNTED = re.compile(r"[ctw]\d+")  # a variable of the program that has no name of its own
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
    states: Mapping[str, str]  # by the id of a box
    edges: Mapping[Edge, str]
    descriptions: Mapping[str, str]  # each box in words: what it computes, from what, at which cost
    difference: float  # between the outputs before and after, relative to the largest number of each


class Union:
    """All graphs of one compilation: its stages, all their boxes as one diagram, and unique names for these.

    A name is that of the box in a picture of the traced graph, such as %5. A box that only a pass makes is called after
    its variable in the generated code.

    `boxes` are the ids of boxes by node, `names` their names by id, `variables` what the code calls them by id and
    `labels` by node; `origins` are the user's lines by id. `inputs` are arrays for all inputs. With `measure` the
    description of each operation says how long it takes.
    """

    def __init__(self, program: CompiledProgram, title: str, inputs: Sequence[Array], measure: bool = False) -> None:
        self.inputs, self.measure, self.values = inputs, measure, Values()
        self.times: dict[Node, float] = {}  # microseconds of operations, where they are measured
        self.boxes: dict[Node, str] = {}
        self.first: dict[str, Node] = {}  # the node for which each box was created
        self.alike: dict[Any, list[str]] = {}  # the boxes of each operation and shape
        self.operands: dict[str, dict[str, None]] = {}  # the boxes of each box's operands in any graph
        passes = [(s.name, s.after, s) for s in program.snapshots]
        self.graphs = [(TRACE, program.traced, None), *passes, (PROGRAM, program.graph, None)]
        for _, graph, _ in self.graphs:
            self._add(graph)
        self.pictures = [diagram(graph) for _, graph, _ in self.graphs]
        self.variables = self._variables(program)
        self.labels = {node: self.variables[box] for node, box in self.boxes.items()}
        self.names = self.variables | self._traced_names(program.variables)
        self.diagram = self._drawn(title)
        self.stages = tuple(self._stage(*step) for step in self.graphs)
        self.origins = self._origins()

    def _add(self, graph: Graph) -> None:
        """Give each new node a box: an existing one with the same result, or a new one."""
        run(graph, self.inputs, self.values)
        taken = {self.boxes[node] for node in graph.nodes if node in self.boxes}
        for node in graph.nodes:
            if node not in self.boxes:
                below = [self.boxes[p] for p in node.parents]
                box = self.boxes[node] = self._box_for(node, taken, below)
                self.operands[box] |= dict.fromkeys(below)
                taken.add(box)

    def _box_for(self, node: Node, taken: set[str], below: Sequence[str]) -> str:
        boxes = self.alike.setdefault((str(node.op), repr(node.params), node.shape, node.dtype), [])
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
        reached, seen = [*boxes], {*boxes}
        for box in reached:  # the list grows while it is read
            new = self.operands[box].keys() - seen
            seen |= new
            reached += new
        return on in seen

    # --- The finished union ---

    def _drawn(self, title: str) -> Diagram:
        """All boxes and arrows of all graphs."""
        boxes: dict[str, Box] = {}
        arrows: dict[Edge, list[Arrow]] = {}
        groups = Groups()
        for (_, graph, _), picture in zip(self.graphs, self.pictures, strict=True):
            ids = {box.id: self.boxes[node] for node, box in zip(graph.nodes, picture.boxes, strict=True)}
            for node, box in zip(graph.nodes, picture.boxes, strict=True):
                boxes[self.boxes[node]] = self._with_cost(box, node)
            new: dict[Edge, list[Arrow]] = {}
            for arrow in picture.arrows:
                edge = Edge(ids[arrow.start], ids[arrow.end])
                new.setdefault(edge, []).append(Arrow(*edge, arrow.label, False))
            arrows = new | arrows
            groups.add(picture.clusters, ids)
        outputs = {self.boxes[node] for _, graph, _ in self.graphs for node in graph.outputs}
        ordered = tuple(replace(boxes[box], output=box in outputs) for box in self._in_order())
        return Diagram(one_line(title), ordered, tuple(chain.from_iterable(arrows.values())), groups.tree())

    def _origins(self) -> dict[str, Origin]:
        """The user's line of each box. A node without one, of parameters alone, belongs to the line that uses it."""
        origins: dict[str, Origin] = {}
        for _, graph, _ in reversed(self.graphs):  # what the program says counts in every step
            for node, line in origins_of(graph, {}).items():
                if node.parents:
                    origins.setdefault(self.boxes[node], line)
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

    def _traced_names(self, variables: Mapping[Node, str]) -> dict[str, str]:
        """What a picture of the traced graph calls its boxes; a number where the only name is a variable."""
        boxes, names = self.pictures[0].boxes, dict[str, str]()
        for i, (node, box) in enumerate(zip(self.graphs[0][1].nodes, boxes, strict=True)):
            counted = COUNTED.fullmatch(box.label) and box.label == variables.get(node)
            names[self.boxes[node]] = f"%{i}" if counted else box.label
        return names

    def _variables(self, program: CompiledProgram) -> dict[str, str]:
        """A name in the code for each box: that of the program's box or variable, else one that is free."""
        owners: dict[str, str] = {}  # the box that has a name
        for node, drawn in zip(program.graph.nodes, self.pictures[-1].boxes, strict=True):
            name = drawn.label if drawn.named else program.variables.get(node, "")
            owners.setdefault(one_line(name), self.boxes[node])
        for box, node in self.first.items():
            if node.name and not node.parents:
                owners.setdefault(one_line(node.name), box)
        names = {box: name for name, box in owners.items() if name}
        results, constants = map("t{}".format, count()), map("c{}".format, count())
        taken = owners.keys() | program.variables.values()
        for box, node in self.first.items():
            if box not in names:
                names[box] = next(name for name in (results if node.parents else constants) if name not in taken)
        return names

    def _stage(self, name: str, graph: Graph, snapshot: Snapshot | None) -> Stage:
        before = snapshot.before if snapshot else graph
        old, new = ({self.boxes[node]: node for node in g.nodes} for g in (before, graph))
        states = _changes(old, new)
        edges = _changes(*(dict.fromkeys(self._edges(g)) for g in (before, graph)))
        for edge, change in edges.items():
            if change != KEPT and states[edge.end] == KEPT:
                states[edge.end] = REWIRED
        edges |= {e: REWIRED for e, change in edges.items() if change == ADDED and states[e.end] == REWIRED}
        descriptions = {box: self._described(node) for box, node in (old | new).items()}
        apart_by = difference(*([self.values[node] for node in g.outputs] for g in (graph, before)))
        return Stage(name, graph, snapshot, states, edges, descriptions, apart_by)

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
                yield Edge(self.boxes[parent], self.boxes[node])

    def _described(self, node: Node) -> str:
        """`%5 = matmul(x, A), (64, 4) float64, variable t2, 131k flops, 141k bytes, 1 call`."""
        operands = (self.names[self.boxes[parent]] for parent in node.parents)
        details = ", ".join([*operands, *(f"{k}={v}" for k, v in node.params.items())])
        label, cost, took = self.names[self.boxes[node]], node_cost(node), self._took(node)
        parts = [f"{label} = {node.op}({details})" if node.parents else f"{label}, {node.op}"]
        parts.append(f"{node.shape} {node.dtype}" if node.shape else f"a number, {node.dtype}")
        parts += [f"variable {self.labels[node]}"] * (label != self.labels[node])
        if node.parents:
            cost_text = f"{short(cost.flops)} flops, {short(cost.bytes)} bytes, 1 call"
            parts.append(cost_text if cost.calls else "a view, which is free")
        return one_line(", ".join(parts)) + (f", {took:.1f} microseconds by itself" if took else "")

    def _with_cost(self, box: Box, node: Node) -> Box:
        """The box as in other pictures, with its cost. Its operands differ between graphs."""
        took, flops = self._took(node), node_cost(node).flops if node.parents else 0
        costs = [f"{short(flops)} flops"] * bool(flops) + ([f"{took:.1f} µs"] if took else [])
        return self.named(replace(box, id=self.boxes[node], shape=", ".join([box.shape, *costs])))

    def named(self, box: Box) -> Box:
        """The box with its name, and with the variable where the code calls it something else."""
        name, variable = self.names[box.id], self.variables[box.id]
        return replace(box, label=name, variable=variable if name != variable else box.variable, numbered=True)


def _changes(old: Mapping[Part, Any], new: Mapping[Part, Any]) -> dict[Part, str]:
    """For each part of two graphs whether it is KEPT, ADDED or REMOVED."""
    return {x: (KEPT if x in new else REMOVED) if x in old else ADDED for x in [*old, *new]}


def short(number: float) -> str:
    """4690000 as 4.69M, 131072 as 131k."""
    size, unit = next(((size, unit) for size, unit in UNITS if number >= size), (1, ""))
    return f"{number / size:.{2 if unit and number < 100 * size else 0}f}{unit}"


def apart(difference: float) -> str:
    """A difference such as 7.8e-16; two digits are enough to tell rounding from a mistake."""
    return f"{difference:.1e}" if difference else "0"
