"""The points in the grade book of a learning platform: the file that Canvas or Moodle exported, with one column more.

Both find a student by columns that only they can fill. So the book is theirs, and the points are put beside its names.

Canvas reads a first line that begins with Student and ID (or LastName, FirstName and ID) and has Section before the
assignments, and a second line, Points Possible; an assignment that exists is called `Title (number)`, and other
assignments need not be in the file. Source: lib/gradebook_importer.rb in github.com/instructure/canvas-lms.
Moodle asks which column says who a student is (ID number, email address or username) and which holds the grade; what is
empty is no grade. Source: docs.moodle.org/en/Grade_import, and grade/import/csv/classes/load_data.php in
github.com/moodle/moodle. Its worksheet for grading an assignment offline has Identifier and Full name instead; the
number in Identifier is the one in the names of the downloaded files.
"""

import csv
import io
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ExerciseError
from ..files import read_bytes, reading

LARGEST = 64 * 2**20  # bytes
# The columns of the two about a person, in one spelling: those that say who it is, alone or together, and the others.
MOODLE = "firstname", "lastname", "idnumber", "institution", "department", "emailaddress"  # first, and in this order
UNIQUE = "id", "sisuserid", "sisloginid", "integrationid", "idnumber", "username", "emailaddress", "identifier"
ABOUT = {*MOODLE, *UNIQUE, "student", "surname", "fullname", "rootaccount", "section"}
POSSIBLE = "Points Possible"  # begins Canvas's line with what an assignment is worth
# How the platforms call what is downloaded from them: `lovelaceada_4211_88213_x.ipynb`, `Ada Lovelace_17_assign...`.
CANVAS_FILE = re.compile(r"[^_]+(?:_LATE)?_(\d+)_\d+_.+")
MOODLE_FILE = re.compile(r"([^_]+)_(\d+)_assignsubmission_.*")

Key = tuple[str, str]  # what a text is, "" where it is a name that a teacher chose; and the text


@dataclass(frozen=True)
class GradeBook:
    """A book with the points filled in: the file's name and text, and the submissions whose points are not in it.

    `unknown` fit no line, or not exactly one. `rivals` fit a line that another submission fits too.
    """

    name: str
    text: str
    unknown: list[str]
    rivals: list[str]


def filled(path: Path, results: Mapping[str, dict[str, Any]], title: str) -> GradeBook:
    """The grade book with each student's points in the column `title`. Who handed in nothing keeps the cell.

    Raises ExerciseError for a file that is none, and for a column that cannot hold these points.
    """
    with reading(path, ExerciseError):
        text = read_bytes(path, LARGEST, ExerciseError).decode("utf-8-sig")
        separator = max(",;\t", key=text.partition("\n")[0].count)
        head, *rows = [row for row in csv.reader(io.StringIO(text), delimiter=separator) if row] or [[]]
    names = [plain(cell).replace(" ", "") for cell in head]
    canvas = "section" in names and "id" in names[1:3]
    if not {"firstname", "fullname", *UNIQUE}.intersection(names) and any("@" in "".join(row[5:6]) for row in rows):
        names[: len(MOODLE)] = MOODLE  # its headings are in another language
    worth = [i for i, row in enumerate(rows) if canvas and POSSIBLE in row[0]]
    persons = [{} if i in worth else dict(zip(names, map(plain, row), strict=False)) for i, row in enumerate(rows)]
    if not (lines := lines_by_key(persons)):
        raise ExerciseError(f"{path} is no grade book: export it from Canvas or Moodle as CSV, and give that file")
    people = max(i for i, name in enumerate(names) if name in ABOUT) + 1
    column = _column(path, head, people, title)
    if canvas and column not in head and re.search(r"\(\d+\)$", column):  # Canvas would look for that number
        raise ExerciseError(f"{path} has no column {column}: leave out the number, and Canvas makes a new assignment")
    at, out_of = [*head, column].index(column), next(result["out_of"] for result in results.values())
    cells = ["".join(row[at : at + 1]) if at < len(head) else "" for row in rows]
    for i in worth:
        cells[i] = cells[i].strip() or str(out_of)
        if not re.fullmatch(rf"{out_of}([.,]0*)?", cells[i]):
            remedy = "give another name with --column, or change what it is worth in Canvas, and export the book again"
            raise ExerciseError(f"{path}: {column} is worth {cells[i]} points, and the exercises {out_of}: {remedy}")
    claims: dict[int | None, list[str]] = {}
    for name in results:
        own = {lines[key] for key in keys_of(name) if key in lines}
        claims.setdefault(own.pop() if len(own) == 1 else None, []).append(name)
    unknown = claims.pop(None, [])
    cells = [str(results[claims[i][0]]["points"]) if len(claims.get(i, ())) == 1 else x for i, x in enumerate(cells)]
    kept = [i for i, cell in enumerate(head) if i != at and (i < people or not canvas)]
    written = io.StringIO()
    writer = csv.writer(written, delimiter=separator, lineterminator="\n")
    for row, cell in zip([head, *rows], [column, *cells], strict=True):
        writer.writerow([*("".join(row[k : k + 1]) for k in kept), cell])
    rivals = [name for names in claims.values() if len(names) > 1 for name in names]
    return GradeBook("canvas.csv" if canvas else "moodle.csv", written.getvalue(), unknown, rivals)


