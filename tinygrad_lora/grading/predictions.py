"""The questions of the tutorials: each that is answered is a point, right or wrong, if the teacher says so."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from ..learn.checking.report import CheckResult
from ..learn.diagnosis import NOT_STARTED, Diagnosis
from ..learn.predictions.prediction import predictions_of
from ..learn.registry import load_exercise

GROUP = "-predictions"  # after the number of a tutorial: what its questions are called among the exercises
# `tl.predict("04-paths", 24)`, with something in the place of the dots. The text is not run.
ANSWER = re.compile(r"""^[^#\n]*\bpredict\(\s*(["'])([\w-]+)\1\s*,\s*(?!\.\.\.|None\b|seed\b)[^\s)]""", re.MULTILINE)


def answered(files: Iterable[dict[str, Any]]) -> set[str]:
    """The ids of the questions that have an answer in some cell."""
    return {match[2] for file in files for _, text in file["cells"] for match in ANSWER.finditer(text)}


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
