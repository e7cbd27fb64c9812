"""A smaller picture of a large graph: layers become single boxes, or the end of the graph stands for the whole."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from .data import Arrow, Box, Diagram
from .layers import LayerFrame, every

MOST_BOXES = 200  # in a picture: nobody can follow more


class Collapsed(NamedTuple):
    """A smaller picture. `box_of` maps each box of the large one to the box that shows it now, if any does, by id."""

    diagram: Diagram
    box_of: Mapping[str, str]
    layers: Mapping[str, str]  # the ids of boxes that stand for a layer, with its title
    note: str  # a sentence that says what is left out; "" if nothing is


def collapsed(diagram: Diagram) -> Collapsed:
    """The picture with at most MOST_BOXES boxes: some layers are drawn as one box each, from the inside out.

    Where that is not enough, the end of the graph is shown.
    """
    ids = {box.id: box.id for box in diagram.boxes}
    if len(ids) <= MOST_BOXES:
        return Collapsed(diagram, ids, {}, "")
    if few := by_layer(diagram):
        return few
    last = {box.id: box.id for box in diagram.boxes[-MOST_BOXES:]}  # these include all users of each of them
    note = f"The graph has {len(ids):,} nodes; the last {MOST_BOXES} are shown, up to the output."
    return Collapsed(diagram.part(last, diagram.title), last, {}, note)


def by_layer(diagram: Diagram) -> Collapsed | None:
    """The picture with some layers drawn as one box each; None if it is still too large."""
    note = f"The graph has {len(diagram.boxes):,} nodes: some of its layers are shown as one box each."
    few = _with_layers(diagram, _closed(diagram), note)
    return few if few.layers and len(few.diagram.boxes) <= MOST_BOXES and _in_one_direction(few.diagram) else None


def _closed(diagram: Diagram) -> list[LayerFrame]:
    """The layers to draw as one box each: level by level, a layer is opened if there is room for its contents."""
    framed = sum(len(_inside(cluster)) for cluster in diagram.clusters)
    count = len(diagram.boxes) - framed + len(diagram.clusters)
    closed, waiting = [], deque(diagram.clusters)
    while waiting:
        cluster = waiting.popleft()
        opened = count - 1 + len(cluster.boxes) + len(cluster.clusters)
        if opened <= MOST_BOXES:
            count = opened
            waiting += cluster.clusters
        else:
            closed.append(cluster)
    return closed


def _inside(frame: LayerFrame) -> list[str]:
    """The ids of all boxes in a frame and in the frames inside it."""
    return [box for part in every([frame]) for box in part.boxes]


def _in_one_direction(diagram: Diagram) -> bool:
    """Whether the arrows form no cycle. After a pass has moved work between layers, two may depend on each other."""
    try:
        TopologicalSorter(diagram.operands).prepare()
    except CycleError:
        return False
    return True


def _with_layers(diagram: Diagram, closed: list[LayerFrame], note: str) -> Collapsed:
    """The picture with each of these layers drawn as one box instead of its contents."""
    box_of = {box.id: box.id for box in diagram.boxes}
    last: dict[str, Box] = {}
    for cluster in closed:
        box_of |= dict.fromkeys(_inside(cluster), cluster.id)
    for box in diagram.boxes:  # in order, so the last box of a layer is its output
        last.pop(name := box_of[box.id], None)
        last[name] = box
    layers = {cluster.id: cluster for cluster in closed}
    boxes = [_layer_box(box, layers[name]) if name in layers else box for name, box in last.items()]
    arrows: dict[tuple[str, str, str], Arrow] = {}
    for arrow in diagram.arrows:
        start, end = box_of[arrow.start], box_of[arrow.end]
        if start != end:
            label = arrow.label if end not in layers else ""
            arrows.setdefault((start, end, label), replace(arrow, start=start, end=end, label=label))
    titles = {cluster.id: cluster.title for cluster in closed}
    smaller = Diagram(diagram.title, tuple(boxes), tuple(arrows.values()), _opened(diagram.clusters, titles))
    return Collapsed(smaller, box_of, titles, note)


def _opened(clusters: Sequence[LayerFrame], closed: Mapping[str, str]) -> tuple[LayerFrame, ...]:
    """The frames that remain when these layers are drawn as boxes."""
    return tuple(
        replace(
            cluster,
            boxes=(*cluster.boxes, *(part.id for part in cluster.clusters if part.id in closed)),
            clusters=_opened(cluster.clusters, closed),
        )
        for cluster in clusters
        if cluster.id not in closed
    )


def _layer_box(output: Box, layer: LayerFrame) -> Box:
    """The box of a layer: its title, and the shape of its output. The whole model is named after its output."""
    label, _, kind = layer.title.rpartition(": ")
    return replace(
        output, id=layer.id, label=label or output.label, operation=kind, operands=(), parameters=(), formula="",
        role="operation",
    )  # fmt: skip