def _column(path: Path, head: Sequence[str], people: int, title: str) -> str:
    """The heading of the assignment: `Week 3 (771)` for Week 3 if there is one, or else the title itself."""
    name, names = plain(title), [plain(cell) for cell in head]
    if name in names[:people]:
        raise ExerciseError(f"{path}: {title} is a column about the students: give another name with --column")
    pattern = re.escape(name) + ("" if name in names else r" \([^()]+\)")
    columns = [cell for cell, text in zip(head, names, strict=True) if re.fullmatch(pattern, text)]
    if len(columns) > 1:
        raise ExerciseError(f"{path}: {title} may be {' or '.join(columns)}: say with --column which of them")
    return columns[0] if columns else title


def plain(text: str) -> str:
    """The text in one spelling: small letters, single spaces, and letters with accents as one character each."""
    return unicodedata.normalize("NFC", " ".join(unicodedata.normalize("NFC", text).casefold().split()))


def lines_by_key(persons: Sequence[Mapping[str, str]]) -> dict[Key, int]:
    """The number of the line of each text that stands for one person. Two people of one name have no such text."""
    keys = [{key for key in _keys_of_person(person) if key[1]} for person in persons]
    counts = Counter(key for own in keys for key in own)
    return {key: i for i, own in enumerate(keys) for key in own if counts[key] == 1}


def _keys_of_person(person: Mapping[str, str]) -> set[Key]:
    """What is the person's alone. A first name, a department or a section is not, even if it is in one line only."""
    cell = defaultdict(str, person)
    last, _, first = cell["student"].partition(", ")
    both = [(a, b) for a, b in ((first, last), (cell["firstname"], cell["lastname"] or cell["surname"])) if a and b]
    names = {cell["student"], cell["fullname"], *(f"{a} {b}" for a, b in both)}
    texts = {*names, *(f"{b}, {a}" for a, b in both), *(cell[column] for column in UNIQUE)}
    number = cell["identifier"].rpartition(" ")[2]  # "Participant 1731"
    return {("", x) for x in texts} | {("name", x) for x in names} | {("id", cell["id"]), ("identifier", number)}


def keys_of(name: str) -> Iterator[Key]:
    """What may stand in the book for a submission: its name, or the part of it that a platform wrote there."""
    yield "", plain(name)
    if match := CANVAS_FILE.fullmatch(name):
        yield "id", match[1]
    if match := MOODLE_FILE.fullmatch(name):
        yield from (("name", plain(match[1])), ("identifier", match[2]))
