"""A PassError as two pictures: the node that a pass was given, and the node that it returned."""

from collections.abc import Mapping
from dataclasses import dataclass

from ...errors import PassError
from ..diagram.data import Box, Diagram
from ..words.bundle import Explained
from ..words.markup import element
from ..words.sentences import one_line
from .excerpt import above, marked_image, whole


@dataclass(frozen=True)
class BrokenPass(Explained):
    """A pass that broke its promise, explained: `.text`, `.html`, and `.pictures`, which are called before and after.

    Each shows the node in question, whose box has the id beside it, and what that is computed from. Only the first is
    there if the pass returned no node.
    """

    message: str
    pictures: Mapping[str, tuple[Diagram, str]]

    @property
    def text(self) -> str:
        """The message and both graphs as plain text."""
        lines = [one_line(self.message)]
        for title, (diagram, _) in self.pictures.items():
            lines += [f"  {title}:", *(f"    {_line(box)}" for box in diagram.boxes)]
        return "\n".join(lines)

    @property
    def html(self) -> str:
        """The message and both pictures as one HTML element, which even an untrusted notebook shows."""
        parts = [element("p", element("strong", "PassError: "), one_line(self.message))]
        for title, picture in self.pictures.items():
            parts += [element("p", title), marked_image(*picture)]
        return element("div", *parts)


def broken_pass(error: PassError) -> BrokenPass:
    """The explanation of a PassError."""
    nodes = {"before": error.replaced, "after": error.replacement}
    captions = {"before": "what the pass was given", "after": "what it returned"}
    pictures = {}
    for title, node in nodes.items():
        if node is not None:
            diagram, ids = whole([node], {})
            pictures[title] = above(diagram, ids[node], captions[title]), ids[node]
    return BrokenPass(str(error), pictures)


def _line(box: Box) -> str:
    operands = f"({', '.join(box.operands)})" if box.operands else ""
    return f"{box.label} = {box.operation}{operands}  {box.dtype} {box.shape}"
