"""From a diagram to Graphviz. This is the only module that imports `graphviz`.

What a role means is told three times: by the border, by a word and by a color, so that no one needs the color. All
colors are Okabe and Ito's, or a tint of one: they stay apart for color-blind eyes. The picture brings its own light
background, so it can be read in a dark notebook too.
"""

from __future__ import annotations

import shutil
from base64 import b64encode
from collections import Counter
from collections.abc import Container, Iterable
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import graphviz

from ..errors import RenderError
from . import engines
from .diagram import GRADIENT_FLOWS, Arrow, Box, Diagram, diagram
from .layers import Cluster
from .text import listing

LARGEST_PICTURE = 2_000  # boxes; beyond it nobody can read the picture, and the layout takes minutes
LONGEST_TEXT = 60  # characters of a name in a picture

INK, MUTED, FAINT, PAPER = "#1A1A1A", "#555555", "#8C8C8C", "#FFFFFF"
BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#009E73"
WORDS = {"value": "#00568A", "gradient": "#A84A00"}  # blue and vermilion, dark enough for text
LINE = " <B> </B>"  # plain and bold: so every line is as high as every other, and both halves of a row meet
WIDE = 16  # from so many boxes on, the legend is one row


class Look(NamedTuple):
    """How a role is drawn."""

    border: str
    fill: str
    style: str  # of the border: "" for solid, "rounded", "dashed", "dotted"
    width: str


LOOKS = {
    "input": Look(GREEN, "#DDF3EC", "rounded", "2"),
    "trainable": Look(VERMILION, "#FDEEDC", "", "2.5"),
    "frozen": Look(BLUE, "#E1F0FA", "dashed", "2"),
    "constant": Look(MUTED, "#F2F2F2", "dotted", "1.5"),
    "operation": Look(INK, PAPER, "", "1"),
}

# What an operation does, beside its name. A test asks for every operation in Op.registry.
SYMBOLS = {
    "add": "a + b", "subtract": "a - b", "multiply": "a * b", "divide": "a / b", "power": "x to a power",
    "scale": "x * factor", "matmul": "a @ b", "exp": "e to the x", "log": "ln x", "sqrt": "square root",
    "tanh": "-1 to 1", "relu": "max(x, 0)", "sign": "-1, 0 or 1", "greater": "a > b", "where": "a or b",
    "transpose": "swap axes", "reshape": "new shape", "broadcast": "repeat", "reduce_sum": "sum",
    "reduce_max": "max", "identity": "copy", "stop_gradient": "no gradient", "cast": "new dtype",
    "take": "x[i]", "scatter_add": "add at [i]", "index": "x[key]", "place": "put at [key]",
    "concatenate": "join",
}  # fmt: skip

if shutil.which("dot") is None and (binary := engines.pure_binary()):
    # `draw(y).view()` and the other methods of graphviz.Digraph then work without a system `dot` as well.
    graphviz.backend.dot_command.DOT_BINARY = Path(binary)


class Picture(graphviz.Digraph):  # type: ignore[misc]
    """A `graphviz.Digraph` that a notebook shows anywhere, and that knows itself in words.

    `.diagram` is the plain data behind it, `.text` the listing, `.alternative` one paragraph for those who do not see
    it. `render(picture, "graph.svg")` writes a file.
    """

    diagram = Diagram("Empty", (), ())

    @property
    def text(self) -> str:
        """The listing: one line a node."""
        return listing(self.diagram)

    @property
    def alternative(self) -> str:
        """The picture in words."""
        return self.diagram.alternative

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None, **_: Any
    ) -> dict[str, Any]:
        """What Jupyter shows: the `img` survives in an untrusted notebook; without an engine there is the text."""
        bundle = {"text/plain": self.text}
        try:
            svg = engines.svg(self.source, self.alternative)
        except RenderError:
            pass
        else:
            data = b64encode(svg.encode()).decode()
            words = escape(self.alternative)
            bundle["image/svg+xml"] = svg
            bundle["text/html"] = f'<img alt="{words}" style="max-width: 100%" src="data:image/svg+xml;base64,{data}">'
        wanted: Container[str] = bundle if include is None else set(include)
        unwanted = set(exclude or ())
        return {kind: data for kind, data in bundle.items() if kind in wanted and kind not in unwanted}


