"""Results kept between runs: a file is believed only if it is whole, has the right form, and adds up."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ..errors import FormatError
from ..files import read_json, write_atomically

LARGEST = 16 * 2**20  # bytes
RESULT: dict[str, Any] = {
    "results": list, "notes": list, "refused": list, "points": int, "out_of": int, "seconds": float,
}  # fmt: skip
ROW: dict[str, Any] = {
    "exercise": str, "test": str, "passed": bool, "diagnosis": str | None, "detail": str, "seconds": float,
    "points": int, "out_of": int, "claim": str, "sentence": str, "example": list, "notes": list,
}  # fmt: skip
DECIDED = "exercise", "test", "out_of"  # what the course says about each check, whoever is graded


def write_kept(path: Path, result: dict[str, Any]) -> None:
    """Keep a result, with a checksum."""
    write_atomically(path, json.dumps([_digest(result), result]))


def read_kept(path: Path, blank: dict[str, Any]) -> dict[str, Any] | None:
    """The result in a file; None if there is none that can be believed: then the submission is graded again.

    `blank` is a result without points for the same exercises.
    """
    try:
        digest, result = read_json(path, LARGEST)
    except (OSError, FormatError, ValueError, TypeError):
        return None
    if not _has_form(result, RESULT) or not all(_has_form(row, ROW) for row in result["results"]):
        return None
    rows, expected = result["results"], blank["results"]
    points = [row["out_of"] if row["passed"] else 0 for row in rows]
    same = [[row[name] for name in DECIDED] for row in rows] == [[row[name] for name in DECIDED] for row in expected]
    adds_up = [row["points"] for row in rows] == points and result["points"] == sum(points)
    right = same and adds_up and result["out_of"] == blank["out_of"] and digest == _digest(result)
    return result if right else None


def _has_form(value: Any, form: dict[str, Any]) -> bool:
    """Whether this is a dict of such values; lists are of texts, but for rows of results."""
    if not isinstance(value, dict) or value.keys() != form.keys():
        return False
    texts = [x for name, part in value.items() if isinstance(part, list) and name != "results" for x in part]
    exact = all(isinstance(value[k], kind) and (kind is bool or type(value[k]) is not bool) for k, kind in form.items())
    return exact and all(isinstance(text, str) for text in texts)


def _digest(result: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(result).encode()).hexdigest()
