"""The results as files: tables for people, and the formats of nbgrader and Gradescope."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..files import csv_text, write_atomically
from .grading import GradingSettings
from .page import class_page, feedback_page, unread

Result = dict[str, Any]
COLUMNS = ("student", "exercise", "test", "passed", "points", "out_of", "diagnosis", "detail", "seconds")
NBGRADER = (
    "assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email", "raw_score",
    "late_submission_penalty", "score", "max_score",
)  # fmt: skip


def write_all(out: Path, results: Mapping[str, Result], title: str, settings: GradingSettings) -> list[Path]:
    """Every file, each written whole. `results` are those of each student, by name; `title` names the assignment."""
    ordered = dict(sorted(results.items()))
    whole = {
        "assignment": title, "seed": settings.seed, "held": settings.held, "unreadable": unread(ordered),
        "read_in_part": unread(ordered, in_part=True), "students": ordered,
    }  # fmt: skip
    paths = [
        _write(out / "results.csv", table(ordered)),
        _write(out / "results.json", json.dumps(whole, indent=1) + "\n"),
        _write(out / "nbgrader.csv", nbgrader(ordered, title)),
        _write(out / "report.html", class_page(ordered, title, settings.held)),
    ]
    for student, result in ordered.items():
        _write(out / "feedback" / f"{student}.html", feedback_page(student, result, title))
        text = json.dumps(gradescope(result), indent=1) + "\n"
        _write(out / "gradescope" / student / "results.json", text)
    return paths


def _write(path: Path, text: str) -> Path:
    """A student's code may say what is no text: half of a surrogate pair. It must not stop the others' pages."""
    return write_atomically(path, text.encode("utf-8", "replace"))


def table(results: Mapping[str, Result]) -> str:
    """One line for what could not be read of a submission, then one for each student and check."""
    blank = {"exercise": "", "test": "", "passed": False, "points": 0, "out_of": 0}
    apart = {"unreadable": unread(results), "read-in-part": unread(results, in_part=True)}
    notes = [(name, code, "; ".join(lines)) for code, own in apart.items() for name, lines in own.items()]
    first = [blank | {"student": name, "diagnosis": code, "detail": detail} for name, code, detail in notes]
    rows = [{"student": student} | one for student, result in results.items() for one in result["results"]]
    return csv_text(COLUMNS, map(_safe, [*first, *rows]))


def nbgrader(results: Mapping[str, Result], title: str) -> str:
    """The grades as `nbgrader export` writes them."""
    rows = [
        {
            "assignment": title, "student_id": student, "raw_score": result["points"], "late_submission_penalty": 0.0,
            "score": result["points"], "max_score": result["out_of"],
        }
        for student, result in results.items()
    ]  # fmt: skip
    return csv_text(NBGRADER, map(_safe, rows))


def gradescope(result: Result) -> dict[str, Any]:
    """What Gradescope reads from an autograder's results.json."""
    tests = [
        {
            "name": f"{one['exercise']}: {one['claim']}", "score": one["points"], "max_score": one["out_of"],
            "status": "passed" if one["passed"] else "failed", "visibility": "visible",
            "output": "\n".join([one["sentence"], *one["example"]]).strip(),
        }
        for one in result["results"]
    ]  # fmt: skip
    notes = "\n".join(result["notes"])
    return {"score": result["points"], "execution_time": round(result["seconds"]), "output": notes, "tests": tests}


def _safe(row: Mapping[str, Any]) -> dict[str, Any]:
    return {column: _cell(value) for column, value in row.items()}


def _cell(value: Any) -> Any:
    """A name such as =HYPERLINK(...) must stay text in a spreadsheet."""
    if not isinstance(value, str):
        return value
    value = value.encode("utf-8", "replace").decode()
    return f"'{value}" if value[:1] in tuple("=+-@\t\r") else value
