"""A diagram as SVG, drawn by this package alone. No Graphviz is needed, and no font.

`lay_out` finds the places, `draw_svg` draws what stands there, and below it what the borders and arrows mean. A script
finds boxes by `data-box`, arrows by `data-from` and `data-to`.
"""

from collections.abc import Mapping
from typing import Any

from ..diagram.data import Diagram
from ..diagram.layers import LayerFrame, every
from ..diagram.looks import clipped, dtype_note
from ..layout import text_width
from ..words.markup import Markup, element, image
from ..words.sentences import one_line
from .boxes import DOUBLE, LINE, PAD, ROUND, SIZE, draw_box, number, rect, shrunk, sides, write
from .layout import Laid, Point, lay_out
from .style import ROOT, style_sheet

__all__ = ["Laid", "draw_svg", "lay_out"]

HEAD = (8.5, 3.6)  # length of an arrowhead, and half its width
SWATCH = (26.0, 16.0)  # in the legend
ROW = 26.0
NARROWEST = 420.0  # what a legend may be wide, even under a small picture


def draw_svg(
    diagram: Diagram, *, laid: Laid | None = None, prefix: str = "g", classes: Mapping[str, str] | None = None,
    caption: bool = False, legend: bool = False,
) -> str:  # fmt: skip
    """The diagram as one `svg` element.

    diagram: what `tl.diagram` gives
    laid: the places of everything, as `lay_out` finds them; None finds them here
    prefix: what ids begin with: two pictures on one page need different ones
    classes: CSS classes to add, a dict by the id of a box or by "start->end" for arrows
    caption: True writes the title below the picture
    legend: True writes what the borders mean
    Returns a text.

    >>> tl.view.draw_svg(tl.diagram(tl.exp(tl.placeholder(2))))[:4]
    '<svg'
    """
    laid, classes = laid or lay_out(diagram), classes or {}
    below, width, height = _foot(diagram, laid.width, laid.height, caption, legend)
    frames = [cluster for cluster in every(diagram.clusters) if cluster.id in laid.frames]
    parts = [
        element("title", one_line(diagram.title), id=f"{prefix}-title"),
        element("desc", diagram.alternative, id=f"{prefix}-desc"),
        element("style", Markup(style_sheet())),
        element("rect", class_="paper", width="100%", height="100%"),
        *(element("rect", class_="frame", **sides(laid.frames[f.id]), rx=8, data_frame=f.id) for f in frames),
        *(_arrow(diagram, laid, i, classes) for i in range(len(laid.arrows))),
        *(draw_caption(cluster, laid) for cluster in frames),  # where an arrow must pass, it passes behind the text
    ]
    for box in diagram.boxes:
        kind = _words("box", box.role, "result" * box.output, classes.get(box.id, ""))
        attributes = {"class_": kind, "id": f"{prefix}-{box.id}", "data_box": box.id}
        parts.append(draw_box(laid.texts[box.id], laid.boxes[box.id], attributes))
    return element(
        "svg", *parts, *below, xmlns="http://www.w3.org/2000/svg", class_=ROOT, style="max-width:100%;height:auto",
        width=number(width), height=number(height), viewBox=f"0 0 {number(width)} {number(height)}",
        role="img", aria_labelledby=f"{prefix}-title", aria_describedby=f"{prefix}-desc",
    )  # fmt: skip


def draw_image(diagram: Diagram, **options: Any) -> Markup:
    """The diagram as an `img`, which even an untrusted notebook shows. The options are those of `draw_svg`."""
    return image(draw_svg(diagram, **options), "svg+xml", diagram.alternative)


def draw_caption(cluster: LayerFrame, laid: Laid) -> Markup:
    """The text of a frame: its title and its lines."""
    left, base = laid.captions[cluster.id], laid.frames[cluster.id][1] + PAD + 10
    title = write(clipped(cluster.title), left, base, "title")
    lines = [write(clipped(line), left, base + LINE * (i + 1), "note") for i, line in enumerate(cluster.lines)]
    ground = rect((left - 2, base - SIZE + 1, text_width(clipped(cluster.title), SIZE, True) + 4, LINE))
    return element("g", ground, title, *lines, class_="frame-text")


def _arrow(diagram: Diagram, laid: Laid, i: int, classes: Mapping[str, str]) -> Markup:
    arrow, (start, end, path), (tip, toward) = diagram.arrows[i], laid.arrows[i], laid.heads[i]
    marked = "marked" * (arrow.gradient and diagram.marks_gradients)
    parts = [element("path", d=path), element("path", class_="head", d=arrowhead(tip, toward))]
    parts += [write(clipped(arrow.label), *laid.labels[i], "label")] if arrow.label else []
    kind = _words("arrow", marked, "kept" * arrow.kept, classes.get(f"{start}->{end}", ""))
    return element("g", *parts, class_=kind, data_from=start, data_to=end)


def arrowhead(tip: Point, toward: Point) -> str:
    """The SVG path of a triangle with this tip, pointing in this direction."""
    (x, y), (dx, dy), (length, half) = tip, toward, HEAD
    corners = [(x, y)]
    corners += [(x - dx * length - side * dy * half, y - dy * length + side * dx * half) for side in (1, -1)]
    return "M" + "L".join(f"{number(a)} {number(b)}" for a, b in corners) + "Z"


def _words(*words: str) -> str:
    return " ".join(word for word in words if word)


def _foot(diagram: Diagram, width: float, top: float, caption: bool, legend: bool) -> tuple[list[Markup], float, float]:
    """The elements below the picture, and the width and height of the whole picture with them."""
    parts: list[Markup] = []
    left, y, wide = 14.0, top, width
    if caption:
        title, note = clipped(diagram.title), dtype_note(diagram)
        end = left + text_width(title, SIZE, True) + 14
        parts += [write(title, left, y + 14, "caption"), write(note, end, y + 14, "note")]
        wide = max(wide, end + text_width(note, SIZE) + left)
        y += ROW
    arrows = [(kind, f"{look}: {meaning}") for kind, look, meaning in diagram.arrow_legend]
    entries = diagram.legend + arrows if legend else []
    x, limit = left, max(wide, NARROWEST)
    for i, (role, words) in enumerate(entries):
        needed = SWATCH[0] + 8 + text_width(words, SIZE)
        if i and x + needed > limit - left:
            x, y = left, y + ROW
        parts += [_swatch(role, x, y), write(words, x + SWATCH[0] + 8, y + 12.5, "words")]
        wide = max(wide, x + needed + left)
        x += needed + 22
    y += ROW if entries else 0.0
    return parts, wide, y + (4 if parts else 0.0)


def _swatch(role: str, x: float, y: float) -> Markup:
    """A sample of a role: a small box with its border, double for an output; or an arrow."""
    width, height = SWATCH
    if role in ("marked", "kept"):
        middle = y + height / 2
        line = element("path", d=f"M{number(x)} {number(middle)}H{number(x + width - 6)}")
        ends = [(x + width, middle), (x + width - 8.5, middle - 4), (x + width - 8.5, middle + 4)]
        head = "M" + "L".join(f"{number(a)} {number(b)}" for a, b in ends) + "Z"
        return element("g", line, element("path", class_="head", d=head), class_=f"arrow {role}")
    outer, kind, inner = [], role, (x, y, width, height)
    if role == "output":
        outer, kind, inner = [element("rect", class_="outer", **sides(inner))], "operation", shrunk(inner, DOUBLE)
    corner = {"rx": ROUND * 0.7} if role == "input" else {}
    return element("g", rect(inner, **corner), *outer, class_=f"swatch {kind}")
