"""The gradient part of a graph: its own frame, the names of what it gives, and the values that it keeps from before.

A result of `gradients` remembers what it is the gradient of; a node of the gradient part has the origin of the forward
node that it mirrors.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ...core import ops, topological_order
from ...core.autodiff import gradients
from ...core.node import CONSTANT, ComputationNode
from .layers import Frames, Ids, LayerFrame, every, mapped

Nodes = Sequence[ComputationNode]
Names = Mapping[ComputationNode, str | None]
Replaced = Mapping[ComputationNode, Nodes]
VARIABLE = re.compile(r"t\d+")  # as programs name what they compute


class Backward(NamedTuple):
    """The nodes of the gradient part, in order, and names for the outputs: `loss`, `dL/dA`."""

    nodes: list[ComputationNode]
    names: dict[ComputationNode, str]
    of: str  # the names of what they are gradients of


def backward_of(nodes: Nodes, names: Names, replaced: Replaced) -> Backward:
    """The gradient part of a graph, if it has one. `names` are those that nodes have already.

    `replaced` says what passes have put in the place of a node.
    """
    place = {node: i for i, node in enumerate(nodes)}
    marks: dict[ComputationNode, tuple[ComputationNode, ComputationNode]] = {}
    for node in [*nodes, *replaced]:
        if node.call and node.call[0] is gradients:
            output, x = node.call[1]
            latest = [_latest(n, place, replaced) for n in (node, output, source(x))]
            if latest[0] in place and latest[0].parents:
                marks.setdefault(latest[0], (latest[1], latest[2]))
    part: set[ComputationNode] = set()
    called: dict[ComputationNode, str] = {}
    for output in dict.fromkeys(output for output, _ in marks.values()):
        before = {*topological_order([output])}
        results = [node for node, (of, _) in marks.items() if of is output]
        if output in place:
            part |= {*topological_order(results)} - before
        for node in before.intersection(results):  # what a pass has found in the forward part
            del marks[node]
        new = "loss" if not output.shape and "loss" not in called.values() else f"%{place.get(output, 0)}"
        called[output] = _own(output, names) or new
    of = ", ".join(called[output] for output in dict.fromkeys(output for output, _ in marks.values()))
    wanted = {node: _short(x, names) for node, (_, x) in marks.items()}
    times = Counter(short for short in wanted.values())
    for node, (output, x) in marks.items():
        by = wanted[node] if times[wanted[node]] == 1 else names.get(x)
        name = f"d{'L' if called[output] == 'loss' else called[output]}/d{by or f'%{place.get(x, 0)}'}"
        called.setdefault(node, _own(node, names) or name)
    inside = [node for node in nodes if node in part and (node.parents or node.op is CONSTANT)]
    return Backward(inside, called, of)


def _latest(node: ComputationNode, place: Container[ComputationNode], replaced: Replaced) -> ComputationNode:
    """What stands in the place of a node in this graph; the node itself where nothing does."""
    forms, seen = [node], {node}
    for form in forms:  # the list grows while it is read
        if form in place:
            return form
        new = {*replaced.get(form, ())} - seen
        seen |= new
        forms += new
    return node


def _own(node: ComputationNode, names: Names) -> str:
    """The name that somebody chose for a node; "" for one that only says which variable of a program holds it."""
    return "" if variable_of(node) else names.get(node) or node.name or ""


def variable_of(node: ComputationNode) -> str:
    """The variable of a program that a node is named after; "" where it has another name."""
    return node.name if node.name and VARIABLE.fullmatch(node.name) else ""


def _short(node: ComputationNode, names: Names) -> str:
    """The name of a parameter without that of its layer."""
    return (names.get(node) or node.name or "").rpartition(".")[2]


def source(node: ComputationNode) -> ComputationNode:
    """The argument itself: `grad` differentiates with respect to a copy of it."""
    while node.op is ops.identity:
        node = node.parents[0]
    return node


def with_gradients(clusters: Sequence[LayerFrame], nodes: Nodes, backward: Backward, ids: Ids) -> Frames:
    """The frames, and one around the gradient part: in it what goes back through each layer, and where it starts."""
    inside = backward.nodes
    if not inside:
        return tuple(clusters)
    clusters = _without(clusters, {ids[node] for node in inside})  # a transposed weight is noted at its layer
    place = {box: frame for frame in every(clusters) for box in frame.boxes}
    layer_of = {id(n.origin): place[ids[n]] for n in nodes if n.origin and ids[n] in place}
    parts: dict[str, list[str]] = defaultdict(list)
    for node in (seeds := _seeds(inside)):
        parts["seed"].append(ids[node])
    for node in inside:
        if node not in seeds:
            parts[layer_of[id(node.origin)].id if id(node.origin) in layer_of else ""].append(ids[node])
    mirror: list[LayerFrame] = []
    for frame in [frame for frame in every(clusters) if frame.id in parts]:
        title = f"back through {frame.name or frame.title}"
        mirror.append(LayerFrame(f"g{frame.id}", frame.name, title, (), tuple(parts[frame.id])))
    if seeds:
        mirror.append(LayerFrame("gs", "", "seed", (), tuple(reversed(parts["seed"])), (), "seed"))
    return *clusters, LayerFrame("g", "", f"gradient of {backward.of}", (), tuple(parts[""]), tuple(mirror))


def _without(clusters: Sequence[LayerFrame], boxes: set[str]) -> Frames:
    """The frames without these boxes."""
    return mapped(clusters, lambda frame: replace(frame, boxes=tuple(box for box in frame.boxes if box not in boxes)))


def _seeds(nodes: Nodes) -> list[ComputationNode]:
    """The nodes that depend on constants alone: the gradient of the output itself, and its copies. None if it is one.

    A constant that is combined with something else is no part of them.
    """
    alone = dict.fromkeys(node for node in nodes if not node.parents)
    for node in nodes:
        if node.parents and alone.keys() >= {*node.parents}:
            alone[node] = None
    used = {parent for node in alone for parent in node.parents}
    chain = [node for node in nodes if node in alone and (node.parents or node in used)]
    return chain if len(chain) > 1 else []
