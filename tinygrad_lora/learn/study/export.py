"""All files of a study as one table without names and codes, and how many answers were right before and after."""

import csv
import io
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ...errors import ExerciseError
from .sitting import FORMS, items, rows_of

COLUMNS = ("participant", "form", "question", "answer", "right", "diagnosis", "seconds")
Row = dict[str, Any]


def collected(folder: Path) -> list[Row]:
    """The rows of all files below the folder. Of one code, form and question the first counts.

    A number stands for each code, drawn anew each time, so that neither the names of files nor their order is in it.
    Raises ExerciseError where there is none.
    """
    first: dict[tuple[str, str, str], Row] = {}
    for path in sorted(folder.rglob("*.jsonl")):
        for row in rows_of(path):
            first.setdefault((row["code"], row["form"], row["question"]), row)
    codes = sorted({code for code, _, _ in first})
    if not codes:
        raise ExerciseError(f"{folder} holds no file of a study: students hand in study-CODE.jsonl")
    numbers = list(range(1, len(codes) + 1))
    random.SystemRandom().shuffle(numbers)
    number_of, order = dict(zip(codes, numbers, strict=True)), [item.id for item in items()]
    rows = [{**row, "participant": number_of[row["code"]], "right": int(row["right"])} for row in first.values()]
    place = {(form, id): (i, j) for i, form in enumerate(FORMS) for j, id in enumerate(order)}
    return sorted(rows, key=lambda row: (row["participant"], place[row["form"], row["question"]]))


def as_csv(rows: Iterable[Row]) -> str:
    """The table as CSV."""
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


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
