"""Questions about tutorials that are passed already: those first on which most went wrong."""

from collections import Counter

import numpy as np

from ..progress import progress, remembered
from ..settings import require_on
from .prediction import Question, predictions_of

PASSED = 0.5  # the share of its points from which on a tutorial counts as passed


def passed_tutorials() -> list[str]:
    """The numbers of the tutorials with at least half of their points."""
    points, out_of = Counter[str](), Counter[str]()
    for line in progress().lines:
        points[line.id[:2]] += line.points
        out_of[line.id[:2]] += line.out_of
    return [number for number, total in out_of.items() if points[number] >= PASSED * total]


def review(count: int = 5, seed: int = 0) -> list[Question]:
    """Questions from the tutorials that are passed, with fresh numbers, the weakest first.

    A question is weak by the wrong answers that were given to it, and by the mistakes behind its foreseen answers,
    wherever they were made; then by all that went wrong in its tutorial. The seed chooses among equals, and numbers.
    Raises ExerciseError where a teacher has switched the review off.
    """
    require_on("review")
    by_code, by_question, by_tutorial = Counter[str](), Counter[str](), Counter[str]()
    for record in remembered():
        if record.get("passed") is False and isinstance(code := record.get("diagnosis"), str):
            by_code[code] += 1
            by_question[record["exercise"]] += 1
            by_tutorial[record["exercise"][:2]] += 1
    questions = [one.question(seed) for number in passed_tutorials() for one in predictions_of(number).values()]

    def weakness(question: Question) -> tuple[int, int]:
        codes = {one.code for one in question.foreseen}
        return by_question[question.id] + sum(by_code[code] for code in codes), by_tutorial[question.id[:2]]

    shuffled = [questions[i] for i in np.random.default_rng(seed).permutation(len(questions))]
    return sorted(shuffled, key=weakness, reverse=True)[:count]
