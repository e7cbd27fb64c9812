"""`predict`, which a student calls: it asks, and responds to an answer."""

from dataclasses import dataclass
from typing import Any

from ..diagnosis import Diagnosis
from ..progress import remember
from ..settings import require_on
from .prediction import UNFORESEEN, Question, load_prediction

REFUSED = "wrong-type"
LOOK = "Run the cells that follow, find out why, and answer again."


@dataclass(frozen=True)
class Response:
    """The question, if there is no answer yet; else what there is to say about the answer."""

    question: Question
    diagnosis: Diagnosis | None

    @property
    def open(self) -> bool:
        return self.diagnosis is not None and self.diagnosis.code == "blank"

    @property
    def passed(self) -> bool:
        return self.diagnosis is None

    def __str__(self) -> str:
        if self.diagnosis is None:
            return f"Right. {self.question.response}."
        if self.open:
            return f"{self.question}\n\nAnswer with {self.question.needed}"
        return f"{self.diagnosis.sentence}.{f' {LOOK}' * (self.diagnosis.code == UNFORESEEN)}".replace("?.", "?")

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        return str(self)


def predict(id: str, answer: Any = ..., *, seed: int | None = None) -> Response:
    """Say what will come out, before you run it: `predict("03-factor", 15)`.

    What is said to an answer may name the mistake behind it, and never the answer. `progress()` remembers it.

    id: that of the prediction
    answer: a number (three digits are enough), True or False, a shape, or the letter of a choice; left out, or `...`,
        it prints the question
    seed: a whole number asks the same with other numbers
    Returns a text that a notebook shows.
    Raises ExerciseError, with the nearest ids, if there is no such prediction, and where a teacher has switched
    predictions off.

    >>> print(str(tl.predict("03-factor")).splitlines()[0])
    Let `L = -2 * (x * y)`, at x = 2 and y = 3. What is the gradient of `x`?
    """
    require_on("predictions" if seed is None else "review")
    question = load_prediction(id).question(seed)
    if answer is ... or answer is None:
        return Response(question, Diagnosis("blank", f"{id} is still open"))
    diagnosis = question.judge(answer)
    if diagnosis is None or diagnosis.code != REFUSED:
        remember([{"exercise": id, "predicted": True, "passed": diagnosis is None,
                   "diagnosis": diagnosis.code if diagnosis else None}])  # fmt: skip
    return Response(question, diagnosis)