def draw(
    obj: Any, example: Any = None, *, values: bool = False, gradients: bool = False, rankdir: str = "TB",
    legend: bool = True, title: str | None = None,
) -> Picture:  # fmt: skip
    """A picture of a node, a Graph, a layer or a compiled function: a `graphviz.Digraph`.

    `values` and `gradients` write the numbers into the boxes. `rankdir="LR"` draws from left to right instead of from
    the top down. A layer is drawn for an input like `example`, an array or a shape.
    Raises RenderError above 2,000 boxes: print `listing(obj)` instead, or draw a part.
    """
    if isinstance(obj, Picture):
        return obj
    if rankdir not in ("TB", "LR", "BT", "RL"):
        raise ValueError(f"rankdir is one of TB (top to bottom), LR, BT and RL, not {rankdir!r}")
    shown = diagram(obj, example, values=values, gradients=gradients, title=title)
    if len(shown.boxes) > LARGEST_PICTURE:
        raise RenderError(
            f"a picture of {len(shown.boxes):,} boxes cannot be read; the limit is {LARGEST_PICTURE:,}. "
            "print(listing(obj)) lists them all; draw(node) of an earlier node shows a part"
        )
    return _picture(shown, rankdir, legend)


TEXT = {"fontname": "Helvetica", "fontcolor": INK}
PICTURE = TEXT | {
    "bgcolor": PAPER,
    "fontsize": "12",
    "pad": "0.2",
    "nodesep": "0.3",
    "ranksep": "0.4",
    "newrank": "true",
}
BOX = TEXT | {"shape": "box", "fontsize": "12", "margin": "0", "width": "0.4", "height": "0.3"}
ARROW = TEXT | {"fontsize": "10", "color": MUTED, "arrowsize": "0.7"}
FRAME = {"style": "rounded,filled", "color": FAINT, "fillcolor": "#F7F7F7", "margin": "12", "labeljust": "l"}


def _picture(shown: Diagram, rankdir: str, legend: bool) -> Picture:
    picture = Picture("picture")
    picture.diagram = shown
    picture.attr(rankdir=rankdir, label=_caption(shown, legend), tooltip=_escaped(shown.title), **PICTURE)
    picture.attr("node", **BOX)
    picture.attr("edge", **ARROW)
    common = common_dtype(shown)
    boxes = {box.id: box for box in shown.boxes}
    for cluster in shown.clusters:
        _draw_cluster(picture, cluster, boxes, common)
    for box in boxes.values():  # those that are in no cluster
        _draw_box(picture, box, common)
    beside = _beside(shown)
    for i, arrow in enumerate(shown.arrows):
        _draw_arrow(picture, i, arrow, shown.marks_gradients, arrow.start in beside)
    return picture


def _draw_cluster(picture: Any, cluster: Cluster, boxes: dict[str, Box], common: str) -> None:
    """Names are short inside a frame: `lora.A` in that of `lora` is A. Takes what it draws out of `boxes`."""
    with picture.subgraph(name=f"cluster_{cluster.id}") as inside:
        lines = [_bold(cluster.title), *map(_html, cluster.lines)]
        label = "".join(line + '<BR ALIGN="LEFT"/>' for line in lines)
        told = _escaped(", ".join([cluster.title, *cluster.lines]))
        inside.attr(label=f"<{label}>", id=cluster.id, tooltip=told, **FRAME, **{"class": "layer"})
        for part in cluster.clusters:
            _draw_cluster(inside, part, boxes, common)
        for name in cluster.boxes:
            _draw_box(inside, boxes.pop(name), common, cluster.name + ".")


def _draw_box(picture: Any, box: Box, common: str, within: str = "") -> None:
    look = LOOKS[box.role]
    picture.node(
        box.id,
        label=_label(box, look, common, within),
        id=box.id,
        color=look.border,
        fillcolor=look.fill,
        style=",".join(filter(None, ("filled", look.style))),
        penwidth=look.width,
        peripheries="2" if box.output else "1",
        tooltip=_escaped(f"{box.label} = {box.expression}, {box.shape} {box.dtype}, {box.role}"),
        **{"class": f"{box.role} {box.operation}" + " output" * box.output},
    )


def _beside(shown: Diagram) -> set[str]:
    """Parameters and constants used once go beside their operation, where there is data to come from above."""
    uses = Counter(arrow.start for arrow in shown.arrows)
    leaves = {b.id for b in shown.boxes if b.role in ("trainable", "frozen", "constant") and uses[b.id] == 1}
    fed = {arrow.end for arrow in shown.arrows if arrow.start not in leaves}
    return {arrow.start for arrow in shown.arrows if arrow.start in leaves and arrow.end in fed}


