"""Writes a diagram for Graphviz, which draws it as PNG or PDF. This is the only module that imports `graphviz`."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import graphviz
from numpy.typing import ArrayLike

from ...errors import RenderError
from ..diagram.collapse import Open, smaller
from ..diagram.data import Arrow, Box, Diagram, Drawable, diagram, refuse
from ..diagram.layers import LayerFrame, every
from ..diagram.looks import BLUE, FAINT, INK, LOOKS, MUTED, PAPER, TINT, VERMILION, common_dtype, shortened
from ..diagram.text import listing
from ..svg.draw import draw_svg, lay_out
from ..words.bundle import Forms, Shown, picture_forms
from .engines import pure_binary
from .labels import box_label, caption, frame_label

LARGEST_PICTURE = 2_000  # boxes; beyond it nobody can read the picture, and the layout takes minutes

TEXT = {"fontname": "Helvetica", "fontcolor": INK}
SHEET = TEXT | {"bgcolor": PAPER, "fontsize": "12", "pad": "0.2", "nodesep": "0.3", "ranksep": "0.4", "newrank": "true"}
BOX = TEXT | {"shape": "box", "fontsize": "12", "margin": "0", "width": "0.4", "height": "0.3"}
ARROW = TEXT | {"fontsize": "11", "color": MUTED, "arrowsize": "0.7"}
FRAME = {"style": "rounded,filled", "color": FAINT, "fillcolor": TINT, "margin": "12", "labeljust": "l"}
NO_FRAME = {"peripheries": "0", "style": "invis", "margin": "0", "label": ""}

if shutil.which("dot") is None and (binary := pure_binary()):
    # `draw(y).view()` and the other methods of graphviz.Digraph then work without a system `dot` as well.
    graphviz.backend.dot_command.DOT_BINARY = Path(binary)


class Picture(Shown, graphviz.Digraph):  # type: ignore[misc]
    """A `graphviz.Digraph` that every notebook can show, and that describes itself in words. `tl.draw` makes it.

    `.diagram` is the plain data behind it. `render(picture, "graph.svg")` writes a file.

    name, comment, filename, directory, format, engine, encoding, graph_attr, node_attr: as in `graphviz.Digraph`
    edge_attr, body, strict, renderer, formatter: as in `graphviz.Digraph`

    >>> picture = tl.draw(tl.exp(tl.placeholder(2, name="x")))
    >>> print(picture.text)
    Computation of exp
    name  computed as  shape  dtype    role
    x     input        (2,)   float64  input
    %1    exp(x)       (2,)   float64  operation, output
    >>> picture.svg()[:4], picture.alternative[:12]
    ('<svg', 'Computation ')
    """

    diagram = Diagram("Empty", (), ())
    rankdir, legend = "TB", True

    def svg(self) -> str:
        """The picture as an SVG element in this package's own layout, as in steppers; Graphviz draws PNG and PDF.

        Returns a text.
        """
        laid = lay_out(self.diagram, rankdir=self.rankdir)
        mark = hashlib.sha256(self.source.encode()).hexdigest()[:8]  # so that ids differ from picture to picture
        return draw_svg(self.diagram, laid=laid, prefix=f"p{mark}", caption=True, legend=self.legend)

    @property
    def text(self) -> str:
        """The listing: one line a node."""
        return listing(self.diagram)

    @property
    def alternative(self) -> str:
        """The picture in words."""
        return self.diagram.alternative

    def _forms(self) -> Forms:
        return picture_forms(lambda: self.text, self.svg, self.alternative)


def draw(
    obj: Drawable | Picture, example: ArrayLike | None = None, *, values: bool | str = False, gradients: bool = False,
    rankdir: str = "TB", legend: bool = True, title: str | None = None, open: Open = (),
    depth: int | None = None,
) -> Picture:  # fmt: skip
    """A picture of a node, a Graph, a layer or a compiled function.

    A call of a library function is one box. In a picture of more than 60 boxes, only the first of repeated blocks is
    drawn, and layers become one box each where there is no room for more. `draw(diagram(obj))` draws every node. A
    picture is returned as it is.

    obj: a node, a Graph, a layer, a compiled function, a `Diagram` or a picture
    example: an input for a layer, an array or a shape
    values: True writes the numbers into the boxes, "heatmap" also in colors, orange above 0 and blue below, up to the
        largest of the array
    gradients: True writes the gradients into the boxes
    rankdir: "TB" draws from the top down, "LR" from left to right; "BT" and "RL" the other way around
    legend: False leaves out what borders and colors mean
    title: goes above; None says what it is
    open: what is drawn from inside: the name of a library function, as in "gelu", or of a repeated block, as in
        "encoder.layer"; a list of names, or True for all
    depth: how many levels of layers inside the model are drawn; None takes as many as there is room for
    Returns a picture, a `graphviz.Digraph` that every notebook shows.
    Raises RenderError above 2,000 boxes: print `listing(obj)` instead, or draw a part; TypeError for what cannot be
    drawn, ValueError for another `rankdir`.

    >>> x = tl.parameter([1.0, 2.0], name="x")
    >>> picture = tl.draw(tl.sum(x * x), values=True)
    >>> print(picture.text)
    Computation of reduce_sum
    name  computed as                                shape   dtype    role               value
    x     parameter                                  (2,)    float64  trainable          [1, 2]
    %1    multiply(x, x)                             (2,)    float64  operation          [1, 4]
    %2    reduce_sum(%1, axis=(0,), keepdims=False)  scalar  float64  operation, output  5
    """
    if isinstance(obj, Picture):
        options = {"example": example is not None, "values": values, "gradients": gradients, "title": title}
        options |= {"open": bool(open), "depth": depth is not None}
        as_drawn = {"rankdir": rankdir not in ("TB", obj.rankdir), "legend": legend not in (True, obj.legend)}
        refuse(obj, options | as_drawn)
        return obj
    if rankdir not in ("TB", "LR", "BT", "RL"):
        raise ValueError(f"rankdir is one of TB (top to bottom), LR, BT and RL, not {rankdir!r}")
    data = diagram(obj, example, values=values, gradients=gradients, title=title)
    if not isinstance(obj, Diagram):
        few = smaller(data, open, depth)
        note = f" ({len(data.boxes):,} nodes, some layers as one box)" if few.note else ""
        data = replace(few.diagram, title=data.title + note)
    if len(data.boxes) > LARGEST_PICTURE:
        remedy = "print(listing(obj)) lists them all; draw(node) of an earlier node shows a part"
        problem = f"a picture of {len(data.boxes):,} boxes cannot be read; the limit is {LARGEST_PICTURE:,}"
        raise RenderError(f"{problem}. {remedy}")
    return _Drawing(data).picture(rankdir, legend)


class _Drawing:
    """Builds the picture of one diagram; holds what its boxes share: the common dtype, and which leaf goes where."""

    def __init__(self, data: Diagram) -> None:
        self.data, self.common = data, common_dtype(data)
        self.boxes = {box.id: box for box in data.boxes}
        self.beside = _beside(data)
        self.leaves = {leaf for leaves in self.beside.values() for leaf in leaves}  # each of them in the same frame

    def picture(self, rankdir: str, legend: bool) -> Picture:
        sheet = Picture("picture")
        sheet.diagram, sheet.rankdir, sheet.legend = self.data, rankdir, legend
        sheet.attr(rankdir=rankdir, label=caption(self.data, legend), tooltip=_escaped(self.data.title), **SHEET)
        sheet.attr("node", **BOX)
        sheet.attr("edge", **ARROW)
        for cluster in self.data.clusters:
            self.frame(sheet, cluster)
        framed = _frames(self.data.clusters)
        self.group(sheet, [name for name in self.boxes if name not in framed], "")
        for i, arrow in enumerate(self.data.arrows):
            self.arrow(sheet, i, arrow)
        return sheet

    def frame(self, sheet: graphviz.Digraph, cluster: LayerFrame) -> None:
        """Add the frame of a layer, with the frames and boxes inside it."""
        with sheet.subgraph(name=f"cluster_{cluster.id}") as inside:
            tooltip = _escaped(", ".join([cluster.title, *cluster.lines]))
            inside.attr(label=frame_label(cluster), id=cluster.id, tooltip=tooltip, **FRAME, **{"class": "layer"})
            for part in cluster.clusters:
                self.frame(inside, part)
            self.group(inside, cluster.boxes, f"{cluster.name}.")

    def group(self, sheet: graphviz.Digraph, names: Iterable[str], within: str) -> None:
        """Add the boxes of one frame. An invisible frame keeps an operation and the leaves beside it together."""
        for name in names:
            if name in self.beside:
                with sheet.subgraph(name=f"cluster_{name}") as pair:
                    pair.attr(id=f"pair_{name}", tooltip=" ", **NO_FRAME)  # else it takes those of the frame
                    for member in (*self.beside[name], name):
                        self.box(pair, self.boxes[member], within)
            elif name not in self.leaves:
                self.box(sheet, self.boxes[name], within)

    def box(self, sheet: graphviz.Digraph, box: Box, within: str) -> None:
        """Add one box. Its name is short inside a frame: `lora.A` is A in the frame of `lora`."""
        look = LOOKS[box.role]
        sheet.node(
            box.id,
            label=box_label(box, self.common, within),
            id=box.id,
            color=look.border,
            fillcolor=look.fill,
            style=",".join(filter(None, ("filled", look.style))),
            penwidth=look.width,
            peripheries="2" if box.output else "1",
            tooltip=_escaped(box.sentence),
            **{"class": f"{box.role} {box.operation}" + " output" * box.output},
        )

    def arrow(self, sheet: graphviz.Digraph, i: int, arrow: Arrow) -> None:
        options = {"id": f"e{i}", "class": "gradient" if arrow.gradient else "forward"}
        if arrow.label:
            options["label"] = f" {_escaped(arrow.label)} "
        if arrow.start in self.leaves:
            options["minlen"] = "0"
        if arrow.kept:
            options |= {"style": "dashed", "color": BLUE}
        if arrow.gradient and self.data.marks_gradients:
            options |= {"penwidth": "2.2", "color": VERMILION}
        sheet.edge(arrow.start, arrow.end, **options)


def _beside(data: Diagram) -> dict[str, list[str]]:
    """For each operation on data, the parameters and constants that only it uses: they are drawn beside it."""
    uses, frame = Counter(arrow.start for arrow in data.arrows), _frames(data.clusters)
    leaves = {b.id for b in data.boxes if b.role in ("trainable", "frozen", "constant") and uses[b.id] == 1}
    fed = {arrow.end for arrow in data.arrows if arrow.start not in leaves}
    beside: dict[str, list[str]] = defaultdict(list)
    for start, end in ((arrow.start, arrow.end) for arrow in data.arrows):
        if start in leaves and end in fed and frame.get(start) == frame.get(end):
            beside[end].append(start)
    return dict(beside)


def _frames(clusters: Sequence[LayerFrame]) -> dict[str, str]:
    """For each box in a frame, the id of the innermost frame."""
    return {box: frame.id for frame in every(clusters) for box in frame.boxes}


def _escaped(text: str) -> str:
    """Text for an ordinary attribute of Graphviz, where a backslash would start an escape."""
    return str(graphviz.escape(shortened(text)))
