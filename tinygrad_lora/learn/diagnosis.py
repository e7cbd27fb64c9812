"""What is said about a wrong answer: a code for statistics, a sentence for the student, an example, a picture.

The numbers of a sentence and of an example are those that whoever does the comparison by hand needs, and gets.
"""

import contextlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.graph import Graph, topological_order
from ..core.node import ComputationNode
from ..view.diagram.data import Diagram, diagram
from ..view.words.sentences import short_array

NOT_STARTED = "not-started"
LARGEST = 40  # numbers of an array that are all written
Example = tuple[tuple[str, str], ...]
Shown = ComputationNode | Graph | None  # what is drawn beside a sentence


@dataclass(frozen=True)
class Diagnosis:
    """A named mistake.

    code: the same for everybody who makes it
    sentence: what is wrong, with this case's numbers
    detail: narrows the code down ("axis 0", "batch size")
    picture: the smallest graph on which it shows, a Diagram, or None
    example: arrays on which it shows, each as its name and its numbers

    >>> diagnosis = tl.diagnose(lambda g, y, x: -g, np.negative, np.ones(2))
    >>> print(diagnosis)
    None
    >>> print(tl.diagnose(lambda g, y, x: g, np.negative, np.ones(2)).code)
    sign
    """

    code: str
    sentence: str
    detail: str = ""
    picture: Diagram | None = None
    example: Example = ()

    def __str__(self) -> str:
        return self.sentence


class Wrong(AssertionError):  # noqa: N818, `raise Wrong` says it
    """Raised by a check: the answer is wrong, and `diagnosis` says how. Under pytest it is a failed assertion.

    diagnosis: a `Diagnosis`

    >>> raise tl.learn.Wrong(tl.learn.Diagnosis("sign", "the sign is wrong"))
    Traceback (most recent call last):
        ...
    tinygrad_lora.learn.diagnosis.Wrong: the sign is wrong
    """

    def __init__(self, diagnosis: Diagnosis) -> None:
        super().__init__(diagnosis.sentence)
        self.diagnosis = diagnosis

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.diagnosis,)


def refuse(code: str, sentence: str, example: Example = ()) -> Wrong:
    """A `Wrong` with this code, sentence and example, to be raised."""
    return Wrong(Diagnosis(code, sentence, example=example))


def require(condition: bool, code: str, sentence: str, *, show: Shown = None, example: Example = ()) -> None:
    """Raise `Wrong` unless the condition holds.

    condition: True where the answer is right
    code: what the mistake is called, the same for everybody who makes it
    sentence: what the student reads, with the numbers of the case
    show: a node or a Graph that is drawn, with its values, beside the sentence
    example: arrays on which it shows, each as its name and its numbers
    Raises Wrong, an AssertionError, if it does not hold.

    >>> tl.learn.require(2 + 2 == 4, "sum", "2 + 2 is 4")
    >>> tl.learn.require(2 + 2 == 5, "sum", "2 + 2 is 4")
    Traceback (most recent call last):
        ...
    tinygrad_lora.learn.diagnosis.Wrong: 2 + 2 is 4
    """
    if not condition:
        raise Wrong(Diagnosis(code, sentence, picture=pictured(show), example=example))


def tell(diagnosis: Diagnosis | None, *, show: Shown = None) -> None:
    """Raise `Wrong` if there is a diagnosis: `tell(diagnose(rule, np.exp, x))`.

    diagnosis: a `Diagnosis`; None does nothing
    show: a node or a Graph that is drawn where the diagnosis has no picture
    Raises Wrong, an AssertionError, with the diagnosis.

    >>> tl.learn.tell(tl.diagnose(lambda g, y, x: g, np.exp, np.ones(2)))
    Traceback (most recent call last):
        ...
    tinygrad_lora.learn.diagnosis.Wrong: the gradient of x is the incoming gradient g, unchanged: ...
    """
    if diagnosis is not None:
        raise Wrong(replace(diagnosis, picture=diagnosis.picture or pictured(show)))


def pictured(shown: Shown) -> Diagram | None:
    """The picture as data, made now: the student's code may change values later. None if there is nothing to draw."""
    if shown is None:
        return None
    with contextlib.suppress(Exception):  # a picture that cannot be drawn must not hide the diagnosis
        nodes = shown.nodes if isinstance(shown, Graph) else topological_order([shown])
        filled = any(node.gradient is not None for node in nodes)
        known = any(node.known for node in nodes)
        return diagram(shown, values=known, gradients=filled, title="An example on which it shows")
    return None


def number(x: Any, digits: int = 6) -> str:
    """A number in a message."""
    return str(x) if isinstance(x, bool | np.bool_ | int | np.integer) else f"{float(x) + 0.0:.{digits}g}"  # no "-0"


def written(x: Any, digits: int = 6) -> str:
    """All numbers of a small array, row by row; the shape, the range and the first numbers of a large one.

    A text is itself, and None is "None".
    """
    if x is None or isinstance(x, str):
        return str(x)
    x = np.asarray(x)
    if x.size > LARGEST or not x.size:
        return f"of shape {x.shape}: {' '.join(short_array(x))}"
    return _rows(x, digits) if x.ndim < 3 else " ".join(f"[{_rows(matrix, digits)}]" for matrix in x)


def _rows(x: Any, digits: int) -> str:
    if x.ndim > 1:
        return " ".join(_rows(row, digits) for row in x)
    return f"[{', '.join(number(one, digits) for one in x)}]" if x.ndim else number(x[()], digits)


def example(yours: Any = ..., expected: Any = ..., /, **given: Any) -> Example:
    """What was given, by name, and what came and should have come, in enough digits to see a difference."""
    rows = [(name, written(x)) for name, x in given.items()]
    pair: tuple[str, ...] = ()
    for digits in (6, 9, 17):
        pair = tuple(written(x, digits) for x in (yours, expected) if x is not ...)
        if len(set(pair)) == len(pair):
            break
    return (*rows, *zip(("yours", "should be"), pair, strict=False))
