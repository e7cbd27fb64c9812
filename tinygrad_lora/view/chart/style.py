"""The style sheet of charts, light and dark. A series has its color, the form of its points and its dashes."""

from collections.abc import Iterator

from ..diagram.looks import BLUE, FONTS, GREEN, VERMILION
from ..svg.style import DARK, LIGHT, themed

ROOT = "tl-chart"  # the class of the svg element
SERIES = 8

# Okabe and Ito's colors, the strongest contrasts first, and lighter ones of the same hues for the dark.
COLORS = (BLUE, VERMILION, GREEN, "#CC79A7", "#E69F00", "#56B4E9", "#7A7A7A", "#1A1A1A")
ON_DARK = ("#4C9FE0", "#FF8A3D", "#2CC295", "#E79CC8", "#F2C14E", "#A9DCFA", "#9A9A9A", "#F0F0F0")
DASHES = ("", "6 3", "8 3 2 3", "2 3", "6 2 2 2 2 2", "10 3", "3 2", "4 4")
# The form of a point, as a path around it: o ^ s D v + X *
FORMS = (
    "m-3.4 0a3.4 3.4 0 1 0 6.8 0a3.4 3.4 0 1 0-6.8 0z", "m0-4.3l4 7h-8z", "m-3-3h6v6h-6z",
    "m0-4.3l4.3 4.3l-4.3 4.3l-4.3-4.3z",
    "m0 4.3l4-7h-8z", "m-1.3-4h2.6v2.7h2.7v2.6h-2.7v2.7h-2.6v-2.7h-2.7v-2.6h2.7z",
    "m0-1.8l2.2-2.2l1.8 1.8l-2.2 2.2l2.2 2.2l-1.8 1.8l-2.2-2.2l-2.2 2.2l-1.8-1.8l2.2-2.2l-2.2-2.2l1.8-1.8z",
    "m0-5.4l1.3 3.6l3.8.1l-3 2.4l1 3.7l-3.1-2.1l-3.1 2.1l1-3.7l-3-2.4l3.8-.1z",
)  # fmt: skip

SHARED = ("paper", "ink", "muted", "edge", "gradient")


def style_sheet() -> str:
    """The style sheet; all its rules apply inside a chart only."""
    light = {name: LIGHT[name] for name in SHARED} | {"grid": "#E4E4E4"} | {f"s{i}": c for i, c in enumerate(COLORS)}
    dark = {name: DARK[name] for name in SHARED} | {"grid": "#2C333A"} | {f"s{i}": c for i, c in enumerate(ON_DARK)}
    return themed(ROOT, light, dark, _rules())


def _rules() -> Iterator[tuple[str, str]]:
    yield "text", f"font-family:{FONTS};font-size:12px;fill:var(--ink);white-space:pre"
    yield ".title", "font-weight:bold"
    yield ".paper", "fill:var(--paper)"
    yield ".muted,.tick", "fill:var(--muted)"
    yield ".gradient", "fill:var(--gradient)"
    yield ".small,.tick", "font-size:11px"
    yield ".end", "text-anchor:end"
    yield ".middle", "text-anchor:middle"
    yield ".axis", "fill:none;stroke:var(--edge)"
    yield ".grid", "fill:none;stroke:var(--grid)"
    yield ".rule", "fill:none;stroke:var(--edge);stroke-width:0.8"
    yield ".line", "fill:none;stroke:var(--c);stroke-width:1.7;stroke-linejoin:round"
    yield ".points", "fill:var(--c);stroke:var(--paper);stroke-width:1.2;paint-order:stroke"
    yield ".ring", "fill:none;stroke:var(--ink);stroke-width:1.5"
    yield ".band", "fill:var(--c);fill-opacity:0.18"
    yield ".boxes", "fill:var(--c);fill-opacity:0.6;stroke:var(--c);stroke-width:0.6"
    yield ".contour", "fill:none;stroke:var(--ink);stroke-width:0.8"
    yield ".image", "fill:var(--c);shape-rendering:crispEdges"
    for i, dash in enumerate(DASHES):
        yield f".s{i}", f"--c:var(--s{i})"
        if dash:
            yield f".line.s{i}", f"stroke-dasharray:{dash}"
