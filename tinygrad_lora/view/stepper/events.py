"""A step as data: what happens, the words for it, and what every box of the picture shows after it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..diagram.data import Diagram, Heat
from ..written import Excerpt, Origin

WAITING, ACTIVE, DONE, ASIDE = "waiting", "active", "done", "aside"  # the states of a box; one aside takes no part


class State(NamedTuple):
    """What a box shows after a step. `mark` is one of WAITING, ACTIVE, DONE and ASIDE."""

    value: str = ""
    gradient: str = ""
    mark: str = WAITING


@dataclass(frozen=True, slots=True)
class Event:
    """One step.

    `kind` is visit (a leaf is read), evaluate (an operation is computed), ready (a gradient is complete: the engine
    yields the node), contribute (a part of a gradient goes along an edge) or done (the walk is at its end); of a
    compiler pass: traced, applied or declined.
    """

    number: int
    phase: str  # forward, backward or compile
    kind: str
    label: str  # the name of the node, or of the pass
    box: str  # id of its box in the picture; "" for a pass
    numbers: str  # "z = x * y = 3 * 4 = 12"
    note: str = ""  # "1 of 2 contributions, waiting for 1"
    equation: str = ""  # the rule that is applied, from the docstring of the operation
    letters: str = ""  # the node that each letter of the equation stands for
    to: str = ""  # the label of the node that a contribution goes to
    to_box: str = ""
    sent: str = ""  # what a contribution carries, in a few characters
    heat: Heat = ()  # the array of this step, if it is small enough for a picture in colors
    states: Mapping[str, State] = field(default_factory=dict)  # of every box, after this step
    origin: Origin | None = None  # the user's line that made the node at work
    picture: int = 0  # the number of the picture that shows it: each pass has its own
    width: int = 0  # that of the widest place in this timeline, so that printed lines are aligned

    @property
    def place(self) -> str:
        """The node at work, or both ends of the edge."""
        return f"{self.label} -> {self.to}" if self.to else self.label

    @property
    def text(self) -> str:
        """The step in words and numbers."""
        return "; ".join(filter(None, (self.numbers, self.note)))

    def __str__(self) -> str:
        return f"{self.number:>4}  {self.phase:<8}  {self.kind:<10}  {self.place:<{self.width}}  {self.text}"


@dataclass(frozen=True)
class Timeline:
    """All steps of one object, computed anew each time they are iterated over, and the pictures that show them."""

    title: str
    pictures: tuple[Diagram, ...]
    walk: Callable[[], Iterator[Event]]
    note: str = ""  # what is left out, and why
    source: Sequence[Excerpt] = ()  # the user's code
    graph_walk: Any = None  # of a graph: the GraphWalk that `walk` belongs to

    def __iter__(self) -> Iterator[Event]:
        return self.walk()
