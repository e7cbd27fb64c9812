"""What a picture shows, as plain data: boxes, arrows, clusters, a legend. No drawing library is needed to make it.

`diagram` reads a graph; others draw the result, and `text.py` lists it. All show the same facts, because all read them
here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ...boundary.lines import REPLACED
from ...core import Graph, topological_order
from ...core.node import CONSTANT, INPUT, PARAMETER, ComputationNode, Op
from ...nn.calls import calls_behind
from ...nn.layer import Layer
from ..words.sentences import about_zero, one_line, parameter_text, shape_text, short_array
from .functions import made_by, with_functions
from .layers import Frames, Ids, counts, frames, own_names, run_layer
from .training import backward_of, variable_of, with_gradients

if TYPE_CHECKING:
    from ...compiler import CompiledFunction

Drawable: TypeAlias = "ComputationNode | Graph | Layer | CompiledFunction | Diagram"  # what has a picture

# A box has one of these roles. The words stand in the legend.
ROLES = {
    "input": "input: given from outside",
    "trainable": "trainable parameter",
    "frozen": "frozen parameter",
    "constant": "constant",
    "operation": "operation",
}
OUTPUT = "output: the result"
GRADIENT_FLOWS = "a gradient flows back"
KEPT = "a value kept for the gradient"

COMMUTATIVE = {"add", "multiply"}  # for the others, each arrow says which operand it brings
Heat: TypeAlias = tuple[tuple[float, ...], ...]  # the rows of an array that is drawn in colors
LEAST = 1e-14  # smaller numbers are 0 there
MOST_COLORED, LONGEST_SIDE = 256, 32  # numbers of an array that is drawn in colors, and rows or columns of it
STEPS = 12  # operations that the text alternative lists one by one


@dataclass(frozen=True, slots=True)
class Box:
    """One node of the graph. `value` and `gradient` are lines of text, empty where they were not asked for."""

    id: str
    label: str  # its own name, or its place in the order, as in %3; no other box has it
    operation: str  # "matmul"; for a leaf "input", "parameter" or "constant"
    operands: tuple[str, ...]  # labels of the boxes that it is computed from
    parameters: tuple[tuple[str, str], ...]
    shape: str
    dtype: str
    role: str
    output: bool
    value: tuple[str, ...] = ()
    gradient: tuple[str, ...] = ()
    formula: str = ""  # what a fused operation of the compiler computes: "x0 + x1 * 0.5"
    heat: Heat = ()  # the rows of a small array, to be drawn in colors
    variable: str = ""  # that holds it in a program, where that is not the label
    inside: int = 0  # for a closed function or layer, how many operations the box stands for
    numbered: bool = False  # whether a label such as %3 counts as a name, because a text beside the picture uses it

    @property
    def named(self) -> bool:
        """Whether the label is a name, and not only a number such as %3."""
        return self.numbered or not self.label.startswith("%")

    @property
    def title(self) -> str:
        """The first text in the box: the operation; for a leaf its name; for an unnamed number its value."""
        if self.role == "operation":
            return self.operation
        if self.named or self.role != "constant" or self.shape != "scalar" or not self.value:
            return self.label if self.named else self.operation
        return self.value[0]

    @property
    def expression(self) -> str:
        """`matmul(x, W)`; for a leaf its kind, such as `input`."""
        if self.role != "operation":
            return self.operation
        call = f"{self.operation}({', '.join([*self.operands, *(f'{k}={v}' for k, v in self.parameters)])})"
        return f"{call}: {self.formula}" if self.formula else call

    @property
    def sentence(self) -> str:
        """`%2 = matmul(x, W), (2, 3) float64, operation`: what a reader sees who points at the box."""
        return f"{self.label} = {self.expression}, {self.shape} {self.dtype}, {self.role}"

    @property
    def lines(self) -> list[tuple[str, str]]:
        """The lines below the title, as pairs of a name and a text. A line that continues another has no name."""
        pairs = [("computes", self.formula)] * bool(self.formula) + [*self.parameters]
        pairs += [("variable", self.variable)] * bool(self.variable)
        for what, texts in (("value", self.value), ("gradient", self.gradient)):
            pairs += [(what if i == 0 else "", text) for i, text in enumerate(texts) if text != self.title]
        return pairs


@dataclass(frozen=True, slots=True)
class Arrow:
    """From an operand to the operation that uses it."""

    start: str
    end: str
    label: str  # the operand's name, where the order matters
    gradient: bool  # whether `backward()` sends a gradient back along it
    kept: bool = False  # whether it leads from a forward operation into the gradient part


@dataclass(frozen=True, slots=True)
class Diagram:
    """Everything that a picture shows."""

    title: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    clusters: Frames = ()

    @property
    def operands(self) -> dict[str, list[str]]:
        """By the id of each box that arrows lead to, the ids of the boxes that they come from."""
        operands: dict[str, list[str]] = defaultdict(list)
        for arrow in self.arrows:
            operands[arrow.end].append(arrow.start)
        return operands

    def part(self, ids: Container[str], title: str) -> Diagram:
        """The boxes with these ids and the arrows between them, without frames."""
        boxes = tuple(box for box in self.boxes if box.id in ids)
        return Diagram(title, boxes, tuple(a for a in self.arrows if a.start in ids and a.end in ids))

    @property
    def legend(self) -> list[tuple[str, str]]:
        """The roles that occur, each with its meaning."""
        present = {box.role for box in self.boxes}
        entries = [(role, words) for role, words in ROLES.items() if role in present]
        return entries + [("output", OUTPUT)] * any(box.output for box in self.boxes)

    @property
    def marks_gradients(self) -> bool:
        """Whether some arrows carry a gradient back and some do not, so that the difference is worth showing."""
        return len({arrow.gradient for arrow in self.arrows}) > 1

    @property
    def keeps(self) -> bool:
        """Whether values of the forward part are kept for a gradient part in the picture."""
        return any(arrow.kept for arrow in self.arrows)

    @property
    def arrow_legend(self) -> list[tuple[str, str, str]]:
        """The kinds of arrows that are marked: the class, the look and the meaning of each."""
        marked = [("marked", "thick arrow", GRADIENT_FLOWS)] * self.marks_gradients
        return marked + [("kept", "dashed arrow", KEPT)] * self.keeps

    @property
    def alternative(self) -> str:
        """The picture in words, for those who do not see it."""
        parts = [words for role in ROLES if (words := self._in_words(role))]
        steps = [f"{box.label} = {box.expression}" for box in self.boxes if box.role == "operation"]
        more = f"; and {len(steps) - STEPS} more" if len(steps) > STEPS else ""
        results = [f"{box.label}, {_a_value(box.shape)}" for box in self.boxes if box.output]
        layers = [cluster.title for cluster in self.clusters if not cluster.function]
        sentences = [
            f"{self.title}: {', '.join(parts) or 'nothing'}.",
            f"Layers: {', '.join(layers)}." if layers else "",
            f"In order: {'; '.join(steps[:STEPS])}{more}." if steps else "",
            f"Output: {'; '.join(results)}." if results else "",
        ]
        return one_line(" ".join(sentence for sentence in sentences if sentence))

    def _in_words(self, role: str) -> str:
        """How many boxes have this role, with the names of leaves; "" if none has it."""
        boxes = [box for box in self.boxes if box.role == role]
        words = f"{len(boxes)} {ROLES[role].partition(':')[0]}{'s' * (len(boxes) != 1)}"
        names = [box.label for box in boxes if box.named and role != "operation"]
        listed = f" ({', '.join(names[:STEPS])}{', ...' if len(names) > STEPS else ''})" if names else ""
        return words + listed if boxes else ""


def diagram(
    obj: Drawable, example: ArrayLike | None = None, *, values: bool | str = False, gradients: bool = False,
    title: str | None = None,
) -> Diagram:  # fmt: skip
    """The plain data of a picture of `obj`.

    The picture of a node shows everything that it depends on, with a frame around the nodes of each layer.

    obj: a node, a Graph, a layer or a compiled function
    example: an input for a layer, an array or a shape
    values: True asks for the numbers; "heatmap" for the arrays of up to 256 numbers in colors
    gradients: True asks for the gradients; one is "-" until `backward()` has filled it
    title: goes above; None says what it is
    Returns a `Diagram`: boxes, arrows and frames.
    Raises TypeError for anything else.

    >>> x = tl.parameter([1.0, 2.0], name="x")
    >>> picture = tl.diagram(tl.sum(x * x))
    >>> [box.label for box in picture.boxes], [(arrow.start, arrow.end) for arrow in picture.arrows]
    (['x', '%1', '%2'], [('n0', 'n1'), ('n0', 'n1'), ('n1', 'n2')])
    """
    if isinstance(obj, Diagram):
        refuse(obj, {"example": example is not None, "values": values, "gradients": gradients, "title": title})
        return obj
    outputs: tuple[ComputationNode, ...]
    holders: Mapping[ComputationNode, ComputationNode] = {}
    replaced: Mapping[ComputationNode, Sequence[ComputationNode]] = {}
    if isinstance(obj, Layer):
        x, y, calls = run_layer(obj, example)
        nodes, outputs, subject = topological_order([x, y]), (y,), f"{type(obj).__name__}, {counts(obj)}"
    elif isinstance(obj, ComputationNode):
        nodes, outputs, subject = topological_order([obj]), (obj,), f"Computation of {obj.name or made_by(obj)}"
    elif isinstance(graph := obj if isinstance(obj, Graph) else getattr(obj, "graph", None), Graph):
        nodes, outputs, subject = graph.nodes, graph.outputs, _title_of_graph(obj, graph)
        holders = dict(zip(graph.weights, graph.captured, strict=True))
        replaced = graph.memory.get(REPLACED, {}) | {parameter: [x] for x, parameter in holders.items()}
    elif isinstance(model := getattr(obj, "model", None), Layer):  # of a network with its tokenizer
        return diagram(model, example, values=values, gradients=gradients, title=title)
    else:
        problem = f"a picture shows a node, a Graph, a layer or a compiled function, not {type(obj).__name__}"
        raise TypeError(f"{problem}: of a Python function draw its graph, tl.draw(tl.trace(f, *examples))")
    if example is not None and not isinstance(obj, Layer):
        raise TypeError("an example input is for layers only: a graph has the shapes that it was made with")
    ids = {node: f"n{i}" for i, node in enumerate(nodes)}
    if isinstance(obj, Layer):
        names, clusters = own_names(calls), tuple(part for whole in frames(calls, ids) for part in whole.clusters)
    else:
        calls = calls_behind(nodes)
        clusters, dotted, times = frames(calls, ids), own_names(calls), Counter(node.name for node in nodes)
        unclear = [node for node in nodes if not node.name or times[node.name] > 1]
        names = {n: dotted[p] for n in unclear if (p := holders.get(n, n)) in dotted}
    backward = backward_of(nodes, {node: names.get(node, node.name) for node in nodes}, replaced)
    names = {**names, **backward.names}
    labels = dict(zip(nodes, _labels([names.get(node, node.name) for node in nodes]), strict=True))
    boxes = [_box(node, ids, labels, node in outputs, holders.get(node, node), values, gradients) for node in nodes]
    fixed = not isinstance(obj, ComputationNode | Graph | Layer)  # compiled: nothing is sent back through it
    flowing = set() if fixed else _flowing(nodes)
    arrows = [arrow for node in nodes for arrow in _arrows(node, ids, flowing)]
    back = {ids[node] for node in backward.nodes}
    kept = {ids[node] for node in nodes if node.parents} - back
    arrows = [replace(a, gradient=False, kept=a.start in kept) if a.end in back else a for a in arrows]
    clusters = with_functions(with_gradients(clusters, nodes, backward, ids), nodes, ids)
    return Diagram(one_line(title or "") or one_line(subject), tuple(boxes), tuple(arrows), clusters)


def refuse(picture: Any, options: Mapping[str, Any]) -> None:
    """Raise TypeError if one of these options is asked of a picture that is already made."""
    if asked := [name for name, changed in options.items() if changed]:
        problem = f"a {type(picture).__name__} is made already, and {' and '.join(asked)} cannot be changed"
        raise TypeError(f"{problem}: give the options with the node, Graph or layer that it shows")


def _box(
    node: ComputationNode, ids: Ids, labels: Mapping[ComputationNode, str], output: bool, holder: ComputationNode,
    values: bool | str, gradients: bool,
) -> Box:  # fmt: skip
    """The box of a node. `holder` has its numbers: the node, or the parameter behind an input of a traced graph."""
    role = role_of(node)
    tells_value = bool(values) or (role == "constant" and not node.shape)
    return Box(
        id=ids[node],
        label=labels[node],
        operation=str(node.op),
        operands=tuple(labels[p] for p in node.parents),
        parameters=tuple((k, parameter_text(v)) for k, v in node.params.items()),
        shape=shape_text(node.shape),
        dtype=str(node.dtype),
        role=role,
        output=output,
        value=_numbers(holder.value if holder.known else None) if tells_value else (),
        gradient=_numbers(holder.gradient) if gradients and role != "constant" else (),
        heat=heat_rows(holder.value) if values == "heatmap" and holder.known else (),
        formula="" if str(node.op) in Op.registry else node.op.numpy,
        variable="" if labels[node] == node.name or not node.parents else variable_of(node),
    )


def _flowing(nodes: Sequence[ComputationNode]) -> set[ComputationNode]:
    """The nodes that gradients reach: trainable parameters, and what depends on them."""
    reached: set[ComputationNode] = set()
    for node in nodes:
        if role_of(node) == "trainable" or (node.op.differentiable and not reached.isdisjoint(node.parents)):
            reached.add(node)
    return reached


def _arrows(node: ComputationNode, ids: Ids, flowing: set[ComputationNode]) -> Iterator[Arrow]:
    ordered = len(node.parents) > 1 and str(node.op) not in COMMUTATIVE
    names = node.op.operands(len(node.parents)) if ordered else [""] * len(node.parents)
    for name, parent in zip(names, node.parents, strict=True):
        yield Arrow(ids[parent], ids[node], name, parent in flowing and node in flowing)


def role_of(node: ComputationNode) -> str:
    """The role of a node in pictures, one of ROLES."""
    if node.op is PARAMETER:
        return "trainable" if node.requires_gradient else "frozen"
    return "input" if node.op is INPUT else "constant" if node.op is CONSTANT else "operation"


def _labels(names: Sequence[str | None]) -> Iterator[str]:
    """A unique label for each node: its name if no earlier node has it, else its number in the order, as in %3."""
    taken: set[str] = set()
    for i, wanted in enumerate(names):
        name = one_line(wanted or "")
        label = name if name and name not in taken and not name.startswith("%") else f"%{i}"
        taken.add(label)
        yield label


def heat_rows(array: Any) -> Heat:
    """The numbers of a small array row by row, whatever its axes; none of a large one, or if one is not finite.

    What is only rounding is 0.
    """
    if not 1 < array.size <= MOST_COLORED or array.dtype.kind not in "fiub" or not np.isfinite(array).all():
        return ()
    rows = array.reshape(-1, array.shape[-1])
    if max(rows.shape) > LONGEST_SIDE:
        return ()
    return tuple(tuple(float(n) if abs(n) >= LEAST else 0.0 for n in row) for row in rows)


def _numbers(array: Any) -> tuple[str, ...]:
    """A few lines of text, in which what is only rounding is about 0: `~0` for 1.156e-18, and for -0."""
    return ("-",) if array is None else tuple(map(about_zero, short_array(array)))


def _title_of_graph(obj: Any, graph: Graph) -> str:
    inputs = [x.name or "an input" for x in graph.arguments]
    name = getattr(obj, "name", None) or getattr(obj, "__name__", None) or "Graph"
    return f"{name}({', '.join(inputs)})" if len(inputs) <= STEPS else f"{name}({len(inputs)} inputs)"


def _a_value(shape: str) -> str:
    return "a number" if shape == "scalar" else f"an array of shape {shape}"
