"""Results kept between runs: a file is believed only if it is whole, has the right form, and adds up."""

import hashlib
import json
from pathlib import Path
from typing import Any

from ..errors import FormatError
from ..files import read_json, write_atomically

LARGEST = 16 * 2**20  # bytes
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
    expected = blank["results"]
    if not _has_form(result, blank) or not all(_has_form(row, expected[0]) for row in result["results"]):
        return None
    rows = result["results"]
    points = [row["out_of"] if row["passed"] else 0 for row in rows]
    same = [[row[name] for name in DECIDED] for row in rows] == [[row[name] for name in DECIDED] for row in expected]
    adds_up = [row["points"] for row in rows] == points and result["points"] == sum(points)
    right = same and adds_up and result["out_of"] == blank["out_of"] and digest == _digest(result)
    return result if right else None


def _has_form(value: Any, example: dict[str, Any]) -> bool:
    """Whether this is a dict with the names and types of the example; lists are of texts, but for rows of results."""
    if not isinstance(value, dict) or value.keys() != example.keys():
        return False
    texts = [x for name, part in value.items() if isinstance(part, list) and name != "results" for x in part]
    types = [type(value[k]) is type(x) or (k == "diagnosis" and value[k] is None) for k, x in example.items()]
    return all(types) and all(isinstance(text, str) for text in texts)


def _digest(result: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(result).encode()).hexdigest()
