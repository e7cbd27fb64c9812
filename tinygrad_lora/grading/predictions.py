"""The questions of the tutorials: each that is answered is a point, right or wrong, if the teacher says so."""

import builtins
import re
from collections.abc import Iterable, Iterator
from keyword import kwlist

from ..learn.checking.report import CheckResult
from ..learn.diagnosis import NOT_STARTED, Diagnosis
from ..learn.predictions.prediction import predictions_of
from ..learn.registry import load_exercise
from .submissions import ID, File, statements

GROUP = "-predictions"  # after the number of a tutorial: what its questions are called among the exercises
OPEN = r"(?:answer = )?(?:\.\.\.|None\b|seed =|\))"  # how what is no answer begins
# `predict ( "04-paths" , 24 )` in a statement, and what follows the comma. Several may stand in one line.
ANSWER = re.compile(rf"\bpredict \( ({ID.pattern}) , (?!{OPEN})(?=(.{{1,400}})(?!\w))")
NAME = re.compile(r"""(?<!\. )(?<!["'\w-])[^\W\d]\w*\b(?! = )""")  # of a variable: no attribute, no argument


def answered(files: Iterable[File], known: Iterable[str]) -> set[str]:
    """The ids of the questions that have an answer in some cell, with only names that are known there."""
    cells = [statements(text) for file in files for _, text in file["cells"] if "predict" in text]
    names = {"np", "tl", *dir(builtins), *kwlist, *known, *re.findall(r"\b(?:for|as) (\w+)", " ".join(cells))}
    answers = (match for text in cells for match in ANSWER.finditer(text))
    return {match[1][1:-1] for match in answers if names.issuperset(NAME.findall(match[2]))}


def results(ids: Iterable[str], ids_answered: set[str]) -> Iterator[CheckResult]:
    """One result for each question of the tutorials from which these exercises are."""
    for number in dict.fromkeys(id[:2] for id in ids):
        for id in predictions_of(number):
            diagnosis = None if id in ids_answered else Diagnosis(NOT_STARTED, f"{id} is not answered")
            claim, points = f"{id} is answered", int(id in ids_answered)
            yield CheckResult(number + GROUP, id, not diagnosis, diagnosis, 0.0, points, 1, demand=claim)


def title_of(id: str) -> str:
    """The title of an exercise, or of the questions of a tutorial."""
    return "Questions answered" if id.endswith(GROUP) else load_exercise(id).plain_title
