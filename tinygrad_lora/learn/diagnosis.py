"""What is said about a wrong answer: a code for statistics, a sentence for the student, a picture where one helps."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import Any

from ..core.graph import Graph, topological_order
from ..core.node import ComputationNode
from ..view.diagram.data import Diagram, diagram

NOT_STARTED = "not-started"


@dataclass(frozen=True)
class Diagnosis:
    """A named mistake. `code` is the same for everybody who makes it; `sentence` has this case's numbers.

    `detail` narrows the code down ("axis 0", "batch size"); `picture` is the smallest graph on which it shows, and
    `example` are arrays on which it shows, each as its name and its numbers.
    """

    code: str
    sentence: str
    detail: str = ""
    picture: Diagram | None = None
    example: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return self.sentence


class Wrong(AssertionError):  # noqa: N818, `raise Wrong` says it
    """Raised by a check: the answer is wrong, and `diagnosis` says how. Under pytest it is a failed assertion."""

    def __init__(self, diagnosis: Diagnosis) -> None:
        super().__init__(diagnosis.sentence)
        self.diagnosis = diagnosis

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.diagnosis,)


def refuse(code: str, sentence: str) -> Wrong:
    """A `Wrong` with this code and sentence, to be raised."""
    return Wrong(Diagnosis(code, sentence))


def require(condition: bool, code: str, sentence: str, *, show: ComputationNode | Graph | None = None) -> None:
    """Raise `Wrong` unless the condition holds. `show` is drawn, with its values, beside the sentence."""
    if not condition:
        raise Wrong(Diagnosis(code, sentence, picture=pictured(show)))


def tell(diagnosis: Diagnosis | None, *, show: ComputationNode | Graph | None = None) -> None:
    """Raise `Wrong` if there is a diagnosis: `tell(diagnose(rule, np.exp, x))`."""
    if diagnosis is not None:
        raise Wrong(replace(diagnosis, picture=diagnosis.picture or pictured(show)))


def pictured(shown: ComputationNode | Graph | None) -> Diagram | None:
    """The picture as data, made now: the student's code may change values later. None if there is nothing to draw."""
    if shown is None:
        return None
    with contextlib.suppress(Exception):  # a picture that cannot be drawn must not hide the diagnosis
        nodes = shown.nodes if isinstance(shown, Graph) else topological_order([shown])
        filled = any(node.gradient is not None for node in nodes)
        known = any(node.known for node in nodes)
        return diagram(shown, values=known, gradients=filled, title="An example on which it shows")
    return None
