"""A PassError as two pictures: the node that a pass was given, and the node that it returned."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.node import ComputationNode
from ...errors import PassError
from ..diagram.data import Diagram
from ..words.markup import element
from ..words.sentences import one_line
from .excerpt import above, marked_image, whole


@dataclass(frozen=True)
class BrokenPass:
    """A pass that broke its promise, explained: `.text`, `.html`, and the diagrams `before` and `after`.

    Both show the node in question and what it is computed from. They are None if the pass returned no node.
    """

    message: str
    before: Diagram | None
    after: Diagram | None
    marked: tuple[str, str]  # the ids of the two nodes

    @property
    def text(self) -> str:
        """The message and both graphs as plain text."""
        parts = [one_line(self.message)]
        for title, diagram in (("before", self.before), ("after", self.after)):
            if diagram is not None:
                parts += [f"  {title}:", *(f"    {_line(diagram, i)}" for i in range(len(diagram.boxes)))]
        return "\n".join(parts)

    def __str__(self) -> str:
        return self.text

    @property
    def html(self) -> str:
        """The message and both pictures as one HTML element, which even an untrusted notebook shows."""
        head = element("p", element("strong", "PassError: "), one_line(self.message))
        pictures = []
        for title, diagram, marked in zip(("before", "after"), (self.before, self.after), self.marked, strict=True):
            if diagram is not None:
                pictures += [element("p", title), marked_image(diagram, marked)]
        return element("div", head, *pictures)

    def _repr_html_(self) -> str:
        return self.html


def broken_pass(error: PassError) -> BrokenPass:
    """The explanation of a PassError."""
    before, first = _part(error.replaced, "what the pass was given")
    after, second = _part(error.replacement, "what it returned")
    return BrokenPass(str(error), before, after, (first, second))


def _part(node: ComputationNode | None, title: str) -> tuple[Diagram | None, str]:
    if node is None:
        return None, ""
    diagram, ids = whole([node], {})
    return above(diagram, ids[node], title), ids[node]


def _line(diagram: Diagram, i: int) -> str:
    box = diagram.boxes[i]
    operands = f"({', '.join(box.operands)})" if box.operands else ""
    return f"{box.label} = {box.operation}{operands}  {box.dtype} {box.shape}"
