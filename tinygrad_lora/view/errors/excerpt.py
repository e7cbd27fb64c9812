"""A part of a graph with one box marked: what went wrong, and what it was computed from."""

from collections.abc import Sequence
from dataclasses import replace

from ...core import ComputationNode, Graph, topological_order
from ..diagram.data import Diagram, diagram
from ..diagram.layers import Ids
from ..svg.draw import draw_image
from ..words.markup import Markup

DEPTH = 3  # steps back from the marked box
MOST_BOXES = 24


def whole(nodes: Sequence[ComputationNode], names: Ids) -> tuple[Diagram, Ids]:
    """The diagram of everything that the nodes depend on, with none marked as an output; and the id of each node's box.

    `names` gives labels to nodes that have no name of their own.
    """
    graph = Graph([n for n in topological_order(nodes) if not n.parents and not n.known], nodes)
    picture = diagram(graph)
    pairs = [*zip(graph.nodes, picture.boxes, strict=True)]
    labels = {box.label: names.get(node, box.label) for node, box in pairs if box.label.startswith("%")}
    boxes = []
    for box in picture.boxes:
        label, *operands = (labels.get(x, x) for x in (box.label, *box.operands))
        boxes.append(replace(box, label=label, operands=tuple(operands), output=False))
    return replace(picture, boxes=tuple(boxes)), {node: box.id for node, box in pairs}


def above(picture: Diagram, marked: str, title: str) -> Diagram:
    """The part of a diagram up to DEPTH steps above the marked box, the nearest MOST_BOXES boxes of it."""
    operands, depth = picture.operands, {marked: 0}
    reached = [marked]
    for name in reached:  # the list grows while it is read
        for operand in operands.get(name, ()):
            if operand not in depth and depth[name] < DEPTH and len(reached) < MOST_BOXES:
                depth[operand] = depth[name] + 1
                reached.append(operand)
    hidden = len(picture.boxes) - len(reached)
    return picture.part(depth, f"{title}; {hidden} earlier nodes are not shown" if hidden else title)


def marked_image(picture: Diagram, marked: str) -> Markup:
    """The diagram with the marked box in vermilion, thick and dashed, as an image that any notebook shows."""
    return draw_image(picture, classes={marked: "wrong"}, prefix="wrong")
