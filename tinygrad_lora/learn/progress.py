"""What was tried and what came out, in a file of the user's own. Nothing leaves the machine."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import FormatError
from ..files import opened, parse_json, user_folder
from ..view.words.sentences import table
from .checking.report import Report
from .exercise import Exercise
from .predictions.prediction import all_predictions
from .registry import load_exercise
from .settings import switched_off
from .tutorials import course_order

LARGEST = 4 * 2**20  # bytes that are read, two seconds' worth: a term leaves less than one
VARIABLE = "TINYGRAD_LORA_PROGRESS"
DRIVE = Path("/drive")  # of JupyterLite, in a browser: the one folder that outlives the page, beside the notebooks


def progress_file() -> Path:
    """Where the results are: `$TINYGRAD_LORA_PROGRESS`, or a file in the user's folder for application data."""
    if named := os.environ.get(VARIABLE):
        return Path(named).expanduser()
    if sys.platform == "emscripten" and DRIVE.is_dir():
        return DRIVE / "progress.jsonl"
    return user_folder("XDG_DATA_HOME", ".local/share", "Application Support") / "tinygrad-lora" / "progress.jsonl"


def remember(records: Iterable[dict[str, Any]]) -> None:
    """Add lines to the file, in one write. A disk that is full or read-only must not stop a student, but is named."""
    now = round(time.time(), 3)
    text = "".join(json.dumps({"time": now, **record}) + "\n" for record in records)
    try:
        path = progress_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        # If the last line was cut off, begin a new one: only that line is lost.
        start = "\n" if path.exists() and _end_of(path, 1) not in (b"", b"\n") else ""
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(start + text)
    except (OSError, FormatError) as error:
        reason = getattr(error, "strerror", None) or error
        _say_once(f"Progress is not kept ({reason}). Let {VARIABLE} name a file that can be written.")


@cache
def _say_once(sentence: str) -> None:
    print(sentence, file=sys.stderr)


def remembered() -> Iterator[dict[str, Any]]:
    """The lines of the file that can be read, oldest first; of a file that is too large, those at its end."""
    try:
        text = _end_of(progress_file(), LARGEST).decode(errors="replace")
    except (OSError, FormatError):
        return
    for line in (line for line in text.split("\n") if '"exercise"' in line):
        with contextlib.suppress(ValueError):
            record = parse_json(line)
            if isinstance(record, dict) and isinstance(record.get("exercise"), str):
                yield record


def forget() -> Path | None:
    """Delete the file. The path that it had, or None if there was none."""
    path = progress_file()
    if not path.exists():
        return None
    path.unlink()
    return path


def _end_of(path: Path, most: int) -> bytes:
    with opened(path) as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - most))
        return file.read(most)


def hints_taken(id: str) -> int:
    """How many hints were given for this exercise."""
    return sum(record.get("hint") is not None and record["exercise"] == id for record in remembered())


def save(report: Report) -> None:
    """Remember what came out, unless there was nothing to check."""
    if report.started:
        remember(report.records)


def solved(exercise: Exercise) -> bool:
    """Whether each check of the exercise has passed, at some time."""
    records = (record for record in remembered() if record["exercise"] == exercise.id)
    passed = {record.get("test") for record in records if record.get("passed") is True}
    return passed >= {check.name for check in exercise.checks}


@dataclass(frozen=True)
class ExerciseProgress:
    """One exercise in the table: the points of the best run of each check."""

    id: str
    title: str
    points: int
    out_of: int
    word: str  # "open", "begun" or "done"


@dataclass(frozen=True)
class Progress:
    """Every exercise with its points, in the order of the course, and the predictions. Shows itself as a table."""

    lines: tuple[ExerciseProgress, ...]
    predictions: dict[str, str]  # the state of each, by id: "open", "wrong" or "right"

    @property
    def points(self) -> int:
        return sum(line.points for line in self.lines)

    @property
    def out_of(self) -> int:
        return sum(line.out_of for line in self.lines)

    def __str__(self) -> str:
        rows = [(one.id, f"{one.word:<5}", f"{one.points:>2} of {one.out_of:<2}", one.title) for one in self.lines]
        lines = table(rows)
        done = sum(line.word == "done" for line in self.lines)
        states = list(self.predictions.values())
        if states:
            lines.append(f"{states.count('right')} of {len(states)} predictions right, {states.count('wrong')} wrong")
        lines.append(f"{done} of {len(rows)} exercises, {self.points} of {self.out_of} points")
        return "\n".join(lines)

    __repr__ = __str__


def progress() -> Progress:
    """How far this user is: each exercise with the points of the best run of each check, and each prediction.

    Returns a table; `print` shows it, and a notebook.

    >>> print(str(tl.progress()).splitlines()[0])
    01-build               open    0 of 4   Build a polynomial
    """
    best: dict[tuple[str, str], bool] = {}
    predictions = {} if "predictions" in switched_off() else dict.fromkeys(all_predictions(), "open")
    for record in remembered():
        if record.get("predicted") is True and predictions.get(record["exercise"], "right") != "right":
            predictions[record["exercise"]] = "right" if record.get("passed") is True else "wrong"
        if isinstance(test := record.get("test"), str):
            key = record["exercise"], test
            best[key] = best.get(key, False) or record.get("passed") is True
    lines = []
    for exercise in map(load_exercise, course_order()):
        tried = [check for check in exercise.checks if (exercise.id, check.name) in best]
        points = sum(check.points for check in tried if best[exercise.id, check.name])
        word = "open" if not tried else "done" if points == exercise.points else "begun"
        lines.append(ExerciseProgress(exercise.id, exercise.plain_title, points, exercise.points, word))
    return Progress(tuple(lines), predictions)
