"""A notebook from the cells of a tutorial: each exercise becomes a task, a place for the answer, and a check."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...errors.install import from_checkout
from ...files import parse_json
from ..exercise import Exercise
from ..own.course import is_own
from ..predictions.prediction import load_prediction
from ..registry import load_exercise
from ..tutorials import HEADING
from .glossary import linked
from .source import TutorialCell

IMPORTS = "from tinygrad_lora.learn import check, hint, solution"
SETUP = f"# If something is missing, in the folder of its source: {from_checkout('notebook')}\n{IMPORTS}"
SETUP_IN_BROWSER = f"""import sys

if sys.platform == "emscripten":  # in a browser: the package comes with this page; run this after each restart
    import piplite

    await piplite.install("tinygrad-lora")

{IMPORTS}"""
RELEASED = "released"  # the key of a notebook's fingerprint in its metadata
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


@dataclass(frozen=True)
class NotebookCell:
    """A cell of a notebook. `id` is set where a grader must find it again."""

    kind: str
    text: str
    metadata: dict[str, Any] = field(default_factory=dict)
    id: str = ""


Layout = Callable[[Exercise], list[NotebookCell]]


def student(cells: Sequence[TutorialCell], *, setup: str = SETUP) -> str:
    """What a student gets: no instructor's cells, no solutions, no outputs."""
    kept = [cell for cell in cells if not cell.instructor]
    return notebook(kept, lambda exercise: in_three(exercise, exercise.stub), setup=setup)


def lab(cells: Sequence[TutorialCell]) -> str:
    """The student's notebook for a lab that runs in a browser; it runs elsewhere as well."""
    return student(cells, setup=SETUP_IN_BROWSER)


def instructor(cells: Sequence[TutorialCell]) -> str:
    """What an instructor gets: everything, and the references in place of the answers."""
    kept = [cell for cell in cells if not (cell.instructor and cell.kind == "code")]  # those only fetch references
    ids = [cell.exercise for cell in cells if cell.exercise]
    if any(map(is_own, (id[:2] for id in ids))) and not kept[-1].instructor:
        kept.append(TutorialCell("markdown", closing_notes(kept[0].text, [*map(load_exercise, ids)])))
    return notebook(kept, lambda exercise: in_three(exercise, exercise.solution), solved=True)


def closing_notes(first: str, exercises: Sequence[Exercise]) -> str:
    """Notes for the instructor of a tutorial whose author wrote none: minutes, points, and mistakes by their codes."""
    rows = "".join(f"| `{one.id}`: {one.title} | {one.points} |\n" for one in exercises)
    mistakes = [(one.id, mutant.code, mutant.title.replace("_", " ")) for one in exercises for mutant in one.mutants]
    likely = "".join(f"* `{code}` in `{id}`: {title}\n" for id, code, title in mistakes)
    minutes = f" in {heading['minutes']} minutes" if (heading := HEADING.search(first)) else ""
    total = f"{sum(one.points for one in exercises)} points{minutes}. Likely mistakes, by their codes:"
    table = f"| exercise | points |\n|---|---|\n{rows}"
    return f"## For the instructor\n\n{table}\n{total}\n\n{likely or '* none'}".rstrip()


def notebook(cells: Sequence[TutorialCell], layout: Layout, *, setup: str = SETUP, solved: bool = False) -> str:
    """The notebook as JSON text, the same for the same cells. `layout` makes the cells of an exercise.

    Predictions are open, or answered if it is `solved`. A word of the glossary is explained where it is used first.
    """
    made: list[NotebookCell] = []
    explained: set[str] = set()
    for cell in cells:
        if cell.exercise:
            made += layout(load_exercise(cell.exercise))
        elif cell.prediction:
            made += in_two(cell.prediction, solved=solved)
        else:
            text = linked(cell.text, explained) if cell.kind == "markdown" else cell.text
            made.append(NotebookCell(cell.kind, text))
    if any(cell.exercise for cell in cells):
        first = next(i for i, cell in enumerate(made) if cell.kind == "code")
        made.insert(first, NotebookCell("code", setup))
    return as_json(made)


def in_three(exercise: Exercise, answer: str) -> list[NotebookCell]:
    """The task, the answer so far, and a check of it."""
    return [
        _marked("markdown", task(exercise), "exercise", exercise.id, "task"),
        _marked("code", with_imports(exercise, answer), "exercise", exercise.id, "answer"),
        _marked("code", check_call(exercise), "exercise", exercise.id, "check"),
    ]


def in_two(id: str, *, solved: bool) -> list[NotebookCell]:
    """A prediction: the question, and a call with a place for the answer."""
    question = load_prediction(id).question()
    answer = repr(question.right) if solved else "..."
    return [
        _marked("markdown", f"**Before you run on.** {question}", "prediction", id, "question"),
        _marked("code", f'tl.predict("{id}", {answer})', "prediction", id, "predict"),
    ]


def with_imports(exercise: Exercise, code: str) -> str:
    """The code of an answer, as a cell that runs."""
    return f"{exercise.imports}\n\n{code}".strip()


def task(exercise: Exercise) -> str:
    points = f"{exercise.points} point{'s' * (exercise.points != 1)}"
    return f"### Exercise {exercise.id}: {exercise.title} ({points})\n\n{exercise.prompt}"


def check_call(exercise: Exercise) -> str:
    return f'check("{exercise.id}", {", ".join(exercise.names)})'


def _marked(kind: str, text: str, what: str, id: str, role: str) -> NotebookCell:
    """A cell of an exercise or of a prediction, with what a grader reads in its metadata."""
    return NotebookCell(kind, text, {"tinygrad_lora": {what: id, "role": role}}, f"{id}-{role}")


def as_json(cells: Sequence[NotebookCell]) -> str:
    """Cells as a notebook of format 4.5, without outputs."""
    written = [_cell(cell, number) for number, cell in enumerate(cells)]
    mark = {RELEASED: _fingerprint(written)}
    metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}, "tinygrad_lora": mark}
    whole = {"cells": written, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def is_changed(text: str) -> bool:
    """Whether somebody has written into the cells of a notebook since it was released, or it is none of ours.

    To run or to save it in Jupyter is no change.
    """
    try:
        book = parse_json(text, False)
        return bool(book["metadata"]["tinygrad_lora"][RELEASED] != _fingerprint(book["cells"]))
    except (ValueError, TypeError, KeyError):
        return True


def _fingerprint(cells: Sequence[dict[str, Any]]) -> str:
    sources = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    return hashlib.sha256(repr(sources).encode()).hexdigest()[:16]


def _cell(cell: NotebookCell, number: int) -> dict[str, Any]:
    lines = cell.text.splitlines(keepends=True)
    content = hashlib.sha256(f"{number} {cell.text}".encode()).hexdigest()[:8]
    made = {"cell_type": cell.kind, "id": cell.id or content, "metadata": cell.metadata, "source": lines}
    return made | ({"execution_count": None, "outputs": []} if cell.kind == "code" else {})
