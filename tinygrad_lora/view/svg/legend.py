"""The text below a picture: its title, and what the borders and arrows mean."""

from ..diagram.data import Diagram
from ..diagram.looks import clipped, dtype_note
from ..layout import text_width
from ..words.markup import Markup, element
from .boxes import DOUBLE, ROUND, SIZE, number, rect, shrunk, sides, write

SWATCH = (26.0, 16.0)
ROW = 26.0
NARROWEST = 420.0  # what a legend may be wide, even under a small picture


def foot(diagram: Diagram, width: float, top: float, caption: bool, legend: bool) -> tuple[list[Markup], float, float]:
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
