"""Machine-made answers: the solution of an exercise with one small change. Those that change nothing are marked.

`equivalents.md` says, for each change that makes no difference, why: a line `` - `old` -> `new`: reason `` below the id
of the exercise. Somebody has looked at each of them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import cache

from tinygrad_lora.learn.exercise import Exercise
from tinygrad_lora.learn.own.changes import changes

from .answers import FOLDER, Answer

EACH, EACH_SLOW = 34, 6  # of an exercise, and of one that trains for real
EQUIVALENT = re.compile(r"- (`.*` -> `.*`): (\S.*)")


@cache
def equivalents() -> dict[tuple[str, str], str]:
    """The changes that make no difference, by exercise and change: the reason of each."""
    marked, id = {}, ""
    for line in (FOLDER / "equivalents.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            id = line.removeprefix("## ")
        elif match := EQUIVALENT.fullmatch(line):
            marked[id, match[1]] = match[2]
        elif line.startswith("-"):
            raise ValueError(f"{id}: {line!r} must be: - `old` -> `new`: reason")
    return marked


def candidates(exercise: Exercise) -> list[Answer]:
    """Some of all changes of the solution, always the same ones: drawn by their own text."""

    def draw(change: tuple[str, str]) -> bytes:
        return hashlib.sha256(f"{exercise.id} {change[0]}".encode()).digest()

    drawn = sorted(changes(exercise.solution), key=draw)[: EACH_SLOW if exercise.slow else EACH]
    return [Answer(exercise.id, "mutant", title, text) for title, text in drawn]


def mutants(exercise: Exercise) -> Iterator[Answer]:
    """The candidates that are not marked as equivalent."""
    return (answer for answer in candidates(exercise) if (exercise.id, answer.title) not in equivalents())
