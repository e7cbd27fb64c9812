r'''A question to be answered before the cell that shows the answer is run. The engine computes what is right.

    @prediction("03-factor", c=(-2, 4, -3), x=(2, 5), y=(3, 7))
    def a_factor_flows_in(c, x, y):
        """Let `L = {c} * (x * y)`, at x = {x} and y = {y}. What is the gradient of `x`?"""
        yield c * y, f"The product gets {c} from above, and its own slope in x is y"
        yield "missing-upstream", y, f"that is the slope of the product alone, and {c} flows in from above"

The docstring asks, in Markdown. A number is the first of its list in the tutorial, and one of the others in a review.
The function gives the right answer and what to say to it; then each wrong answer that is foreseen, with a code. The
right answer says what kind of answer is needed: a number, True or False, a shape (a tuple), or a choice (a text, of all
the texts that are given). The predictions of tutorial 03 are in `exercises/t03/_predictions.py`, in their order there.
'''

import difflib
import hashlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from string import ascii_lowercase
from typing import Any

import numpy as np

from ...errors import ExerciseError
from ...view.words.sentences import shape_text
from .. import exercises
from ..diagnosis import Diagnosis, Wrong, refuse
from ..exact import as_array, as_bool, as_whole, same
from ..registry import exercise_ids, imported

Builder = Callable[..., Iterator[tuple[Any, ...]]]
TRUTH = {"true": True, "yes": True, "false": False, "no": False}
NEEDED = {"number": "a number, such as 2.5", "truth": "True or False", "shape": "a shape, such as (2, 3)"}
CLOSE = 5e-3  # a prediction may be rounded to three digits
UNFORESEEN = "wrong-prediction"


@dataclass(frozen=True)
class Foreseen:
    """A wrong answer that somebody may give, the code of the mistake behind it, and what is said about it.

    It does not print its answer: what it is about may be on the screen.
    """

    code: str
    answer: Any = field(repr=False)
    sentence: str = field(repr=False)


def agree(answer: Any, other: Any) -> bool:
    """Whether two answers are the same: numbers up to rounding, everything else exactly."""
    if isinstance(answer, np.ndarray) and isinstance(other, np.ndarray):
        return same(answer, other, CLOSE)
    return type(answer) is type(other) and bool(answer == other)


def judged(claim: str, answer: Any, right: Any, foreseen: Iterable[Foreseen], detail: str = "") -> Diagnosis | None:
    """None if the answer is right. Else `claim`, which says that it is not, and the first reason that fits."""
    if agree(answer, right):
        return None
    for one in foreseen:
        if agree(answer, one.answer):
            return Diagnosis(one.code, f"{claim}: {one.sentence}", detail)
    if isinstance(right, np.ndarray) and agree(answer, np.asarray(-right)):
        return Diagnosis(UNFORESEEN, f"{claim}: that is the right size with the wrong sign", detail)
    return Diagnosis(UNFORESEEN, claim, detail)


