"""A step as data: what happens, in which words, and what every box of the picture shows after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ..diagram.data import Diagram

WAITING, ACTIVE, DONE, ASIDE = "waiting", "active", "done", "aside"  # what a box is doing


class State(NamedTuple):
    """What a box shows after a step. `mark` is one of waiting, active, done, and aside: it takes no part."""

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
    label: str  # of the node, or the name of the pass
    box: str  # id of its box in the picture; "" for a pass
    numbers: str  # "z = x * y = 3 * 4 = 12"
    note: str = ""  # "1 of 2 contributions, waiting for 1"
    equation: str = ""  # the rule at work, as its operation's docstring says it
    letters: str = ""  # which node each letter of the equation is here
    to: str = ""  # the label of the node that a contribution goes to
    to_box: str = ""
    states: Mapping[str, State] | None = None  # of every box, after this step
    picture: int = 0  # which picture shows it: passes have one each
    width: int = 0  # of the widest place in this timeline, so that printed lines are aligned

    @property
    def place(self) -> str:
        """The node, or both ends of the edge."""
        return f"{self.label} -> {self.to}" if self.to else self.label

    @property
    def text(self) -> str:
        """The step in words and numbers."""
        return "; ".join(filter(None, (self.numbers, self.note)))

    def __str__(self) -> str:
        return f"{self.number:>4}  {self.phase:<8}  {self.kind:<10}  {self.place:<{self.width}}  {self.text}"


@dataclass(frozen=True)
class Timeline:
    """All steps of one object, made anew each time they are asked for, and the pictures that they take place in."""

    title: str
    pictures: tuple[Diagram, ...]
    walk: Callable[[], Iterator[Event]]
    note: str = ""  # what is left out, and why

    def __iter__(self) -> Iterator[Event]:
        return self.walk()
