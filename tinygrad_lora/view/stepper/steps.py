"""A computation as events, one step at a time. The events come from the engine's own generators, paused at each step.

`Graph.running` yields each node as its value becomes known, `pulling_back` each node as its gradient is complete.
Between two nodes of the backward walk there is one contribution along each edge.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from ...core import Array, ComputationNode, Graph, Op
from ...core.autodiff import pulling_back
from ...errors import GradientError, ShapeError
from ..contributions import contributions, trainable
from ..diagram.collapse import Open, collapsed
from ..diagram.data import Diagram, heat_rows, role_of
from ..equations import NodeFormulas, equation, in_line, letters, unsigned_zeros
from ..words.grammar import counted
from ..words.sentences import about_zero, number
from ..written import Origin, UserCode
from .events import ACTIVE, ASIDE, DONE, WAITING, Event, State, Timeline

MOST_TOTALS = 8  # gradients that the last step names
FORWARD = "Forward only"
WIDEST = 24  # characters of the column that says where a step takes place


def timeline_of_graph(
    graph: Graph, arrays: tuple[Array, ...], diagram: Diagram, seed: ArrayLike | None, code: UserCode,
    open: Open = (),
) -> Timeline:  # fmt: skip
    """The forward steps of a graph whose nodes have values, and the backward steps where it has one output.

    `diagram` is its picture, with one box for each node, in order; `code` the user's code that made it; `open` says
    which functions are drawn open.
    """
    note = _forward_only(graph, seed)
    if note and seed is not None:
        raise GradientError(f"{note.removesuffix('.')}; so a seed leads nowhere")
    walk = GraphWalk(graph, arrays, diagram, None if note else _seed(graph.outputs[0], seed), open)
    walk.origins = code.origins(graph)
    notes = " ".join(filter(None, [walk.left_out, note]))
    return Timeline(diagram.title, (walk.diagram,), walk.events, notes, code.excerpts, walk)


def _forward_only(graph: Graph, seed: ArrayLike | None) -> str:
    """A sentence that says why there are no backward steps; "" if there are."""
    output = graph.outputs[0]
    if len(graph.outputs) > 1:
        return f"{FORWARD}: backward starts at one output, and there are {len(graph.outputs)}."
    if not output.requires_gradient:
        return f"{FORWARD}: the output depends on no parameter that requires a gradient."
    if output.shape and seed is None:
        remedy = f"step through tl.sum of it, or pass seed=np.ones({output.shape})"
        return f"{FORWARD}: backward starts at a number, and the output has shape {output.shape}; {remedy}."
    for node in graph.nodes:  # a fused operation of the compiler has no rule
        if node.parents and node.requires_gradient and type(node.op).vjp is Op.vjp:
            return f"{FORWARD}: {node.op} has no gradient rule."
    return ""


def _seed(output: ComputationNode, seed: ArrayLike | None) -> Array:
    array = np.asarray(1.0 if seed is None else seed, dtype=output.dtype)[()]
    if array.shape != output.shape:
        raise ShapeError(f"the seed has shape {array.shape}; the output has {output.shape}")
    return array


class GraphWalk:
    """The steps of one graph: holds what they have in common, and nothing that changes from step to step."""

    def __init__(
        self, graph: Graph, arrays: tuple[Array, ...], diagram: Diagram, seed: Array | None, open: Open = ()
    ) -> None:
        self.graph, self.arrays, self.seed = graph, arrays, seed
        self.origins: Mapping[ComputationNode, Origin] = {}  # the user's line of each node
        few = collapsed(diagram, open)
        self.diagram, self.layers, self.left_out = _plainer(few.diagram), few.layers, few.note
        ids = {node: box.id for node, box in zip(graph.nodes, diagram.boxes, strict=True)}
        self.labels = {node: box.label for node, box in zip(graph.nodes, diagram.boxes, strict=True)}
        self.box_of = {node: few.box_of[name] for node, name in ids.items() if name in few.box_of}
        names = {box.id: box.label for box in self.diagram.boxes} | dict(self.layers)
        self.names = {node: names[box] for node, box in self.box_of.items()}  # where a step takes place
        plain = {node for node, box in self.box_of.items() if box not in self.layers}
        self.visible = {node for node in self.box_of if node in plain or self.leaves_its_layer(node)}
        edges = [(p, n) for n in self.box_of for p in n.parents if p in self.visible and self.between_boxes(n, p)]
        places = [*names.values(), *(f"{self.names[n]} -> {self.names[p]}" for p, n in edges)]
        self.width = min(WIDEST, max(map(len, places), default=0))
        # A first walk counts the contributions to each node: some rules send none.
        self.expected: Counter[ComputationNode] = Counter()
        values = {node: node.value for node in graph.nodes}
        for node, g in pulling_back(graph.outputs[0], seed) if seed is not None else ():
            self.expected.update(parent for _, parent, _ in contributions(node, g, values, trainable))

    def leaves_its_layer(self, node: ComputationNode) -> bool:
        """Whether this node is an output, or a node outside its layer's box uses it."""
        return node in self.graph.outputs or any(self.between_boxes(user, node) for user in self.graph.users[node])

    def between_boxes(self, user: ComputationNode, node: ComputationNode) -> bool:
        """Whether both ends of this edge are shown, in different boxes."""
        return user in self.box_of and node in self.box_of and self.box_of[user] != self.box_of[node]

    def events(self) -> Iterator[Event]:
        """All steps, in order."""
        so_far = _SoFar(self)
        for node, value in self.graph.running(*self.arrays):
            so_far.values[node] = value
            if node in self.visible:
                yield so_far.evaluated(node)
        yield so_far.forward_done()
        if self.seed is None:
            return
        for node, g in pulling_back(self.graph.outputs[-1], self.seed):
            if node in self.visible:
                yield so_far.ready(node, g)
            for operand, parent, part in contributions(node, g, so_far.values, trainable):
                so_far.sent[parent].append(part)
                if self.between_boxes(node, parent):
                    yield so_far.contributed(node, operand, parent, part, g)
        yield so_far.backward_done()


