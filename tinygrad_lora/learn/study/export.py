"""All files of a study as one table, without names, codes and answers, and how many were right before and after."""

import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import ExerciseError, FormatError
from ..predictions.answered import REFUSED
from ..predictions.prediction import Question
from .sitting import FORMS, form_for, items, lines_of

LEFT_OUT = "left-out"
# Nothing here may depend on a code: it decides the numbers in the questions, so whoever knows the answers can try codes
# until their right answers are the same.
COLUMNS = ("participant", "form", "question", "right", "diagnosis", "seconds")
Row = dict[str, Any]


class Collection(NamedTuple):
    """The table of a study, and what is not in it."""

    rows: list[Row]
    others: int  # answers that were left out: their code had answered already, or they are none
    unread: dict[Path, int]  # for each file with lines that cannot be read: how many there are; 0 where no line can


def collected(folder: Path) -> Collection:
    """The rows of all files below the folder, whose names hold "study-" or ".jsonl".

    Of one code, form and question the first counts. What is right is found out here, and a row whose answer is none is
    left out. A number stands for each code, drawn anew each time: neither names nor the order of files is in it.
    Raises ExerciseError where there is no row.
    """
    questions = cache(lambda code, form: {one.id: one for one in form_for(code, form)})
    first: dict[tuple[str, str, str], Row] = {}
    others, unread = 0, {}
    paths = (path for path in sorted(folder.rglob("*")) if not path.is_dir())
    for path in (path for path in paths if any(part in path.name.casefold() for part in ("study-", ".jsonl"))):
        lines = _lines(path)
        if None in lines or not lines:
            unread[path] = lines.count(None) if any(lines) else 0
        for row in filter(None, lines):
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
    rows = [{"participant": number_of[key[0]], **first[key]} for key in keys if key in first]
    return Collection([{name: row[name] for name in COLUMNS} for row in rows], others, unread)


def _lines(path: Path) -> list[Row | None]:
    try:
        return [*lines_of(path)]
    except (OSError, FormatError, ExerciseError):  # one damaged file must not stop the others
        return []


def _judged(row: Row, question: Question) -> Row | None:
    """The row with what is wrong with its answer; None if it is no answer: somebody has changed the file."""
    row = {**row, "seconds": round(row["seconds"])}
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
