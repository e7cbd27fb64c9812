"""Which tutorials there are, and a copy of one to work in."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import TutorialError
from ..errors.install import from_checkout
from ..files import parse_json, read_bytes, read_json, reading, write_atomically
from .exercises import TUTORIALS
from .own.course import COURSE
from .registry import exercise_ids
from .settings import switched_off

LARGEST = 16 * 2**20  # bytes
HEADING = re.compile(r"# (?P<number>\d\d) · (?P<title>.+)\n+\*Outcome: (?P<outcome>.+) · (?P<minutes>\d+) minutes\*")


@dataclass(frozen=True)
class Heading:
    """What the first lines of a tutorial say."""

    number: str
    title: str
    outcome: str
    minutes: int


def heading_of(text: str) -> Heading:
    """The heading in the first cell. Raises TutorialError for a text without one."""
    heading = HEADING.search(text)
    if heading is None:
        lines = "`# 04 · Title` and `*Outcome: one sentence · 50 minutes*`"
        raise TutorialError(f"a tutorial begins with the lines {lines}, not with {text[:60]!r}")
    return Heading(heading["number"], heading["title"].strip(), heading["outcome"].strip(), int(heading["minutes"]))


@dataclass(frozen=True)
class Tutorial:
    """One tutorial, as the notebook that a student gets."""

    path: Path

    @cached_property
    def cells(self) -> list[dict[str, Any]]:
        with reading(self.path, TutorialError):
            return list(read_json(self.path, LARGEST)["cells"])

    @cached_property
    def heading(self) -> Heading:
        return heading_of("".join(self.cells[0]["source"]))

    @property
    def number(self) -> str:
        return self.path.name[:2]

    @property
    def exercises(self) -> list[str]:
        """The ids of its exercises, in order."""
        marks = (cell["metadata"].get("tinygrad_lora", {}) for cell in self.cells)
        return [mark["exercise"] for mark in marks if mark.get("role") == "answer"]

    def copy_to(self, folder: Path, *, fresh: bool = False) -> Path:
        """The student's copy in this folder, made if there is none; with `fresh` one more. Nothing is ever replaced.

        It has no questions where those are switched off.
        """
        copy, number = folder / self.path.name, 2
        while fresh and copy.exists():
            copy, number = folder / f"{self.path.stem}_{number}{self.path.suffix}", number + 1
        if not copy.exists():
            data = read_bytes(self.path, LARGEST, TutorialError)
            write_atomically(copy, without_predictions(data) if "predictions" in switched_off() else data)
        return copy


def without_predictions(data: bytes) -> str:
    """A notebook without its questions."""
    book = parse_json(data)
    book["cells"] = [cell for cell in book["cells"] if "prediction" not in cell["metadata"].get("tinygrad_lora", {})]
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n"


def tutorials() -> list[Tutorial]:
    """All tutorials, in their order: the package's, then those of a course of one's own."""
    own = sorted(COURSE.glob("[5-9][0-9]_*.ipynb")) if COURSE else []
    for folder in TUTORIALS:
        if paths := sorted(folder.glob("[0-9][0-9]_*.ipynb")):
            return [Tutorial(path) for path in paths + own]
    raise TutorialError(f"this installation has no tutorials; in a checkout, `{from_checkout('notebook')}` brings them")


def tutorial(number: str) -> Tutorial:
    """The tutorial with this number, "04" or "4". Raises TutorialError, which lists all numbers, if there is none."""
    digits = number.zfill(2)
    known = {one.number: one for one in tutorials()}
    if digits not in known:
        raise TutorialError(f"there is no tutorial {number}; there are {', '.join(known)}")
    return known[digits]


def course_order() -> list[str]:
    """The ids of all exercises, in the order in which the tutorials ask for them. What none asks for comes last."""
    try:
        asked = [id for one in tutorials() for id in one.exercises]
    except TutorialError:  # without tutorials the order is that of the alphabet
        asked = []
    known = exercise_ids()
    return [*(id for id in asked if id in known), *(id for id in known if id not in asked)]
