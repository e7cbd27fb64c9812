"""What a chart shows, as plain data: lines, points, bands, boxes, images, contours, rules and texts."""

from dataclasses import dataclass

from ...core import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Something that a chart shows: the numbers that it spans on both axes, and what the legend calls it.

    The series, 0 to 7, says its color, the form of its points and the dashes of its lines.
    """

    xs: tuple[Array, ...] = ()
    ys: tuple[Array, ...] = ()
    label: str = ""
    series: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line(Mark):
    """A line through points, which have marks if `points`."""

    points: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Points(Mark):
    """A mark at each point, or with `ring` its outline."""

    ring: bool = False


class Band(Mark):
    """The area between two lines: xs is (x,), ys is (low, high)."""


class Boxes(Mark):
    """Rectangles: xs is (left, right), ys is (bottom, top)."""


class RuleLine(Mark):
    """A line across the whole chart, at the number in xs or in ys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(Mark):
    """Equal cells, the first row at the first of ys. `colors` says what a number in them means.

    "ink" and "share" run from 0 to `limit`, "signed" from -limit to limit; "class" is the number of a series.
    """

    cells: Array
    colors: str
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Contours(Mark):
    """Lines of equal height, a list for each level."""

    lines: list[list[Array]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Mark):
    """Words at a point, moved by `shift` pixels: to the right, and up."""

    words: str
    anchor: str
    shift: tuple[float, float]
    tone: str
