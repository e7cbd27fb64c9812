"""Answers as students write them, in text files: `wrong/04.txt` are wrong ones of tutorial 04, `right/04.txt` right.

    === 04-backward: overwritten | why it is wrong, or what is special
    def backward(order):
        ...

After the id stand the codes that are right for it, one or several. What the answer does not define is the reference's.
Instead of a whole text an answer may say what stands elsewhere in the reference: a line that begins with `>>> ` holds
the old text, and the next, after `<<< `, the new one.
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

from wrong_answers import mutants_of

from tinygrad_lora.learn.exercise import Exercise
from tinygrad_lora.learn.registry import load_exercise

FOLDER = Path(__file__).parent
HEADER = re.compile(r"=== (?P<id>[\w-]+)(?:: (?P<codes>[\w, -]+?))?(?: \| (?P<title>.*))?")


@dataclass(frozen=True)
class Answer:
    """What somebody handed in for an exercise: a text, or the objects themselves.

    `codes` are the diagnoses that would be right for it; none are known for a machine's change.
    """

    exercise: str
    kind: str  # "wrong", "known", "mutant" or "right"
    title: str
    text: str = ""
    codes: tuple[str, ...] = ()
    objects: tuple[tuple[str, Any], ...] = ()

    def values(self, exercise: Exercise) -> dict[str, Any]:
        """The objects that the exercise asks for. Runs the text."""
        namespace = dict(self.objects)
        if self.text:
            filename = f"<answer {self.exercise} {abs(hash(self.text))}>"
            source = f"{exercise.preamble}\n\n{self.text}"
            linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
            namespace["__name__"] = "student"
            exec(compile(source, filename, "exec"), namespace)
        return exercise.references | {name: namespace[name] for name in exercise.names if name in namespace}


def written(kind: str) -> Iterator[Answer]:
    """The answers of a folder, "wrong" or "right", in the order of their files."""
    for path in sorted((FOLDER / kind).glob("*.txt")):
        yield from read(path.read_text(encoding="utf-8"), kind)


def read(text: str, kind: str) -> Iterator[Answer]:
    """The answers in a text. Raises ValueError for a header that is none, and for an edit of what is not there."""
    for block in re.split(r"^(?==== )", text, flags=re.MULTILINE):
        if not block.strip() or block.startswith("#"):
            continue
        header, _, body = block.partition("\n")
        match = HEADER.fullmatch(header.strip())
        if match is None:
            raise ValueError(f"{header!r}: write `=== 04-topo: code | why`")
        codes = tuple(code.strip() for code in (match["codes"] or "").split(",") if code.strip())
        source = edited(load_exercise(match["id"]), body) if body.startswith(">>> ") else body.strip() + "\n"
        yield Answer(match["id"], kind, match["title"] or source.strip().splitlines()[-1].strip(), source, codes)


def edited(exercise: Exercise, edits: str) -> str:
    """The reference's text with some of it written in another way."""
    text = exercise.solution
    for part in re.split(r"^>>> ", edits, flags=re.MULTILINE)[1:]:
        old, _, new = part.partition("\n<<<")
        if old not in text:
            raise ValueError(f"{exercise.id}: the reference has no {old!r}")
        text = text.replace(old, new.strip("\n").lstrip(" "))
    return text


def known(exercise: Exercise) -> Iterator[Answer]:
    """The mistakes that the exercise itself says it must recognize."""
    for mutant in mutants_of(exercise):
        functions = [value for value in mutant.values.values() if isinstance(value, FunctionType | type)]
        title = mutant.title if functions else mutant.code
        yield Answer(exercise.id, "known", title, codes=(mutant.code,), objects=tuple(mutant.values.items()))
