"""A smaller picture of a large graph: layers become single boxes, or the end of the graph stands for the whole."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from .data import Arrow, Box, Diagram
from .layers import LayerFrame

MOST_BOXES = 200  # in a picture; so many are as much as anyone can follow


class Collapsed(NamedTuple):
    """A picture of few boxes; `box_of` says for each box of the large one where it is now, if it is shown."""

    shown: Diagram
    box_of: Mapping[str, str]
    layers: Mapping[str, str]  # the boxes that stand for a layer, with its title
    told: str  # what was done, as a sentence


def collapsed(shown: Diagram, most: int = MOST_BOXES) -> Collapsed:
    """The picture with at most `most` boxes. Outer layers are opened as long as there is room for what is in them.

    Where layers are not enough, the end of the graph is shown.
    """
    ids = {box.id: box.id for box in shown.boxes}
    if len(ids) <= most:
        return Collapsed(shown, ids, {}, "")
    if few := by_layer(shown, most):
        return few
    kept = {box.id for box in shown.boxes[-most:]}  # who uses one of these is one of these
    boxes = tuple(box for box in shown.boxes if box.id in kept)
    arrows = tuple(arrow for arrow in shown.arrows if arrow.start in kept and arrow.end in kept)
    told = f"The graph has {len(ids):,} nodes; the last {most} are shown, up to the output."
    return Collapsed(Diagram(shown.title, boxes, arrows), {name: name for name in kept}, {}, told)


def by_layer(shown: Diagram, most: int = MOST_BOXES) -> Collapsed | None:
    """The picture in which some layers are one box each; None where that does not make it small enough."""
    told = f"The graph has {len(shown.boxes):,} nodes: some of its layers are shown as one box each."
    few = _with_layers(shown, _closed(shown, most), told)
    return few if few.layers and len(few.shown.boxes) <= most and _in_one_direction(few.shown) else None


def _closed(shown: Diagram, most: int) -> list[LayerFrame]:
    """The layers to be shown as one box each: level by level, layers open while there is room for what is in them."""
    framed = sum(len(_inside(cluster)) for cluster in shown.clusters)
    count = len(shown.boxes) - framed + len(shown.clusters)
    closed, waiting = [], deque(shown.clusters)
    while waiting:
        cluster = waiting.popleft()
        opened = count - 1 + len(cluster.boxes) + len(cluster.clusters)
        if opened <= most:
            count = opened
            waiting += cluster.clusters
        else:
            closed.append(cluster)
    return closed


def _inside(cluster: LayerFrame) -> list[str]:
    """All boxes in a frame and in the frames inside."""
    found: list[str] = []
    waiting = [cluster]
    while waiting:
        part = waiting.pop()
        found += part.boxes
        waiting += part.clusters
    return found


def _in_one_direction(shown: Diagram) -> bool:
    """Whether the arrows form no cycle. A pass may have moved work between layers, so that two need each other."""
    parents: dict[str, list[str]] = {}
    for arrow in shown.arrows:
        parents.setdefault(arrow.end, []).append(arrow.start)
    try:
        TopologicalSorter(parents).prepare()
    except CycleError:
        return False
    return True


def _with_layers(shown: Diagram, closed: list[LayerFrame], told: str) -> Collapsed:
    """A box for each of these layers in the place of what is in it."""
    box_of = {box.id: box.id for box in shown.boxes}
    last: dict[str, Box] = {}
    for cluster in closed:
        box_of |= dict.fromkeys(_inside(cluster), cluster.id)
    for box in shown.boxes:  # in order, so the last one of a layer is what it gives
        last.pop(name := box_of[box.id], None)
        last[name] = box
    layers = {cluster.id: cluster for cluster in closed}
    boxes = [_layer_box(box, layers[name]) if name in layers else box for name, box in last.items()]
    arrows: dict[tuple[str, str, str], Arrow] = {}
    for arrow in shown.arrows:
        start, end = box_of[arrow.start], box_of[arrow.end]
        if start != end:
            label = arrow.label if end not in layers else ""
            arrows.setdefault((start, end, label), replace(arrow, start=start, end=end, label=label))
    titles = {cluster.id: cluster.title for cluster in closed}
    diagram = Diagram(shown.title, tuple(boxes), tuple(arrows.values()), _opened(shown.clusters, titles))
    return Collapsed(diagram, box_of, titles, told)


def _opened(clusters: Sequence[LayerFrame], closed: Mapping[str, str]) -> tuple[LayerFrame, ...]:
    """The frames that are left when these layers are boxes."""
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
    """The box of a layer: its title, and the shape of its output. The model itself has the name of its output."""
    label, _, kind = layer.title.rpartition(": ")
    return replace(
        output, id=layer.id, label=label or output.label, operation=kind, operands=(), parameters=(), formula="",
        role="operation",
    )  # fmt: skip
