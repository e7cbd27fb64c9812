"""What can be stepped through: a node, a graph, a layer, a function, and the passes of a compiled function."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...compiler import CompiledFunction
from ...compiler.cost import Cost, graph_cost
from ...compiler.techniques import LAWS
from ...core import Graph, rebuilt, topological_order
from ...core.node import INPUT, ComputationNode
from ...core.trace import ARRAY, trace
from ...errors import TraceError
from ...nn.layer import Layer
from ..diagram.collapse import MOST_BOXES, Collapsed, Open, collapsed
from ..diagram.data import Diagram, diagram
from ..diagram.functions import made_by
from ..diagram.layers import run_layer
from ..equations import plain
from ..words.grammar import counted
from ..written import LineRecord, UserCode, user_frame
from .events import ACTIVE, DONE, Event, State, Timeline
from .steps import timeline_of_graph

Steppable = ComputationNode | Graph | Layer | CompiledFunction | Callable[..., Any]  # what has steps


def timeline(
    obj: Steppable, *arrays: Any, seed: ArrayLike | None = None, title: str | None = None, open: Open = ()
) -> Timeline:
    """The steps of `obj`; the arguments are those of `step_through`."""
    frame = user_frame(sys._getframe())
    if isinstance(obj, CompiledFunction):
        if seed is not None:
            reason = "no gradient is sent back, so pass no seed"
            raise TypeError(f"the steps of a compiled function are its passes: {reason}")
        return _passes(obj.prepare(*arrays) if arrays else obj, title)
    if isinstance(obj, Layer):
        if len(arrays) != 1:
            raise TraceError(f"{type(obj).__name__} has no numbers yet: pass one example, step_through(layer, x)")
        x, y, _ = LineRecord().noting(run_layer)(obj, arrays[0])
        graph, picture = Graph([x], [y]), diagram(obj, arrays[0], title=title)
        return timeline_of_graph(graph, (x.value,), picture, seed, UserCode(graph, frame, [obj]), open)
    if isinstance(obj, ComputationNode):
        inputs = [node for node in topological_order([obj]) if node.op is INPUT and not node.known]
        if len(inputs) != len(arrays):
            raise TraceError(f"{obj.name or obj.op} {_miscounted(inputs, arrays)}")
        title, obj = title or f"Computation of {obj.name or made_by(obj)}", Graph(inputs, [obj])
    if isinstance(obj, Graph):
        return _of_graph(obj, arrays, seed, title, UserCode(obj, frame, variables=True), open)
    if not callable(obj):
        kinds = "a node, a Graph, a layer, a function or a compiled function"
        raise TypeError(f"{kinds} can be stepped through, not {type(obj).__name__}")
    arguments = tuple(x for x in arrays if isinstance(x, ARRAY))
    graph = trace(LineRecord().noting(obj), *arrays)
    code = UserCode(graph, frame, [obj])
    return _of_graph(graph, arguments, seed, title or getattr(obj, "__name__", ""), code, open)


def _of_graph(
    graph: Graph, arguments: tuple[Any, ...], seed: ArrayLike | None, title: str | None, code: UserCode, open: Open
) -> Timeline:
    """The steps of a graph on arrays or on nodes with values, rebuilt so that every node has its value."""
    inputs = graph.arguments
    if len(inputs) != len(arguments):
        raise TraceError(f"the graph {_miscounted(inputs, arguments)}")
    arrays = tuple(x.value if isinstance(x, ComputationNode) else np.asarray(x) for x in arguments)
    if inputs:
        next(graph.running(*arrays))  # raises where an array has another shape
    trained = [getattr(x, "requires_gradient", False) for x in arguments]
    rows = zip(inputs, arrays, trained, strict=True)
    known = [ComputationNode(INPUT, (), {}, a.shape, a.dtype, wanted, a[()], x.name) for x, a, wanted in rows]
    leaves = dict(zip(graph.inputs, [*known, *graph.captured], strict=True))
    return timeline_of_graph(graph.map(rebuilt, leaves), arrays, diagram(graph, title=title), seed, code, open)


def _miscounted(inputs: Sequence[ComputationNode], arrays: tuple[Any, ...]) -> str:
    """The end of the error message if there is not one array for each input."""
    names, many = ", ".join(x.name or str(x.shape) for x in inputs), len(inputs) > 1
    hint = f"its inputs are {names}: pass an array for each" if many else f"its input is {names}: pass an array for it"
    return f"was given {counted(len(arrays), 'array')}; {hint if inputs else 'it has its numbers: pass no arrays'}"


def _passes(compiled: CompiledFunction, title: str | None) -> Timeline:
    """What each pass did, from the compiler's snapshots. The picture of a step is the graph after it."""
    traced, snapshots = compiled.program.traced, compiled.snapshots
    graphs = [*accumulate(snapshots, lambda graph, s: s.after if s.kept else graph, initial=traced)]
    new_boxes = [_new_boxes(after, before) for after, before in zip(graphs, [traced, *graphs], strict=False)]
    width = max(len(name) for name in (compiled.name, *(s.name for s in snapshots)))
    few = [_picture(graph, new, title or compiled.name) for graph, new in zip(graphs, new_boxes, strict=True)]
    marks = [_marks(picture, new) for picture, new in zip(few, new_boxes, strict=True)]

    def walk() -> Iterator[Event]:
        cost = _cost(graph_cost(traced))
        yield Event(1, "compile", "traced", compiled.name, "", cost, states=marks[0], width=width)
        for i, (s, states) in enumerate(zip(snapshots, marks[1:], strict=True), 1):
            kind, law = "applied" if s.kept else "declined", plain(LAWS.get(s.name, ""))
            numbers = f"{_cost(s.cost_before)} -> {_cost(s.cost_after)}"
            yield Event(i + 1, "compile", kind, s.name, "", numbers, s.note, law, states=states, picture=i, width=width)

    note = max(few, key=lambda picture: len(picture.box_of)).note
    return Timeline(few[0].diagram.title, tuple(picture.diagram for picture in few), walk, note)


