"""The pictures of the explorer: each box and arrow is drawn once, and every step refers to it and marks it.

So nothing moves between two steps, and thirteen pictures take little more room than one. An untrusted notebook removes
the drawings and would leave their texts behind: so all of them stand in one hidden element.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..diagram.collapse import Collapsed, smaller, with_functions_closed
from ..diagram.data import Box, Diagram, diagram
from ..diagram.layers import every
from ..svg.boxes import LINE, PAD, ROUND, BoxText, Rectangle, number, rect, rule, shrunk, write
from ..svg.draw import Laid, draw_caption, draw_image, lay_out
from ..words.markup import Markup, element, joined
from ..words.sentences import shape_text
from .union import ADDED, KEPT, MEANING, REMOVED, REWIRED, Edge, Stage, Union

SIGNS = {ADDED: "+", REMOVED: "−", REWIRED: "~"}
CLASSES = {"title": "tl-bold", "what end": "tl-right", "shape": "tl-text", "output end": "tl-right"}
MOST_BOXES = 300  # a picture of more could not be read


class Pictures:
    """The pictures of one union. Ids begin with `mark`, so that one page can hold several explorers.

    `few` is the union with some functions as one box each. Such a box is marked for what became of what is inside it.
    """

    def __init__(self, union: Union, few: Collapsed, mark: str) -> None:
        self.union, self.mark, self.box_of = union, mark, few.box_of
        boxes = (self._named(box) if box.inside else box for box in few.diagram.boxes)
        self.diagram: Diagram = replace(few.diagram, boxes=tuple(boxes))
        self.inside: dict[str, list[str]] = defaultdict(list)
        for box, shown in self.box_of.items():
            self.inside[shown].append(box)
        stages = reversed(union.stages)
        self.descriptions = {box: text for stage in stages for box, text in stage.descriptions.items()}
        self.descriptions |= {box.id: box.sentence for box in self.diagram.boxes if box.inside}
        kept = [{edge for edge, state in self._edges(stage).items() if state == KEPT} for stage in union.stages]
        self.always = set.intersection(*kept)  # the arrows that every step shows as they are
        self.laid: Laid | None = lay_out(self.diagram) if len(self.diagram.boxes) <= MOST_BOXES else None

    def _named(self, box: Box) -> Box:
        """The box of a closed function, named after its result and without the cost of that alone."""
        return replace(self.union.named(box), shape=shape_text(self.union.first[box.id].shape))

    def _edges(self, stage: Stage) -> dict[Edge, str]:
        """What happened to each arrow of this picture."""
        states: dict[Edge, list[str]] = defaultdict(list)
        for edge, state in stage.edges.items():
            start, end = self.box_of[edge.start], self.box_of[edge.end]
            if start != end:
                states[Edge(start, end)].append(state)
        return {edge: _together(found, KEPT) for edge, found in states.items()}

    def shapes(self) -> Markup:
        """The definitions of all boxes, arrows and signs, which are not shown themselves."""
        if self.laid is None:
            return Markup("")
        boxes = [self._box(self.laid.texts[box.id], self.laid.boxes[box.id]) for box in self.diagram.boxes]
        arrows = self._wires(self.laid)
        uses = [self._use(f"{start}-{end}") for start, end in sorted(self.always)]
        always = element("g", *uses, id=f"{self.mark}-always")
        signs = [self._sign(state) for state in SIGNS]
        shapes = element("defs", self._frames(self.laid), *boxes, *signs, *arrows, always)
        hidden = element("div", element("svg", shapes), style="display: none")
        # Browsers do not draw arrowheads whose definition is in an element that is not displayed.
        heads = element("defs", *(self._head(state) for state in (KEPT, *SIGNS)))
        style = "position: absolute; width: 0; height: 0; overflow: hidden"
        return Markup(hidden + element("svg", heads, aria_hidden="true", style=style))

    def _wires(self, laid: Laid) -> list[Markup]:
        """The arrows, those between the same two boxes as one, with the names of operands."""
        parts: dict[str, list[Markup]] = defaultdict(list)
        for arrow, (start, end, path), (x, y) in zip(self.diagram.arrows, laid.arrows, laid.labels, strict=True):
            parts[f"{start}-{end}"].append(element("path", d=path, class_="tl-wire"))
            parts[f"{start}-{end}"] += [write(arrow.label, x, y, "tl-label")] if arrow.label else []
        return [element("g", *wires, id=f"{self.mark}-{name}") for name, wires in parts.items()]

    def _frames(self, laid: Laid) -> Markup:
        """The frames of layers and of open functions, which stand behind everything else."""
        frames = [frame for frame in every(self.diagram.clusters) if frame.id in laid.frames]
        borders = [rect(laid.frames[frame.id], rx=8, class_="tl-group") for frame in frames]
        return element("g", *borders, *(draw_caption(frame, laid) for frame in frames), id=f"{self.mark}-frames")

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
        parts += rule(text, inner)
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
        boxes = [self._shown(stage, box, self.laid.boxes[box.id]) for box in self.diagram.boxes]
        edges = self._edges(stage)
        # New arrows are drawn over old ones.
        arrows = [self._arrows(edges, state) for state in (KEPT, REMOVED, REWIRED, ADDED)]
        return element(
            "svg", self._use("frames"), *arrows, *boxes,
            viewBox=f"0 0 {width} {height}", width=width, height=height, role="group", aria_label=title,
            style=f"--width: {width}px",
        )  # fmt: skip

    def _shown(self, stage: Stage, box: Box, place: Rectangle) -> Markup:
        inside = [name for name in self.inside[box.id] if name in stage.states]
        if not inside:
            return Markup("")
        states = Counter(stage.states[name] for name in inside)
        state = _together(states, REWIRED)
        x, y, _, _ = place
        parts = [self._use(box.id)]
        if state in SIGNS:
            parts.append(self._use(f"sign-{state}", x=number(x), y=number(y), class_="sign"))
        if box.inside:
            changes = ", ".join(f"{n} {change}" for change, n in states.items() if change != KEPT)
            words = f"{self.descriptions[box.id]}; inside: {changes}" if changes else self.descriptions[box.id]
        else:
            words = stage.descriptions[box.id]
        own = words if words != self.descriptions[box.id] else None
        return element("g", *parts, class_=state, data_box=" ".join(inside), aria_label=own)

    def _arrows(self, edges: Mapping[Edge, str], state: str) -> Markup:
        shown = [edge for edge, edge_state in edges.items() if edge_state == state and edge not in self.always]
        uses = [self._use(f"{edge.start}-{edge.end}") for edge in shown]
        uses += [self._use("always")] if state == KEPT and self.always else []
        head = f"url(#{self.mark}-{state})"
        return element("g", *uses, class_=f"arrows {state}", marker_end=head) if uses else Markup("")

    def _use(self, name: str, **attributes: object) -> Markup:
        return element("use", href=f"#{self.mark}-{name}", **attributes)


def pictures_of(union: Union, mark: str) -> list[Pictures]:
    """The pictures with functions as one box each, and where that is not all there is to see, with functions open."""
    whole = Collapsed(union.diagram, {box.id: box.id for box in union.diagram.boxes}, {}, "")
    few = with_functions_closed(union.diagram)
    pictures = [Pictures(union, few, mark)]
    if few.layers and len(union.diagram.boxes) <= MOST_BOXES:
        pictures.append(Pictures(union, whole, f"{mark}o"))
    return pictures


def _together(states: Iterable[str], otherwise: str) -> str:
    """One state for several: their own if they agree."""
    first, *others = {*states}
    return otherwise if others else first


def still(story_name: str, stage: Stage) -> Markup:
    """The last graph as an image of its own, for notebooks that remove the drawings."""
    if len(stage.graph.nodes) > MOST_BOXES:
        return Markup("")
    words = "The graph of the program"
    picture = draw_image(smaller(diagram(stage.graph, title=f"{words} {story_name}")).diagram)
    return element("figure", element("figcaption", f"{words}:"), picture, class_="still")


def alternative(stage: Stage, labels: Mapping[str, str]) -> str:
    """The picture of a pass in words: the boxes that are added, removed and rewired."""
    names = {change: [labels[box] for box, state in stage.states.items() if state == change] for change in SIGNS}
    return ". ".join(f"{change}: {', '.join(boxes)}" for change, boxes in names.items() if boxes) or "Nothing changes"


def legend() -> Markup:
    """The legend of the three marks."""
    rows = [element("li", element("b", SIGNS[state], class_=state), " ", words) for state, words in MEANING.items()]
    return element("ul", joined(rows), class_="legend")
