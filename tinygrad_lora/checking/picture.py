"""A counterexample as a notebook shows it: words, the program, both results, and the graph before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..view.diagram.data import diagram
from ..view.svg.draw import draw_image
from ..view.words.markup import Markup, element
from ..view.words.sentences import one_line

if TYPE_CHECKING:
    from .counterexample import Counterexample

CODE = "margin: 0.5em 0; font-family: monospace"
SIDE = "display: inline-block; vertical-align: top; margin: 0 2em 0 0"


def html(example: Counterexample) -> Markup:
    """The counterexample as one HTML element."""
    pictures = []
    for title, graph in example.graphs:
        picture = draw_image(diagram(graph, title=title), prefix=title, caption=True)
        pictures.append(element("div", picture, style=SIDE))
    return element(
        "div", element("p", element("strong", "CounterexampleError: "), one_line(example.sentence)),
        element("p", example.hint) if example.hint else "", element("pre", str(example.program), style=CODE),
        element("pre", "\n".join(example.results), style=CODE), element("div", *pictures),
    )  # fmt: skip
