"""One sitting of the test: consent, twelve questions without a response, and a file for the student to hand in."""

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

from ...errors import ExerciseError
from ...files import parse_json, read_bytes, write_atomically
from .. import exercises
from ..diagnosis import Wrong
from ..predictions.prediction import Prediction, Question

Ask: TypeAlias = Callable[[str], str]
Show: TypeAlias = Callable[[str], object]
FORMS = ("pre", "post")  # before the course, and after it
KINDS: dict[str, Any] = {"code": str, "form": str, "question": str, "answer": str, "seconds": int | float}
CODE = re.compile(r"[a-z0-9]{4,12}")
LARGEST = 2**20  # bytes of a file: a hundred times what two sittings leave
CONSENT = Path(__file__).with_name("consent.md")
AGREED = ("y", "yes")


def items() -> list[Prediction]:
    """The twelve questions, in the order of the course."""
    module = import_module(f"{exercises.__name__}.study")
    return [item for item in vars(module).values() if isinstance(item, Prediction)]


def form_for(code: str, form: str) -> list[Question]:
    """The questions with this person's numbers: the same each time, and others before and after the course."""
    start = int.from_bytes(hashlib.sha256(code.encode()).digest()[:4], "big")
    before = [item.question(start) for item in items()]
    if form == FORMS[0]:
        return before
    others = ((item.question(start + i) for i in count(1)) for item in items())
    return [next(other for other in each if other.text != old.text) for each, old in zip(others, before, strict=True)]


def sit(
    form: str, code: str, folder: Path = Path(), *, consent: str = "", ask: Ask | None = None, show: Show = print
) -> Path | None:  # fmt: skip
    """Ask for consent, then the questions that are still open. The file to hand in, or None without consent.

    `form` is "pre" or "post"; `code` is chosen by the student, the same both times. An empty answer leaves a question
    out. Nothing is said to an answer. Raises ExerciseError for a code of another form.
    """
    ask, code = ask or input, code.strip().lower()
    if form not in FORMS or not CODE.fullmatch(code):
        raise ExerciseError(f"{form}, {code!r}: the form is pre or post, and a code is 4 to 12 letters a-z and digits")
    path = folder / f"study-{code}.jsonl"
    answered = {row["question"] for row in rows_of(path) if row["form"] == form}
    show(consent or read_bytes(CONSENT, LARGEST, ExerciseError).decode())
    if ask("Do you take part? yes or no: ").strip().lower() not in AGREED:
        return None
    questions = form_for(code, form)
    for number, question in enumerate(questions, start=1):
        if question.id not in answered:
            row = {"code": code, "form": form, "question": question.id, **_answer(question, number, ask, show)}
            before = _text(path)
            # An editor may have taken the last line's end: begin a new line, or both are lost.
            start = "" if before.endswith("\n") or not before else "\n"
            write_atomically(path, f"{before}{start}{json.dumps(row)}\n")
    return path


def _answer(question: Question, number: int, ask: Ask, show: Show) -> dict[str, Any]:
    """What a person answers, and the seconds until then. What is no answer is asked again."""
    show(f"\n{number}. {question}\n")
    start, said = time.monotonic(), ""
    while not said and (text := ask(f"{question.needed} (Enter leaves it out): ").strip()):
        try:
            meant = question.read(text)
        except Wrong as refusal:
            show(str(refusal))
        else:  # letters differ from form to form
            said = meant if question.kind == "choice" else question.said(meant)
    return {"answer": said, "seconds": round(time.monotonic() - start, 1)}


def _text(path: Path) -> str:
    """All of the file. Some editors add a mark at its start, or save it as UTF-16: how JSON begins tells which."""
    data = read_bytes(path, LARGEST, ExerciseError) if path.exists() else b""
    return data.decode(json.detect_encoding(data), errors="replace")


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file that are whole. Lines that are none are left out."""
    return (row for row in lines_of(path) if row)


def lines_of(path: Path) -> Iterator[dict[str, Any] | None]:
    """The lines of a file, without empty ones; None for a line that is not an answer."""
    known = {item.id for item in items()}
    for line in filter(str.strip, _text(path).splitlines()):
        row: Any = None
        with suppress(ValueError):
            row = parse_json(line)
        whole = isinstance(row, dict) and row.keys() == KINDS.keys()
        typed = whole and all(isinstance(row[name], kinds) for name, kinds in KINDS.items())
        valid = typed and row["form"] in FORMS and row["question"] in known and CODE.fullmatch(row["code"])
        yield row if valid else None
