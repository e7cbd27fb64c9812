"""A smaller picture of a large graph: layers become single boxes, or the end of the graph stands for the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from .diagram import Arrow, Box, Diagram
from .layers import Cluster


class Collapsed(NamedTuple):
    """A picture of few boxes; `box_of` says for each box of the large one where it is now, if it is shown."""

    shown: Diagram
    box_of: Mapping[str, str]
    layers: Mapping[str, str]  # the boxes that stand for a layer, with its title
    told: str  # what was done, as a sentence


def collapsed(shown: Diagram, most: int) -> Collapsed:
    """The picture with at most `most` boxes. Outer layers are opened as long as there is room for what is in them."""
    ids = {box.id: box.id for box in shown.boxes}
    if len(ids) <= most:
        return Collapsed(shown, ids, {}, "")
    count = f"The graph has {len(ids):,} nodes"
    closed = list(shown.clusters)
    inside = {cluster.id: _inside(cluster) for cluster in closed}
    rest = len(ids) - sum(map(len, inside.values()))
    if closed and rest + len(closed) <= most:
        for cluster in list(closed):  # one level: the first layers open while there is room
            room = most - rest - len(closed) + 1
            if len(inside[cluster.id]) <= room:
                rest += len(inside[cluster.id])
                closed.remove(cluster)
        return _with_layers(shown, closed, f"{count}: some of its layers are shown as one box each.")
    kept = {box.id for box in shown.boxes[-most:]}  # who uses one of these is one of these
    boxes = tuple(box for box in shown.boxes if box.id in kept)
    arrows = tuple(arrow for arrow in shown.arrows if arrow.start in kept and arrow.end in kept)
    told = f"{count}; the last {most} are shown, up to the output."
    return Collapsed(Diagram(shown.title, boxes, arrows), {name: name for name in kept}, {}, told)


def _inside(cluster: Cluster) -> list[str]:
    """All boxes in a frame and in the frames inside."""
    found = list(cluster.boxes)
    for part in cluster.clusters:
        found += _inside(part)
    return found


def _with_layers(shown: Diagram, closed: list[Cluster], told: str) -> Collapsed:
    """A box for each of these layers in the place of what is in it."""
    box_of = {box.id: box.id for box in shown.boxes}
    last: dict[str, Box] = {}
    for cluster in closed:
        box_of |= dict.fromkeys(_inside(cluster), cluster.id)
    for box in shown.boxes:  # in order, so the last one of a layer is what it gives
        last.pop(name := box_of[box.id], None)
        last[name] = box
    titles = {cluster.id: cluster.title for cluster in closed}
    boxes = [_layer_box(box, name, titles[name]) if name in titles else box for name, box in last.items()]
    arrows: dict[tuple[str, str, str], Arrow] = {}
    for arrow in shown.arrows:
        start, end = box_of[arrow.start], box_of[arrow.end]
        if start != end:
            label = arrow.label if end not in titles else ""
            arrows.setdefault((start, end, label), replace(arrow, start=start, end=end, label=label))
    open_ones = tuple(cluster for cluster in shown.clusters if cluster.id not in titles)
    return Collapsed(Diagram(shown.title, tuple(boxes), tuple(arrows.values()), open_ones), box_of, titles, told)


def _layer_box(output: Box, name: str, title: str) -> Box:
    """The box of a layer: its title, and the shape of its output."""
    label, _, kind = title.partition(": ")
    return replace(
        output, id=name, label=label, operation=kind, operands=(), parameters=(), formula="", role="operation"
    )
