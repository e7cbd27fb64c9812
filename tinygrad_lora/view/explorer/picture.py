"""The pictures of the explorer: each box and arrow is drawn once, and every step refers to it and marks it.

So nothing moves between two steps, and thirteen pictures take little more room than one. An untrusted notebook removes
the drawings and would leave their texts behind: so all of them stand in one hidden element.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..diagram.data import Box, Diagram, diagram
from ..svg.boxes import DOUBLE, LINE, PAD, SIZE, BoxText, Rectangle, number, rect, write
from ..svg.draw import Laid, draw_svg, lay_out
from ..words.markup import Markup, element, image, joined
from .union import ADDED, KEPT, MEANING, REMOVED, REWIRED, Stage, Union

SIGNS = {ADDED: "+", REMOVED: "−", REWIRED: "~"}
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
        box, outer = text.box, DOUBLE * text.box.output
        parts = [element("title", self.descriptions[box.id])]
        # A step colors this frame, and strikes through a box that is removed.
        parts.append(rect((x - 3, y - 3, width + 6, height + 6), rx=5, class_="tl-frame"))
        parts += [rect(place, class_="tl-outer")] if box.output else []
        rounded = {"rx": 9} if box.role == "input" else {}
        inner = (x + outer, y + outer, width - 2 * outer, height - 2 * outer)
        parts.append(rect(inner, class_=f"tl-{box.role}", **rounded))
        left, right, base = x + outer + PAD, x + width - outer - PAD, y + outer + PAD + SIZE - 2
        head = text.head
        for a, b, bold in ((head.title, head.what, "tl-bold"), (head.shape, head.output, "tl-text")):
            parts += [write(a, left, base, bold)] if a else []
            parts += [write(b, right, base, "tl-right")] if b else []
            base += LINE if a or b else 0
        base += 6  # the room that the rule below the head takes in other pictures
        for name, lines in text.rows:
            parts.append(write(name, left, base, "tl-name"))
            for line in lines:
                parts.append(write(line, x + text.column, base, "tl-text"))
                base += LINE
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
    graph_diagram = diagram(stage.graph, title=f"{words} {story_name}")
    picture = image(draw_svg(graph_diagram), "svg+xml", graph_diagram.alternative)
    return element("figure", element("figcaption", f"{words}:"), picture, class_="still")


def alternative(stage: Stage, labels: Mapping[str, str]) -> str:
    """The picture of a pass in words: the boxes that are added, removed and rewired."""
    names = {change: [labels[box] for box, state in stage.states.items() if state == change] for change in SIGNS}
    return ". ".join(f"{change}: {', '.join(boxes)}" for change, boxes in names.items() if boxes) or "Nothing changes"


def legend() -> Markup:
    """The legend of the three marks."""
    rows = [element("li", element("b", SIGNS[state], class_=state), " ", words) for state, words in MEANING.items()]
    return element("ul", joined(rows), class_="legend")
