"""A box in SVG: how large it must be, and its texts, each at its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..diagram.data import Box
from ..diagram.looks import LOOKS, Head, box_head, clipped
from ..layout import text_width
from ..words.markup import Markup, element
from ..words.sentences import one_line

SIZE = 12.0  # of the font
LINE = 16.0  # from line to line
PAD = 8.0
BETWEEN = 18.0  # between the two texts of a line
DOUBLE = 3.0  # the gap between the two borders of an output
ROUND = 9  # the corners of an input
FILLED = ("value", "gradient")  # rows that a script may fill in

Rectangle = tuple[float, float, float, float]  # left, top, width, height


@dataclass(frozen=True, slots=True)
class BoxText:
    """The texts of a box: the head, then rows of a name and its lines."""

    box: Box
    head: Head
    rows: tuple[tuple[str, Sequence[str]], ...]
    reserved: float  # width for a text that a script will fill in

    @property
    def lines(self) -> int:
        """How many lines of text the box has."""
        return 1 + bool(self.head.shape) + sum(len(lines) for _, lines in self.rows)

    @property
    def column(self) -> float:
        """How far from the left edge the texts of the rows begin."""
        names = (text_width(name, SIZE) for name, _ in self.rows)
        return PAD + max(names, default=0.0) + PAD + 2

    @property
    def size(self) -> tuple[float, float]:
        """The width and height of the box, with the outer border of an output."""
        title, what, shape, output = self.head
        heads = [
            (text_width(title, SIZE, True), text_width(what, SIZE)),
            (text_width(shape, SIZE), text_width(output, SIZE, True)),
        ]
        widths = [2 * PAD + left + (BETWEEN + right if right else 0.0) for left, right in heads]
        texts = [self.reserved, *(text_width(line, SIZE) for _, lines in self.rows for line in lines)]
        widths += [self.column + max(texts) + PAD] if self.rows else []
        outer = 2 * DOUBLE * self.box.output
        return max(widths) + outer, self.lines * LINE + 2 * PAD - 3 + (6 if self.rows else 0) + outer


def box_text(box: Box, common: str, within: str, characters: int = 0) -> BoxText:
    """The texts of a box. With `characters`, value and gradient have a line each of that length, filled in or not."""
    head = Head(*(clipped(text) for text in box_head(box, common, within)))
    rows: list[tuple[str, list[str]]] = []
    for name, line in box.lines:
        if name or not rows:
            rows.append((clipped(name), []))
        rows[-1][1].append(clipped(line))
    present = {name for name, _ in rows}
    if characters:
        rows += [(name, [""]) for name in FILLED if name not in present]
    return BoxText(box, head, tuple((name, tuple(lines)) for name, lines in rows), characters * text_width("0", SIZE))


def draw_box(text: BoxText, place: Rectangle, attributes: dict[str, str]) -> Markup:
    """The box as an SVG group with its border and texts."""
    x, y, width, height = place
    box, (title, what, shape, output) = text.box, text.head
    tooltip = one_line(f"{box.label} = {box.expression}, {box.shape} {box.dtype}, {box.role}")
    corner = {"rx": ROUND} if LOOKS[box.role].style == "rounded" else {}
    parts: list[Markup] = []
    if box.output:
        parts = [rect(place, class_="outer", **corner)]
        x, y, width, height = x + DOUBLE, y + DOUBLE, width - 2 * DOUBLE, height - 2 * DOUBLE
    parts = [element("title", tooltip), rect((x, y, width, height), **corner), *parts]
    base, right = y + PAD + SIZE - 2, x + width - PAD
    parts += [write(title, x + PAD, base, "title"), *([write(what, right, base, "what end")] if what else ())]
    if shape:
        base += LINE
        parts += [write(shape, x + PAD, base, "shape"), *([write(output, right, base, "output end")] if output else ())]
    if text.rows:
        rule = number(base + 8)
        parts.append(element("path", class_="rule", d=f"M{number(x)} {rule}H{number(x + width)}"))
        base += 6
    for name, lines in text.rows:
        base += LINE
        parts.append(write(name, x + PAD, base, f"{name}-name" if name in FILLED else "name"))
        parts.append(_lines(lines, x + text.column, base, name if name in FILLED else "detail"))
        base += LINE * (len(lines) - 1)
    return element("g", *parts, **attributes)


def write(text: object, x: float, y: float, class_: str) -> Markup:
    """One line of text."""
    return element("text", text, x=number(x), y=number(y), class_=class_)


def _lines(lines: Sequence[str], x: float, y: float, class_: str) -> Markup:
    if len(lines) == 1:
        return write(lines[0], x, y, class_)
    spans = [element("tspan", line, x=number(x), dy=number(LINE) if i else None) for i, line in enumerate(lines)]
    return element("text", *spans, x=number(x), y=number(y), class_=class_)


def rect(place: Rectangle, **attributes: object) -> Markup:
    """A rectangle."""
    x, y, width, height = map(number, place)
    return element("rect", x=x, y=y, width=width, height=height, **attributes)


def number(x: float) -> str:
    """A coordinate as text, rounded to a tenth of a pixel."""
    text = f"{x:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
