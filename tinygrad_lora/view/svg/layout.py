"""From a diagram to places: what the layout is asked, and its result rotated as `rankdir` says.

The layout knows one direction, down. For a picture from left to right it gets the boxes lying on their side.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from ..diagram.data import Arrow, Diagram
from ..diagram.layers import LayerFrame, every
from ..diagram.looks import clipped, common_dtype
from ..layout import Frame, LayoutBlock, LayoutLine, Placed, Segment, arrange, text_width
from .boxes import LINE, PAD, SIZE, BoxText, Rectangle, box_text, number

MARGIN = 12.0  # around the picture
LABEL = 11.0  # the font size of arrows' labels
STUB = 15.0  # the straight end of an arrow that has a label beside it
ENTRY = 13.0  # from one arrowhead to the next
BESIDE = 5.0  # from an arrow to its label
HEADER = 8  # of a frame, beside its lines of text
INSIDE = 10.0  # from a frame to what it holds

Point = tuple[float, float]


class Laid(NamedTuple):
    """The places of a picture: a rectangle for each box and frame; start, end and SVG path of each arrow.

    `heads` and `labels` go with the arrows: the tip and its direction, and where the text begins. `captions` says where
    the text of a frame begins, `texts` what stands in a box.
    """

    width: float
    height: float
    boxes: Mapping[str, Rectangle]
    arrows: Sequence[tuple[str, str, str]]
    frames: Mapping[str, Rectangle]
    heads: Sequence[tuple[Point, Point]]
    labels: Sequence[Point]
    captions: Mapping[str, float]
    texts: Mapping[str, BoxText]


def lay_out(diagram: Diagram, *, widths: Mapping[str, int] | None = None, rankdir: str = "TB") -> Laid:
    """Find a place for every box, frame and arrow.

    diagram: what `tl.diagram` gives
    widths: by the id of a box, how many characters a value and a gradient have that a script will write
    rankdir: where arrows lead: "TB" down, "LR" to the right, "BT" up or "RL" to the left
    Returns the places: rectangles for boxes and frames, paths for arrows, in pixels.
    Raises ValueError where the arrows form a cycle.

    >>> laid = tl.view.lay_out(tl.diagram(tl.exp(tl.placeholder(2))))
    >>> len(laid.boxes), len(laid.arrows)
    (2, 1)
    """
    common, reserved = common_dtype(diagram), widths or {}
    within = {box: f"{cluster.name}." for cluster in every(diagram.clusters) for box in cluster.boxes}
    texts = {box.id: box_text(box, common, within.get(box.id, ""), reserved.get(box.id, 0)) for box in diagram.boxes}
    return _OrientedLayout(diagram, texts, rankdir).laid()


def _caption_width(cluster: LayerFrame) -> float:
    title = text_width(clipped(cluster.title), SIZE, True)
    return max([title, *(text_width(clipped(line), SIZE) for line in cluster.lines)])


class _OrientedLayout:
    """Lays out one diagram in its direction. "Along" is the direction of the arrows, "across" at right angles to it."""

    def __init__(self, diagram: Diagram, texts: Mapping[str, BoxText], rankdir: str) -> None:
        self.diagram, self.texts = diagram, texts
        self.lying = rankdir in ("LR", "RL")
        self.back = rankdir in ("BT", "RL")
        self.arrows: dict[str, list[Arrow]] = {box.id: [] for box in diagram.boxes}  # that lead to each box
        for arrow in diagram.arrows:
            self.arrows[arrow.end].append(arrow)
        self.stubs = {name: self._stub(arrows) for name, arrows in self.arrows.items()}

    def laid(self) -> Laid:
        """The places of everything in the diagram."""
        blocks = [self._block(name) for name in self.texts]
        lines = [LayoutLine(arrow.start, arrow.end, *self._room(arrow)) for arrow in self.diagram.arrows]
        placed = arrange(blocks, lines, self._frames())
        self.length = placed.height
        boxes = {}
        for name, (x, y, width, height) in placed.blocks.items():
            boxes[name] = self._place((x, y + self.stubs[name], width, height - self.stubs[name]))
        paths, heads, labels = [], [], []
        for arrow, line in zip(self.diagram.arrows, placed.lines, strict=True):
            x, top, bottom = line[-1]
            end = bottom + self.stubs[arrow.end]
            paths.append((arrow.start, arrow.end, self._path([*line[:-1], Segment(x, top, end)])))
            tip, before = self._point(x, end), self._point(x, end - 1)
            heads.append((tip, (tip[0] - before[0], tip[1] - before[1])))
            labels.append(self._label(tip, arrow))
        width, height = (placed.height, placed.width) if self.lying else (placed.width, placed.height)
        frames = {name: self._place(place) for name, place in placed.frames.items()}
        size = width + 2 * MARGIN, height + 2 * MARGIN
        return Laid(*size, boxes, paths, frames, heads, labels, self._captions(placed), self.texts)

    # --- To the layout ---

    def _block(self, name: str) -> LayoutBlock:
        width, height = self.texts[name].size
        across, along = (height, width) if self.lying else (width, height)
        entries = sum(chain.from_iterable(map(self._room, self.arrows[name]))) + PAD
        return LayoutBlock(name, max(across, entries), along + self.stubs[name])

    def _room(self, arrow: Arrow) -> tuple[float, float]:
        """How much of the border of its box the end of an arrow takes, on its left and on its right."""
        if not arrow.label:
            return ENTRY / 2, ENTRY / 2
        if self.lying:  # the label stands above the arrow
            return LINE - ENTRY / 2, ENTRY / 2
        return ENTRY / 2, max(ENTRY / 2, self._label_width(arrow) + BESIDE)

    def _stub(self, arrows: Sequence[Arrow]) -> float:
        widest = max((self._label_width(arrow) for arrow in arrows if arrow.label), default=0.0)
        return 0.0 if not widest else widest + 14 if self.lying else STUB

    def _label_width(self, arrow: Arrow) -> float:
        return text_width(clipped(arrow.label), LABEL)

    def _frames(self) -> list[Frame]:
        """The clusters with room for their text, which stands at the upper left, wherever the arrows lead."""
        frames: dict[str, Frame] = {}
        side = "left" if self.lying else "below" if self.back else "above"
        for cluster in reversed([*every(self.diagram.clusters)]):  # parts come after what holds them
            parts = [frames[part.id] for part in cluster.clusters]
            needed = {"height" if self.lying else "width": _caption_width(cluster) + 2 * PAD + 4}
            room = dict.fromkeys(("above", "below", "left", "right"), INSIDE) | needed
            room[side] = HEADER + LINE * (1 + len(cluster.lines))
            frames[cluster.id] = Frame(cluster.id, cluster.boxes, parts, **room)
        return [frames[cluster.id] for cluster in self.diagram.clusters]

    # --- From the layout ---

    def _captions(self, placed: Placed) -> dict[str, float]:
        """Where the text of each frame begins: at its left, or beside the first line that leaves room for it."""
        passing: dict[float, list[float]] = {}
        for line in placed.lines if not self.lying else ():
            for segment in line:
                passing.setdefault(round(segment.bottom if self.back else segment.top, 3), []).append(segment.x)
        captions = {}
        for cluster in every(self.diagram.clusters):
            if cluster.id not in placed.frames:
                continue
            left, top, width, height = placed.frames[cluster.id]
            border = round(top + height if self.back else top, 3)
            lines = sorted({x for x in passing.get(border, ()) if left < x < left + width})
            needed = _caption_width(cluster) + 4
            starts = [left + PAD + 2, *(x + PAD for x in lines)]
            ends = [*(x - 2 for x in lines), left + width - 4]
            free = [start for start, end in zip(starts, ends, strict=True) if start + needed <= end]
            captions[cluster.id] = (free or starts)[0] + MARGIN
            if self.lying:
                captions[cluster.id] = self._place(placed.frames[cluster.id])[0] + PAD + 2
        return captions

    def _point(self, x: float, y: float) -> Point:
        along = MARGIN + (self.length - y if self.back else y)
        return (along, x + MARGIN) if self.lying else (x + MARGIN, along)

    def _place(self, place: Rectangle) -> Rectangle:
        x, y, width, height = place
        (x0, y0), (x1, y1) = self._point(x, y), self._point(x + width, y + height)
        return min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0)

    def _label(self, tip: Point, arrow: Arrow) -> Point:
        """Beside the head of the arrow, on the right of it or above it."""
        x, y = tip
        if self.lying:
            return (x + 10 if self.back else x - 10 - self._label_width(arrow)), y - 4
        return x + BESIDE, y + (13 if self.back else -5)

    def _path(self, segments: Sequence[Segment]) -> str:
        """Straight parts joined by curves that leave and arrive in the direction of the arrow."""
        x, y, at = segments[0]
        parts = [f"M{self._text(x, y)}"]
        for segment in segments[1:]:
            if abs(segment.x - x) > 0.05:
                if at > y + 0.05:
                    parts.append(f"L{self._text(x, at)}")
                middle = (at + segment.top) / 2
                curve = (x, middle), (segment.x, middle), (segment.x, segment.top)
                parts.append("C" + " ".join(self._text(*point) for point in curve))
                x, y = segment.x, segment.top
            at = segment.bottom
        if at > y + 0.05:
            parts.append(f"L{self._text(x, at)}")
        return "".join(parts)

    def _text(self, x: float, y: float) -> str:
        a, b = self._point(x, y)
        return f"{number(a)} {number(b)}"
