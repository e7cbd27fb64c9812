"""What refutes a pass: a small program, what it gives with and without the pass, and the graph before and after."""

from dataclasses import dataclass

import numpy as np

from ..core.graph import Graph
from ..core.node import Array
from .programs import RandomProgram
from .trials import Fault

CODE = "margin: 0.5em 0; font-family: monospace"
SIDE = "display: inline-block; vertical-align: top; margin: 0 2em 0 0"


@dataclass(frozen=True, kw_only=True)
class Counterexample(Fault):
    """The smallest program found on which a pass is wrong: `.text`, `.html`, and all that they show.

    `program` is called with `program.arrays`. `programs` counts the programs that were tried.
    """

    program: RandomProgram
    programs: int
    hint: str = ""

    @property
    def text(self) -> str:
        """The counterexample in plain text: what is wrong, the program, the results, and both graphs as listings."""
        parts = [self.sentence, *([self.hint] if self.hint else []), "", str(self.program), "", *self.results]
        for title, graph in self.graphs:
            parts += ["", title, *(f"  {line}" for line in str(graph).splitlines())]
        return "\n".join(parts)

    def __str__(self) -> str:
        return self.text

    @property
    def results(self) -> list[str]:
        """Both results, one line for each output that differs."""
        if self.actual is None:
            return [f"without the pass  {_shown(y)}" for y in self.expected]
        lines = []
        for y, z in zip(self.expected, self.actual, strict=False):
            if not (y.shape == z.shape and np.array_equal(y, z, equal_nan=y.dtype.kind == "f")):
                lines += [f"without the pass  {_shown(y)}", f"with the pass     {_shown(z)}"]
        return lines

    @property
    def graphs(self) -> list[tuple[str, Graph]]:
        """The graph before the pass and, if there is one, after it, each with its title."""
        return [("before", self.before)] + ([] if self.after is None else [("after", self.after)])

    @property
    def html(self) -> str:
        """One element that a notebook shows, trusted or not, with the graph drawn before and after."""
        from ..view.diagram.data import diagram  # only where something is to be seen
        from ..view.svg.draw import draw_image
        from ..view.words.markup import element
        from ..view.words.sentences import one_line

        pictures = []
        for title, graph in self.graphs:
            picture = draw_image(diagram(graph, title=title), prefix=title, caption=True)
            pictures.append(element("div", picture, style=SIDE))
        return element(
            "div", element("p", element("strong", "CounterexampleError: "), one_line(self.sentence)),
            element("p", self.hint) if self.hint else "", element("pre", str(self.program), style=CODE),
            element("pre", "\n".join(self.results), style=CODE), element("div", *pictures),
        )  # fmt: skip

    def _repr_html_(self) -> str:
        return self.html


def _shown(array: Array) -> str:
    return np.array2string(array, threshold=12, separator=", ").replace("\n", "") + f"  {array.dtype}"
