"""All files of a study as one table without names and codes, and how many answers were right before and after."""

import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ...errors import ExerciseError
from ..predictions.answered import REFUSED
from ..predictions.prediction import Question
from .sitting import FORMS, form_for, items, rows_of

LEFT_OUT = "left-out"
COLUMNS = ("participant", "form", "question", "answer", "right", "diagnosis", "seconds")
Row = dict[str, Any]


def collected(folder: Path) -> tuple[list[Row], int]:
    """The rows of all files below the folder; and how many others were left out.

    Of one code, form and question the first counts. What is right is found out here, and a row whose answer is none is
    left out. A number stands for each code, drawn anew each time: neither names nor the order of files is in it.
    Raises ExerciseError where there is no row.
    """
    questions = cache(lambda code, form: {one.id: one for one in form_for(code, form)})
    first: dict[tuple[str, str, str], Row] = {}
    others = 0
    for path in sorted(folder.rglob("*study-*.jsonl")):
        for row in rows_of(path):
            key = row["code"], row["form"], row["question"]
            judged = _judged(row, questions(*key[:2])[row["question"]])
            others += judged is None or first.get(key, judged) != judged
            if judged:
                first.setdefault(key, judged)
    codes = [*{code for code, _, _ in first}]
    if not codes:
        raise ExerciseError(f"{folder} holds no file of a study: students hand in study-CODE.jsonl")
    random.SystemRandom().shuffle(codes)
    number_of = {code: number for number, code in enumerate(codes, start=1)}
    keys = [(code, form, item.id) for code in codes for form in FORMS for item in items()]
    return [{**first[key], "participant": number_of[key[0]]} for key in keys if key in first], others


def _judged(row: Row, question: Question) -> Row | None:
    """The row with what is wrong with its answer; None if it is no answer: somebody has changed the file."""
    if not row["answer"]:
        return {**row, "right": 0, "diagnosis": LEFT_OUT}
    diagnosis = question.judge(row["answer"])
    if diagnosis and diagnosis.code == REFUSED:
        return None
    return {**row, "right": int(not diagnosis), "diagnosis": diagnosis.code if diagnosis else None}


def summary(rows: Sequence[Row]) -> list[tuple[str, int, int, int]]:
    """For each question, and for all: how many were right before and after, of those who answered both times."""
    by_form = {
        form: {(r["participant"], r["question"]): r["right"] for r in rows if r["form"] == form} for form in FORMS
    }
    both = [key for key in by_form["pre"] if key in by_form["post"]]
    lines = []
    for id in [*(item.id for item in items()), "all"]:
        keys = [key for key in both if id in (key[1], "all")]
        before, after = (sum(by_form[form][key] for key in keys) for form in FORMS)
        lines.append((id, len(keys), before, after))
    return lines