def _draw_arrow(picture: Any, i: int, arrow: Arrow, marked: bool, beside: bool) -> None:
    thick = {"penwidth": "2.2", "color": VERMILION} if marked and arrow.gradient else {}
    level = {"minlen": "0"} if beside else {}
    names = {"id": f"e{i}", "class": "gradient" if arrow.gradient else "forward"}
    label = {"label": _escaped(f" {arrow.label} ")} if arrow.label else {}
    picture.edge(arrow.start, arrow.end, **label, **thick, **level, **names)


def _label(box: Box, look: Look, common: str, within: str) -> str:
    """A table: title and what it is, shape and whether it is the output; below, the lines in two columns."""
    named = box.role == "operation" and box.named
    title = f"{box.label} = {box.title}" if named else box.title.removeprefix(within)
    what = SYMBOLS.get(box.operation, "") if box.role == "operation" else box.role
    head = [(_bold(title), _colored(what, MUTED))]
    shape = box.shape if box.dtype == common else f"{box.shape} {box.dtype}"
    if box.output or shape != "scalar" or not box.value:
        head.append((_html(shape), _bold("output") if box.output else ""))
    lines = [(_colored(what, WORDS.get(what, MUTED)), _html(text)) for what, text in box.lines]
    rows = _row([(a + LINE, LINE + b) for a, b in head], "RIGHT")
    rows += f"<HR/>{_row(lines, 'LEFT')}" if lines else ""
    return f'<<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="6" COLOR="{look.border}">{rows}</TABLE>>'


def _row(pairs: list[tuple[str, str]], side: str) -> str:
    """A table row of two cells, the first halves of the pairs beside the second, line by line."""
    cells = zip(zip(*pairs, strict=True), ("LEFT", side), strict=True)
    stacks = (
        f'<TD ALIGN="{at}" BALIGN="{at}">{"<BR/>".join(line or " " for line in lines)}</TD>' for lines, at in cells
    )
    return f"<TR>{''.join(stacks)}</TR>"


def _bold(text: str) -> str:
    return f"<B>{_html(text)}</B>"


def _colored(text: str, color: str) -> str:
    return f'<FONT COLOR="{color}">{_html(text)}</FONT>' if text else ""


def _caption(shown: Diagram, legend: bool) -> str:
    """The title and the legend, below the picture: each role in its own border."""
    note = f"arrays hold {common_dtype(shown)}" if shown.boxes else "nothing to show"
    rows = [f"<TD>{_bold(shown.title)}   {_colored(note, MUTED)}</TD>"]
    swatches = [_swatch(role, words) for role, words in shown.legend] if legend else []
    if legend and shown.marks_gradients:
        swatches.append(f'<TD><FONT COLOR="{WORDS["gradient"]}"><B>thick arrow</B></FONT>: {GRADIENT_FLOWS}</TD>')
    per_row = 3 if len(shown.boxes) < WIDE else 7
    for i in range(0, len(swatches), per_row):
        cells = "".join(swatches[i : i + per_row])
        rows.append(f'<TD><TABLE BORDER="0" CELLPADDING="6" CELLSPACING="4"><TR>{cells}</TR></TABLE></TD>')
    body = "".join(f"<TR>{row}</TR>" for row in ["<TD></TD>", *rows])
    return f'<<TABLE BORDER="0" CELLPADDING="6" CELLSPACING="0">{body}</TABLE>>'


def _swatch(role: str, words: str) -> str:
    """A cell of the legend, in the border of the role; that of an output is double."""
    if role == "output":
        inner = f'<TABLE BORDER="1" CELLBORDER="0" CELLPADDING="6"><TR><TD>{words}</TD></TR></TABLE>'
        return f'<TD BORDER="1" CELLPADDING="2">{inner}</TD>'
    look = LOOKS[role]
    style = f' STYLE="{look.style.upper()}"' if look.style else ""
    return f'<TD BORDER="{float(look.width):.0f}" COLOR="{look.border}" BGCOLOR="{look.fill}"{style}>{words}</TD>'


def common_dtype(shown: Diagram) -> str:
    """The dtype of most boxes: only the others say theirs."""
    return Counter(box.dtype for box in shown.boxes).most_common(1)[0][0] if shown.boxes else ""


def _html(text: str) -> str:
    """Text for an HTML label: nothing in it is markup, and it stays on one line."""
    return escape(_clean(text), quote=False)


def _escaped(text: str) -> str:
    """Text for an ordinary attribute, where a backslash would start an escape."""
    return str(graphviz.escape(_clean(text)))


def _clean(text: str) -> str:
    """Without characters that no picture can show; long text ends in dots."""
    visible = "".join(c if c.isprintable() else " " for c in text)
    return visible if len(visible) <= LONGEST_TEXT else visible[: LONGEST_TEXT - 3] + "..."