def _new_boxes(after: Graph, before: Graph) -> set[str]:
    """The ids of the boxes whose nodes are new: n0, n1, ..., numbered as in a diagram."""
    old = set(before.nodes)
    return {f"n{i}" for i, node in enumerate(after.nodes) if node not in old}


def _marks(picture: Collapsed, new_boxes: set[str]) -> dict[str, State]:
    """The state of each box: ACTIVE if its node, or any node of the layer that it stands for, is new."""
    new = {picture.box_of[name] for name in new_boxes}
    return {box: State(mark=ACTIVE if box in new else DONE) for box in picture.box_of.values()}


def _picture(graph: Graph, new_boxes: set[str], title: str) -> Collapsed:
    """The picture of the graph after a pass, a large one by its layers. New boxes say so beside their shape."""
    few = collapsed(diagram(graph, title=title), open=True)  # a pass changes operations inside functions as well
    if few.note and not few.layers:  # the end of a graph is no picture of what a pass did
        ids = {name: name for name in (f"n{i}" for i in range(len(graph.nodes)))}
        note = f"The graph has {len(ids):,} nodes; pictures are drawn of up to {MOST_BOXES}."
        return Collapsed(Diagram(few.diagram.title, (), ()), ids, {}, note)
    new = {few.box_of[name] for name in new_boxes}
    boxes = tuple(replace(box, shape=f"{box.shape}, new") if box.id in new else box for box in few.diagram.boxes)
    arrows = tuple(replace(arrow, gradient=False) for arrow in few.diagram.arrows)
    return few._replace(diagram=replace(few.diagram, boxes=boxes, arrows=arrows))


def _cost(cost: Cost) -> str:
    return f"{cost.flops:,} flops in {counted(cost.calls, 'call')}"