class _SoFar:
    """The state of a walk: the number of the step, all values, all gradients, and what each box shows."""

    def __init__(self, walk: GraphWalk) -> None:
        self.walk, self.labels, self.number = walk, walk.labels, 0
        self.values: dict[ComputationNode, Array] = {}
        self.sent: dict[ComputationNode, list[Array]] = {node: [] for node in walk.expected}
        self.states = {box.id: State() for box in walk.diagram.boxes}
        self.active: list[ComputationNode] = []
        self.written = NodeFormulas(self.labels, self.values)

    # --- Forward ---

    def evaluated(self, node: ComputationNode) -> Event:
        array = self.values[node]
        self.focus(node, value=brief(array))
        numbers = f"{self.labels[node]} = {in_line(array)}"
        if self.walk.box_of[node] in self.walk.layers:
            kind = "function" if self.walk.names[node] == self.labels[node] else "layer"
            return self.event("forward", "evaluate", node, numbers, f"what the {kind} gives", array=array)
        if node.parents:
            return self.event("forward", "evaluate", node, self.written.forward(node), rule=True, array=array)
        return self.event("forward", "visit", node, numbers, KINDS[role_of(node)], array=array)

    def forward_done(self) -> Event:
        outputs = self.walk.graph.outputs
        results = ", ".join(f"{self.labels[y]} = {in_line(self.values[y])}" for y in dict.fromkeys(outputs))
        self.finish()
        return self.event("forward", "done", outputs[-1], results, "every value is known")

    # --- Backward ---

    def ready(self, node: ComputationNode, g: Array) -> Event:
        if node not in self.sent:  # the output comes first
            self.set_aside({node, *self.sent})
        self.focus(node, gradient=brief(g))
        parts = self.sent.get(node, [])
        total = f" = {' + '.join(map(in_line, parts))}" if len(parts) > 1 and not node.shape else ""
        numbers = f"{self.labels[node]}.gradient{total} = {in_line(g)}"
        return self.event("backward", "ready", node, numbers, self.outlook(node), rule=bool(node.parents), array=g)

    def outlook(self, node: ComputationNode) -> str:
        """What a complete gradient means for the next steps."""
        n = len(self.sent.get(node, []))
        remarks = [] if n else ["where backward starts"]
        if n > 1:
            remarks.append(f"{'both' if n == 2 else f'all {n}'} contributions are in")
        if not node.parents:
            remarks.append("a leaf, so it sends nothing on")
        if silent := [p for p in dict.fromkeys(node.parents) if not p.requires_gradient]:
            remarks.append(f"nothing goes to {', '.join(f'{self.labels[p]} ({SILENT[role_of(p)]})' for p in silent)}")
        return "; ".join(remarks)

    def contributed(self, node: ComputationNode, operand: int, parent: ComputationNode, part: Array, g: Array) -> Event:
        self.focus(node)
        n, of = len(self.sent[parent]), self.walk.expected[parent]
        missing = f", waiting for {of - n}" if n < of else ""
        self.set(parent, gradient=brief(self.total(parent)) + (f"{missing} of {of}" if missing else ""))
        numbers = self.written.sent(node, operand, g, part)
        note = f"{n} of {counted(of, 'contribution')}{missing}"
        return self.event(
            "backward", "contribute", node, numbers, note, rule=True, to=parent, sent=brief(part), array=part
        )

    def total(self, node: ComputationNode) -> Array:
        """The sum of the contributions to a node so far, added in order, as the engine does it."""
        first, *others = self.sent[node]
        return sum(others, first)

    def backward_done(self) -> Event:
        self.finish()
        leaves = [n for n in self.sent if not n.parents and n in self.walk.visible]
        totals = [f"{self.labels[n]}.gradient = {brief(self.total(n))}" for n in leaves[:MOST_TOTALS]]
        more = f" and {len(leaves) - MOST_TOTALS} more" if len(leaves) > MOST_TOTALS else ""
        text = ", ".join(totals) + more
        return self.event("backward", "done", self.walk.graph.outputs[-1], text, "every gradient is complete")

    # --- Boxes ---

    def focus(self, node: ComputationNode, **changes: str) -> None:
        """Mark this node as active, and the one before as done."""
        self.finish()
        self.active = [node]
        self.set(node, mark=ACTIVE, **changes)

    def finish(self) -> None:
        for node in self.active:
            self.set(node, mark=DONE)
        self.active = []

    def set_aside(self, taking_part: set[ComputationNode]) -> None:
        """At the start of the backward steps: mark the boxes that take part as waiting, and the others as aside."""
        boxes = {self.walk.box_of[node] for node in taking_part if node in self.walk.box_of}
        for box, state in self.states.items():
            self.states[box] = state._replace(mark=WAITING if box in boxes else ASIDE)

    def set(self, node: ComputationNode, **changes: str) -> None:
        box = self.walk.box_of[node]
        self.states[box] = self.states[box]._replace(**changes)

    def event(
        self, phase: str, kind: str, node: ComputationNode, numbers: str, note: str = "", *, rule: bool = False,
        to: ComputationNode | None = None, sent: str = "", array: ArrayLike = (),
    ) -> Event:  # fmt: skip
        self.number += 1
        law = equation(node.op) if rule else ""
        return Event(
            self.number, phase, kind, self.walk.names[node], self.walk.box_of[node], numbers, note,
            equation=law, letters=letters(node, law, self.labels) if rule else "",
            to="" if to is None else self.walk.names[to], to_box="" if to is None else self.walk.box_of[to],
            sent=sent, heat=heat_rows(np.asarray(array)), origin=self.walk.origins.get(node),
            states=dict(self.states), width=self.walk.width,
        )  # fmt: skip


KINDS = {
    "input": "an input, given",
    "trainable": "a trainable parameter, given",
    "frozen": "a frozen parameter, given",
    "constant": "a constant",
}
SILENT = {"input": "an input", "frozen": "frozen", "constant": "a constant", "operation": "no gradient"}


def brief(array: ArrayLike) -> str:
    """The text for an array in a box: its numbers if they are short, else the smallest and the largest."""
    text = in_line(array)
    if len(text) <= WIDEST and not text.startswith("shape"):
        return text
    if not np.size(array):
        return "no elements"
    array = unsigned_zeros(array)
    with np.errstate(all="ignore"):
        low, high = (about_zero(number(x)) for x in (array.min(), array.max()))
    if "nan" in (low, high):
        return "holds nan"
    return f"all {low}" if low == high else f"{low} to {high}"


def _plainer(diagram: Diagram) -> Diagram:
    """The picture with a label in every box, and without marks for gradients, which the steps show."""
    boxes = tuple(replace(box, numbered=True) for box in diagram.boxes)
    return replace(diagram, boxes=boxes, arrows=tuple(replace(arrow, gradient=False) for arrow in diagram.arrows))
