"""The questions of the tutorials: each that is answered is a point, right or wrong, if the teacher says so."""

import builtins
import re
from collections.abc import Iterable, Iterator, Sequence
from keyword import iskeyword
from typing import Any

from ..learn.checking.report import CheckResult
from ..learn.diagnosis import NOT_STARTED, Diagnosis
from ..learn.predictions.prediction import predictions_of
from ..learn.registry import load_exercise
from .source import calls, defined

GROUP = "-predictions"  # after the number of a tutorial: what its questions are called among the exercises
LOOP = re.compile(r"\b(?:for|as)\s+(\w+)")  # names that a text defines in the middle of a line
OPEN = "...", "None", "seed"  # with which an answer begins that is none


def answered(files: Iterable[dict[str, Any]]) -> set[str]:
    """The ids of the questions that have an answer in some cell, with no name in it that no cell defines."""
    texts = [text for file in files for _, text in file["cells"]]
    known = {"np", "tl", *dir(builtins)}.union(*map(defined, texts), *(re.findall(LOOP, text) for text in texts))
    asked = (
        (id, words[2 * (words[:2] == ["answer", "="]) :]) for text in texts for id, words in calls(text, "predict")
    )
    return {id for id, words in asked if words and words[0] not in OPEN and _names(words) <= known}


def _names(words: Sequence[str]) -> set[str]:
    """The variables among the tokens of an answer: no attributes, no names of arguments."""
    around = zip(["", *words], words, [*words[1:], ""], strict=False)
    return {
        x for before, x, after in around if x.isidentifier() and not iskeyword(x) and before != "." and after != "="
    }


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
