"""A part of a graph with one box marked: what went wrong, and what it was computed from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...core.graph import Graph, topological_order
from ...core.node import ComputationNode
from ..diagram.data import Arrow, Box, Diagram, diagram
from ..svg.draw import draw_svg
from ..words.markup import Markup, image

DEPTH = 3  # steps back from the marked box
MOST_BOXES = 24


def whole(
    nodes: Sequence[ComputationNode], names: Mapping[ComputationNode, str], *, values: bool = False
) -> tuple[Diagram, dict[ComputationNode, str]]:
    """The diagram of everything that the nodes depend on, with none marked as an output; and the id of each node's box.

    `names` gives labels to nodes that have no name of their own.
    """
    graph = Graph([n for n in topological_order(nodes) if not n.parents and not n.known], nodes)
    ids = {node: f"n{i}" for i, node in enumerate(graph.nodes)}
    picture = diagram(graph, values=values)
    old = {box.id: box.label for box in picture.boxes}
    new = {old[ids[node]]: name for node, name in names.items() if node in ids and old[ids[node]].startswith("%")}
    boxes = (
        replace(b, label=new.get(b.label, b.label), operands=tuple(new.get(x, x) for x in b.operands), output=False)
        for b in picture.boxes
    )
    return replace(picture, boxes=tuple(boxes)), ids


def above(picture: Diagram, marked: str, title: str) -> Diagram:
    """The part of a diagram up to DEPTH steps above the marked box, the nearest MOST_BOXES boxes of it."""
    parents: dict[str, list[str]] = {}
    for arrow in picture.arrows:
        parents.setdefault(arrow.end, []).append(arrow.start)
    depth = {marked: 0}
    reached = [marked]
    for name in reached:  # the list grows while it is read
        for parent in parents.get(name, ()):
            if parent not in depth and depth[name] < DEPTH and len(reached) < MOST_BOXES:
                depth[parent] = depth[name] + 1
                reached.append(parent)
    boxes = tuple(box for box in picture.boxes if box.id in depth)
    arrows = tuple(arrow for arrow in picture.arrows if arrow.start in depth and arrow.end in depth)
    hidden = len(picture.boxes) - len(boxes)
    return Diagram(f"{title}; {hidden} earlier nodes are not shown" if hidden else title, boxes, arrows)


def with_box(picture: Diagram, box: Box, operands: Sequence[str], names: Sequence[str]) -> Diagram:
    """The diagram with one more box, computed from the boxes with the ids `operands`."""
    arrows = tuple(Arrow(start, box.id, name, False) for start, name in zip(operands, names, strict=True))
    return replace(picture, boxes=(*picture.boxes, box), arrows=(*picture.arrows, *arrows))


def marked_svg(picture: Diagram, marked: str) -> str:
    """The diagram as SVG, with the marked box in vermilion, thick and dashed."""
    return draw_svg(picture, classes={marked: "wrong"}, prefix="wrong")


def marked_image(picture: Diagram, marked: str) -> Markup:
    """The same picture as an image, which even an untrusted notebook shows."""
    return image(marked_svg(picture, marked), "svg+xml", picture.alternative)
