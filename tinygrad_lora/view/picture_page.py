"""A picture as a page that is alive: pan, zoom, search, and closed boxes that show what is inside them.

Without its script, and on paper, the page still is the picture.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from numpy.typing import ArrayLike

from .diagram.collapse import Collapsed, smaller
from .diagram.data import Box, Diagram, Drawable, diagram
from .diagram.layers import LayerFrame, every
from .svg.draw import draw_svg, lay_out
from .svg.style import style_sheet
from .words.markup import ASSETS, Markup, asset, element, page, script

MOST_INSIDE = 600  # boxes of all pictures of what is inside closed boxes
STYLE = element("style", Markup(style_sheet()))


def picture_page(
    obj: Drawable, example: ArrayLike | None = None, *, values: bool | str = False, gradients: bool = False,
    rankdir: str = "TB", legend: bool = True, title: str | None = None, open: Any = (), depth: int | None = None,
) -> Markup:  # fmt: skip
    """The page with the picture of `obj`. The options are those of `draw`."""
    data = diagram(obj, example, values=values, gradients=gradients, title=title)
    few = Collapsed(data, {}, {}, "") if isinstance(obj, Diagram) else smaller(data, open, depth)
    insides = _insides(data, few)
    folded = {box.id: "folded" for box in few.diagram.boxes if box.id in insides}
    laid = lay_out(few.diagram, rankdir=rankdir)
    svg = draw_svg(few.diagram, laid=laid, classes=folded, caption=True, legend=legend)
    svgs = {name: Markup(_drawn(part, name, insides, rankdir)) for name, part in insides.items()}
    drawn = [element("template", inside, data_inside=name) for name, inside in svgs.items()]
    content = element(
        "main", element("style", asset(ASSETS, "picture.css")), STYLE, element("div", Markup(svg), class_="stage"),
        *drawn, script("picture.js"), class_="tl-picture",
    )  # fmt: skip
    return page(data.title, content, style=asset(ASSETS, "page.css"))


def _drawn(part: Diagram, name: str, insides: dict[str, Diagram], rankdir: str) -> str:
    """The picture of what is inside a box. A box in it that is closed can be opened in its turn."""
    folded = {box.id: "folded" for box in part.boxes if box.inside and box.id in insides and box.id != name}
    svg = draw_svg(part, laid=lay_out(part, rankdir=rankdir), prefix=f"in-{name}", classes=folded)
    return svg.replace(STYLE, "")  # it stands in the page already


def _insides(data: Diagram, few: Collapsed) -> dict[str, Diagram]:
    """By the id of each closed box what is inside it, and so on inwards, as long as there is room."""
    insides: dict[str, Diagram] = {}
    waiting = [(data, few)]
    room = MOST_INSIDE
    for whole, picture in waiting:  # the list grows while it is read
        for box in picture.diagram.boxes:
            if not box.inside or box.id in insides:
                continue
            members = {name for name, shown in picture.box_of.items() if shown == box.id}
            part = _part(whole, members, f"Inside {box.label}: {box.operation}")
            shown = smaller(part)
            room -= len(shown.diagram.boxes)
            if room >= 0 and len(shown.diagram.boxes) < len(whole.boxes):
                insides[box.id] = shown.diagram
                waiting.append((part, shown))
    return insides


def _part(whole: Diagram, members: set[str], title: str) -> Diagram:
    """These boxes with their frames, and what comes in from outside as inputs."""
    arrows = tuple(arrow for arrow in whole.arrows if arrow.end in members)
    outside = {arrow.start for arrow in arrows} - members
    boxes = [_as_input(box) if box.id in outside else box for box in whole.boxes if box.id in members | outside]
    return Diagram(title, tuple(boxes), arrows, tuple(_inner(whole.clusters, members)))


def _as_input(box: Box) -> Box:
    role = "input" if box.role == "operation" else box.role
    return replace(box, role=role, output=False, operands=(), parameters=())


def _inner(frames: tuple[LayerFrame, ...], members: set[str]) -> Iterator[LayerFrame]:
    """The outermost frames that hold some of these boxes and no others, but for one that holds them all."""
    for frame in frames:
        held = {box for part in every([frame]) for box in part.boxes}
        if held < members:
            yield frame
        elif held & members:
            yield from _inner(frame.clusters, members)
