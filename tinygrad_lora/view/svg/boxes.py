"""A box in SVG: how large it must be, and its texts, each at its place."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..diagram.data import Box
from ..diagram.looks import LOOKS, Head, box_head, clipped
from ..layout import text_width
from ..words.markup import Markup, element
from ..words.sentences import number_text, one_line

SIZE = 12.0  # of the font
LINE = 16.0  # from line to line
PAD = 8.0
BETWEEN = 18.0  # between the two texts of a line
DOUBLE = 3.0  # the gap between the two borders of an output
CELL = 12.0  # of an array in colors
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
        return PAD + max((text_width(name, SIZE) for name, _ in self.rows), default=0.0) + PAD + 2

    @property
    def size(self) -> tuple[float, float]:
        """The width and height of the box, with the outer border of an output."""
        title, what, shape, output = self.head
        upper = text_width(title, SIZE, True), text_width(what, SIZE)
        lower = text_width(shape, SIZE), text_width(output, SIZE, True)
        widths = [2 * PAD + left + (BETWEEN + right if right else 0.0) for left, right in (upper, lower)]
        texts = [self.reserved, *(text_width(line, SIZE) for _, lines in self.rows for line in lines)]
        widths += [self.column + max(texts) + PAD] if self.rows else []
        outer = 2 * DOUBLE * self.box.output
        if heat := self.box.heat:
            widths.append(3 * PAD + CELL * len(heat[0]) + text_width(self.scale, SIZE))
        height = self.lines * LINE + 2 * PAD - 3 + (6 if self.rows else 0)
        return max(widths) + outer, height + (CELL * len(heat) + PAD if heat else 0) + outer

    @property
    def scale(self) -> str:
        """What the strongest color of a heatmap stands for."""
        return f"\N{PLUS-MINUS SIGN}{number_text(max(abs(n) for row in self.box.heat for n in row))}"

    def inner(self, place: Rectangle) -> Rectangle:
        """The border around the texts: that of the box, or of an output the inner one of two."""
        return shrunk(place, DOUBLE * self.box.output)

    def head_at(self, inner: Rectangle) -> list[tuple[str, str, float, float]]:
        """The texts of the head, each with its classes and its place."""
        x, y, width, _ = inner
        title, what, shape, output = self.head
        left, right, base = x + PAD, x + width - PAD, y + PAD + SIZE - 2
        texts = [("title", title, left, base), ("what end", what, right, base)]
        texts += [("shape", shape, left, base + LINE), ("output end", output, right, base + LINE)]
        return [text for text in texts if text[1]]

    def rows_at(self, inner: Rectangle) -> Iterator[tuple[str, Sequence[str], float]]:
        """The rows below the head, each with the base of its first line."""
        base = self.head_at(inner)[-1][-1] + 6
        for name, lines in self.rows:
            yield name, lines, base + LINE
            base += LINE * len(lines)


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


def _heatmap(text: BoxText, inner: Rectangle) -> list[Markup]:
    """The numbers as colored cells at the bottom of a box: orange above 0, blue below, strong where far from it."""
    heat, (x, y, _, height) = text.box.heat, inner
    largest = max(abs(n) for row in heat for n in row) or 1.0
    top = y + height - PAD - CELL * len(heat)
    paper = rect((x + PAD, top, CELL * len(heat[0]), CELL * len(heat)), class_="cell")
    cells = [paper, write(text.scale, x + 2 * PAD + CELL * len(heat[0]), top + SIZE - 2, "note")]
    for i, row in enumerate(heat):
        for j, n in enumerate(row):
            name = element("title", f"[{i}, {j}] = {number_text(n)}")
            place = (x + PAD + CELL * j, top + CELL * i, CELL, CELL)
            kind = "cell above" if n >= 0 else "cell below"
            cells.append(rect(place, name, class_=kind, fill_opacity=f"{abs(n) / largest:.2f}"))
    return [element("g", *cells, class_="heat")]


def draw_box(text: BoxText, place: Rectangle, attributes: dict[str, str]) -> Markup:
    """The box as an SVG group with its border and texts."""
    box, inner = text.box, text.inner(place)
    corner = {"rx": ROUND} if LOOKS[box.role].style == "rounded" else {}
    outer = [rect(place, class_="outer", **corner)] if box.output else []
    parts = [element("title", one_line(box.sentence)), rect(inner, **corner), *outer]
    parts += [write(words, left, base, kind) for kind, words, left, base in text.head_at(inner)]
    parts += rule(text, inner)
    x = inner[0]
    for name, lines, base in text.rows_at(inner):
        parts.append(write(name, x + PAD, base, f"{name}-name" if name in FILLED else "name"))
        parts.append(_lines(lines, x + text.column, base, name if name in FILLED else "detail"))
    parts += _heatmap(text, inner) if box.heat else []
    return element("g", *parts, **attributes)


def rule(text: BoxText, inner: Rectangle) -> list[Markup]:
    """The line between the head and the rows, if there are any."""
    x, y, width, _ = inner
    base = number(y + PAD + SIZE - 2 + LINE * bool(text.head.shape) + 8)
    return [element("path", class_="rule", d=f"M{number(x)} {base}H{number(x + width)}")] if text.rows else []


def write(text: object, x: float, y: float, class_: str) -> Markup:
    """One line of text."""
    return element("text", text, x=number(x), y=number(y), class_=class_)


def _lines(lines: Sequence[str], x: float, y: float, class_: str) -> Markup:
    if len(lines) == 1:
        return write(lines[0], x, y, class_)
    spans = [element("tspan", line, x=number(x), dy=number(LINE) if i else None) for i, line in enumerate(lines)]
    return element("text", *spans, x=number(x), y=number(y), class_=class_)


def rect(place: Rectangle, *inside: Markup, **attributes: object) -> Markup:
    """A rectangle, with such as a title inside it."""
    return element("rect", *inside, **sides(place), **attributes)


def sides(place: Rectangle) -> dict[str, str]:
    """The attributes that say where a rectangle is."""
    return dict(zip(("x", "y", "width", "height"), map(number, place), strict=True))


def shrunk(place: Rectangle, by: float) -> Rectangle:
    """The rectangle that is `by` smaller on each side."""
    x, y, width, height = place
    return x + by, y + by, width - 2 * by, height - 2 * by


def number(x: float) -> str:
    """A coordinate as text, rounded to a tenth of a pixel."""
    text = f"{x:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
