"""The pictures of the explorer: each box and arrow is drawn once, and every step refers to it and marks it.

So nothing moves between two steps, and thirteen pictures take little more room than one. An untrusted notebook removes
the drawings and would leave their texts behind: so all of them stand in one hidden element.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..diagram.data import Box, Diagram, diagram
from ..svg.boxes import LINE, PAD, ROUND, BoxText, Rectangle, number, rect, shrunk, write
from ..svg.draw import Laid, draw_image, lay_out
from ..words.markup import Markup, element, joined
from .union import ADDED, KEPT, MEANING, REMOVED, REWIRED, Stage, Union

SIGNS = {ADDED: "+", REMOVED: "−", REWIRED: "~"}
CLASSES = {"title": "tl-bold", "what end": "tl-right", "shape": "tl-text", "output end": "tl-right"}
MOST_BOXES = 300  # a picture of more could not be read


class Pictures:
    """The pictures of one union. Ids begin with `mark`, so that one page can hold several explorers."""

    def __init__(self, union: Union, mark: str) -> None:
        self.union, self.mark = union, mark
        self.diagram: Diagram = union.diagram
        self.descriptions = {box: text for stage in reversed(union.stages) for box, text in stage.descriptions.items()}
        kept = [{edge for edge, state in stage.edges.items() if state == KEPT} for stage in union.stages]
        self.always = set.intersection(*kept)  # the arrows that every step shows as they are
        self.laid: Laid | None = lay_out(union.diagram) if len(union.diagram.boxes) <= MOST_BOXES else None

    def shapes(self) -> Markup:
        """The definitions of all boxes, arrows and signs, which are not shown themselves."""
        if self.laid is None:
            return Markup("")
        boxes = [self._box(self.laid.texts[box.id], self.laid.boxes[box.id]) for box in self.diagram.boxes]
        arrows = [self._wire(path, f"{start}-{end}") for start, end, path in self.laid.arrows]
        always = element(
            "g", *(self._use(f"{start}-{end}") for start, end in sorted(self.always)), id=f"{self.mark}-always"
        )
        signs = [self._sign(state) for state in SIGNS]
        hidden = element("div", element("svg", element("defs", *boxes, *signs, *arrows, always)), style="display: none")
        # Browsers do not draw arrowheads whose definition is in an element that is not displayed.
        heads = element("defs", *(self._head(state) for state in (KEPT, *SIGNS)))
        style = "position: absolute; width: 0; height: 0; overflow: hidden"
        return Markup(hidden + element("svg", heads, aria_hidden="true", style=style))

    def _wire(self, path: str, name: str) -> Markup:
        return element("path", d=path, id=f"{self.mark}-{name}", class_="tl-wire")

    def _head(self, state: str) -> Markup:
        """The head of an arrow."""
        return element(
            "marker", element("path", d="M0 0L8 4L0 8z", class_=f"tl-head-{state}"), id=f"{self.mark}-{state}",
            viewBox="0 0 8 8", refX=8, refY=4, markerWidth=8, markerHeight=8, markerUnits="userSpaceOnUse",
            orient="auto",
        )  # fmt: skip

    def _sign(self, state: str) -> Markup:
        parts = [element("circle", r=9, class_="tl-disc"), write(SIGNS[state], 0, 5, "tl-sign")]
        return element("g", *parts, id=f"{self.mark}-sign-{state}")

    def _box(self, text: BoxText, place: Rectangle) -> Markup:
        """A box as in other pictures. Its parts have classes of their own, as a `use` element cannot style them."""
        x, y, width, height = place
        box, inner = text.box, text.inner(place)
        # A step colors this frame, and strikes through a box that is removed.
        parts = [element("title", self.descriptions[box.id]), rect(shrunk(place, -3), rx=5, class_="tl-frame")]
        parts += [rect(place, class_="tl-outer")] if box.output else []
        parts.append(rect(inner, class_=f"tl-{box.role}", **({"rx": ROUND} if box.role == "input" else {})))
        parts += [write(words, left, base, CLASSES[kind]) for kind, words, left, base in text.head_at(inner)]
        for name, lines, base in text.rows_at(inner):
            parts.append(write(name, inner[0] + PAD, base, "tl-name"))
            parts += [write(line, inner[0] + text.column, base + LINE * i, "tl-text") for i, line in enumerate(lines)]
        parts.append(element("path", class_="tl-strike", d=f"M{number(x)} {number(y + height / 2)}h{number(width)}"))
        return element("g", *parts, id=f"{self.mark}-{box.id}")

    # --- One step ---

    def picture(self, stage: Stage, title: str) -> Markup:
        """The graph before and after a pass, in one picture."""
        if self.laid is None:
            return element("p", f"{len(self.diagram.boxes)} boxes are too many for a picture; the code says the same.")
        width, height = round(self.laid.width), round(self.laid.height)
        boxes = [
            self._shown(stage, box, self.laid.boxes[box.id]) for box in self.diagram.boxes if box.id in stage.states
        ]
        # New arrows are drawn over old ones.
        arrows = [self._arrows(stage, state) for state in (KEPT, REMOVED, REWIRED, ADDED)]
        return element(
            "svg", *arrows, *boxes,
            viewBox=f"0 0 {width} {height}", width=width, height=height, role="group", aria_label=title,
            style=f"--width: {width}px",
        )  # fmt: skip

    def _shown(self, stage: Stage, box: Box, place: Rectangle) -> Markup:
        state = stage.states[box.id]
        x, y, _, _ = place
        parts = [self._use(box.id)]
        if state in SIGNS:
            parts.append(self._use(f"sign-{state}", x=number(x), y=number(y), class_="sign"))
        own = stage.descriptions[box.id] if stage.descriptions[box.id] != self.descriptions[box.id] else None
        return element("g", *parts, class_=state, data_box=box.id, aria_label=own)

    def _arrows(self, stage: Stage, state: str) -> Markup:
        edges = [edge for edge, edge_state in stage.edges.items() if edge_state == state and edge not in self.always]
        uses = [self._use(f"{edge.start}-{edge.end}") for edge in edges]
        uses += [self._use("always")] if state == KEPT and self.always else []
        if not uses:
            return Markup("")
        return element("g", *uses, class_=f"arrows {state}", marker_end=f"url(#{self.mark}-{state})")

    def _use(self, name: str, **attributes: object) -> Markup:
        return element("use", href=f"#{self.mark}-{name}", **attributes)


def still(story_name: str, stage: Stage) -> Markup:
    """The last graph as an image of its own, for notebooks that remove the drawings."""
    if len(stage.graph.nodes) > MOST_BOXES:
        return Markup("")
    words = "The graph of the program"
    picture = draw_image(diagram(stage.graph, title=f"{words} {story_name}"))
    return element("figure", element("figcaption", f"{words}:"), picture, class_="still")


def alternative(stage: Stage, labels: Mapping[str, str]) -> str:
    """The picture of a pass in words: the boxes that are added, removed and rewired."""
    names = {change: [labels[box] for box, state in stage.states.items() if state == change] for change in SIGNS}
    return ". ".join(f"{change}: {', '.join(boxes)}" for change, boxes in names.items() if boxes) or "Nothing changes"


def legend() -> Markup:
    """The legend of the three marks."""
    rows = [element("li", element("b", SIGNS[state], class_=state), " ", words) for state, words in MEANING.items()]
    return element("ul", joined(rows), class_="legend")