@dataclass(frozen=True)
class Question:
    """A prediction with its numbers. It prints what is asked, and nothing of the answer."""

    id: str
    text: str
    right: Any = field(repr=False)
    response: str = field(repr=False)
    foreseen: tuple[Foreseen, ...] = field(repr=False)
    seed: int | None = None

    @property
    def kind(self) -> str:
        """What an answer is: a "number", a "truth", a "shape" or a "choice"."""
        kinds = {bool: "truth", str: "choice", tuple: "shape"}
        return kinds.get(type(self.right), "number")

    @property
    def choices(self) -> dict[str, str]:
        """The texts to choose from, by letter. Their order says nothing."""
        texts = {self.right, *(one.answer for one in self.foreseen)} if self.kind == "choice" else set()
        order = sorted(texts, key=lambda text: hashlib.sha256(f"{self.id} {self.seed} {text}".encode()).digest())
        return dict(zip(ascii_lowercase, order, strict=False))

    @property
    def needed(self) -> str:
        """The kind of answer, in words."""
        return NEEDED.get(self.kind) or f"a letter: {', '.join(self.choices)}"

    def __str__(self) -> str:
        """The question in Markdown, with its choices."""
        return "\n\n".join([self.text, *(f"* **{letter}** {text}" for letter, text in self.choices.items())])

    def read(self, answer: object) -> Any:
        """What was meant, of the right type; a text comes from a terminal. Raises `Wrong` for what is no answer."""
        try:
            if self.kind == "choice":
                return self._chosen(answer)
            text = answer.strip().casefold() if isinstance(answer, str) else None
            if self.kind == "truth":
                return as_bool(answer if text is None else TRUTH[text], "your answer")
            if self.kind == "number":
                return as_array(answer if text is None else float(text), "your answer", ())
            sizes: Any = answer if isinstance(answer, tuple | list) else (answer,)
            if text is not None:
                sizes = [int(size) for size in text.strip("()").split(",") if size.strip()]
            return tuple(as_whole(size, "a size") for size in sizes)
        except (Wrong, ValueError, KeyError):
            said = repr(answer) if isinstance(answer, str | int | float) else f"a {type(answer).__name__}"
            raise refuse("wrong-type", f"{said} is no answer here; answer with {self.needed}") from None

    def _chosen(self, answer: object) -> str:
        text = str(answer).strip()
        return text if text in self.choices.values() else self.choices[text.casefold()]

    def judge(self, answer: object) -> Diagnosis | None:
        """What is wrong with an answer; None if it is right."""
        try:
            meant = self.read(answer)
        except Wrong as wrong:
            return wrong.diagnosis
        right = np.asarray(self.right, float) if self.kind == "number" else self.right
        foreseen = [Foreseen(one.code, self.read(one.answer), one.sentence) for one in self.foreseen]
        return judged(f"Not {self.said(meant)}", meant, right, foreseen)

    def said(self, meant: Any) -> str:
        """An answer in a sentence."""
        if self.kind == "choice":
            return next(letter for letter, text in self.choices.items() if text == meant)
        writers: dict[str, Callable[[Any], str]] = {"number": lambda x: f"{float(x):.9g}", "shape": shape_text}
        return writers.get(self.kind, str)(meant)


@dataclass(frozen=True)
class Prediction:
    """A question whose numbers can change."""

    id: str
    build: Builder
    numbers: dict[str, tuple[Any, ...]]

    def question(self, seed: int | None = None) -> Question:
        """With the numbers of the tutorial; or, with a seed, with others."""
        rng = np.random.default_rng([seed or 0, *hashlib.sha256(self.id.encode()).digest()[:4]])
        fresh = {name: values[1 + rng.integers(len(values) - 1)] for name, values in self.numbers.items()}
        chosen = fresh if seed is not None else {name: values[0] for name, values in self.numbers.items()}
        text = inspect.cleandoc(self.build.__doc__ or "").format(**chosen)
        (right, response), *wrong = self.build(**chosen)
        return Question(self.id, text, right, response, tuple(Foreseen(*one) for one in wrong), seed)


def prediction(id: str, **numbers: tuple[Any, ...]) -> Callable[[Builder], Prediction]:
    """Make a prediction of a function, as above. Each number has the tutorial's value first, and at least one other."""
    return lambda build: Prediction(id, build, numbers)


@cache
def predictions_of(tutorial: str) -> dict[str, Prediction]:
    """The predictions of one tutorial, such as "03", by id and in their order."""
    name = f"{exercises.__name__}.t{tutorial}"
    if not tutorial.isdecimal() or find_spec(name) is None or find_spec(f"{name}._predictions") is None:
        return {}
    module = imported(f"{name}._predictions", "the file of questions")
    return {one.id: one for one in vars(module).values() if isinstance(one, Prediction)}


def all_predictions() -> dict[str, Prediction]:
    """The predictions of all tutorials, by id."""
    numbers = dict.fromkeys(id[:2] for id in exercise_ids())
    return {id: one for tutorial in numbers for id, one in predictions_of(tutorial).items()}


def load_prediction(id: str) -> Prediction:
    """The prediction with this id. Raises ExerciseError, with the nearest ids, if there is none."""
    known = predictions_of(str(id)[:2])
    if id not in known:
        near = difflib.get_close_matches(str(id), all_predictions(), n=3, cutoff=0.4)
        nearest = f"; perhaps {' or '.join(near)}" if near else ""
        listing = "`tinygrad-lora predict 04` lists those of a tutorial"
        raise ExerciseError(f"there is no prediction {id!r}{nearest}. {listing}")
    return known[id]
