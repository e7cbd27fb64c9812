"""The points in the grade book of a learning platform: the file that Canvas or Moodle exported, with one column more.

Both find a student by columns that only they can fill. So the book is theirs, and the points are put beside its names.

Canvas reads a first line that begins with Student and ID (or LastName, FirstName and ID) and has Section before the
assignments, and a second line, Points Possible; an assignment that exists is called `Title (number)`, and other
assignments need not be in the file. Source: lib/gradebook_importer.rb in github.com/instructure/canvas-lms.
Moodle asks which column says who a student is (ID number, email address or username) and which holds the grade; what is
empty is no grade. Source: docs.moodle.org/en/Grade_import, and grade/import/csv/classes/load_data.php in
github.com/moodle/moodle.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ExerciseError
from ..files import read_bytes

LARGEST = 64 * 2**20  # bytes
MOODLE = 6  # columns about a person: first and last name, ID number, institution, department, email address
POSSIBLE = "Points Possible"  # begins Canvas's line with what an assignment is worth
# How the platforms call what is downloaded from them: `lovelaceada_4211_88213_x.ipynb`, `Ada Lovelace_17_assign...`.
DOWNLOADS = re.compile(r"[^_]+(?:_LATE)?_(\d+)_\d+_.+"), re.compile(r"([^_]+)_\d+_assignsubmission_.*")


@dataclass(frozen=True)
class GradeBook:
    """A book with the points filled in: the file's name and text, and the submissions for which it has no line."""

    name: str
    text: str
    unknown: list[str]


def filled(path: Path, results: Mapping[str, dict[str, Any]], title: str) -> GradeBook:
    """The grade book with each student's points in the column `title`. Raises ExerciseError for a file that is none."""
    text = read_bytes(path, LARGEST, ExerciseError).decode("utf-8-sig", errors="replace")
    separator = max(",;\t", key=text.partition("\n")[0].count)
    head, *rows = [row for row in csv.reader(io.StringIO(text), delimiter=separator) if row] or [[]]
    if len(head) < 3 or not rows:
        raise ExerciseError(f"{path} is no grade book: export it from Canvas or Moodle as CSV, and give that file")
    canvas = "Section" in head and any("ID" in cell for cell in head[1:3])
    people = head.index("Section") + 1 if canvas else MOODLE
    column = next((cell for cell in head if cell == title or cell.startswith(f"{title} (")), title)
    lines, points, unknown = lines_by_key([row[:people] for row in rows]), dict[int, Any](), []
    for name, result in results.items():
        line = next((lines[key] for key in keys_of(name) if key in lines), None)
        if line is None or line in points:
            unknown.append(name)
        else:
            points[line] = result["points"]
    if canvas:
        out_of = next(result["out_of"] for result in results.values())
        points |= {i: out_of for i, row in enumerate(rows) if POSSIBLE in row[0]}
    kept = [i for i, cell in enumerate(head) if cell != column and (i < people or not canvas)]
    written = io.StringIO()
    writer = csv.writer(written, delimiter=separator, lineterminator="\n")
    for i, row in enumerate([head, *rows], start=-1):
        writer.writerow([*("".join(row[k : k + 1]) for k in kept), points.get(i, "") if i >= 0 else column])
    return GradeBook("canvas.csv" if canvas else "moodle.csv", written.getvalue(), unknown)


def lines_by_key(people: Sequence[Sequence[str]]) -> dict[str, int]:
    """The number of the line of each text that stands for one person: a cell, or the first two as a full name."""
    keys = [{cell.strip().casefold() for cell in [*row, " ".join(row[:2])]} - {""} for row in people]
    counts = Counter(key for own in keys for key in own)
    return {key: i for i, own in enumerate(keys) for key in own if counts[key] == 1}


def keys_of(name: str) -> Iterator[str]:
    """What may stand in the book for a submission: its name, or the part of it that a platform wrote there."""
    yield name.casefold()
    yield from (match[1].strip().casefold() for pattern in DOWNLOADS if (match := pattern.fullmatch(name)))
