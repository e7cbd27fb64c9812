"""The source notebooks of assignments for other graders: nbgrader and Otter make the student's versions of them."""

from collections.abc import Sequence
from typing import Any

from ..exercise import Check, Exercise
from .notebook import NotebookCell, check_call, notebook, task, with_imports
from .source import TutorialCell

SCHEMA = {"schema_version": 3}
CONFIG = """# ASSIGNMENT CONFIG
init_cell: true
check_all_cell: false
export_cell: false
tests:
    ok_format: false
generate:
    show_stdout: true
"""


def for_nbgrader(cells: Sequence[TutorialCell]) -> str:
    """The notebook for nbgrader's `source` folder, with references that it removes."""
    return notebook([cell for cell in cells if not cell.instructor], _nbgrader_cells)


def _nbgrader_cells(exercise: Exercise) -> list[NotebookCell]:
    task_id, answer_id, grade_id = (f"{exercise.id}-{role}" for role in ("task", "answer", "grade"))
    return [
        NotebookCell("markdown", task_with_start(exercise), _marks(task_id, locked=True), task_id),
        NotebookCell("code", with_imports(exercise, exercise.solution), _marks(answer_id, solution=True), answer_id),
        NotebookCell("code", grade_cell(exercise), _marks(grade_id, exercise.points, locked=True), grade_id),
    ]


def task_with_start(exercise: Exercise) -> str:
    """The task, and what to start from where a grader's own blank would lose it: code to repair, names of values."""
    start = exercise.stub.strip()
    plain = exercise.solution.lstrip().startswith(("def ", "class ")) and exercise.expected_of_stub is None
    return task(exercise) if plain else f"{task(exercise)}\n\nStart from this:\n\n```python\n{start}\n```"


def grade_cell(exercise: Exercise) -> str:
    """Prints what was found and ends with the points: nbgrader reads a number as partial credit.

    Nothing may reach the error stream, or nbgrader gives 0; `check` turns warnings into notes.
    """
    return f"report = {check_call(exercise)}\nprint(report)\nreport.points"


def _marks(grade_id: str, points: int | None = None, *, solution: bool = False, locked: bool = False) -> dict[str, Any]:
    marks = SCHEMA | {"grade": points is not None, "grade_id": grade_id, "locked": locked, "solution": solution}
    return {"nbgrader": marks | {"task": False} | ({"points": points} if points is not None else {})}


def for_otter(cells: Sequence[TutorialCell]) -> str:
    """The notebook for `otter assign`, with references that it removes and one test for each check."""
    kept = [cell for cell in cells if not cell.instructor]
    return notebook([TutorialCell("raw", CONFIG), *kept], _otter_cells)


def _otter_cells(exercise: Exercise) -> list[NotebookCell]:
    question = f"# BEGIN QUESTION\nname: {exercise.id}\npoints: {exercise.points}"
    return [
        NotebookCell("raw", question),
        NotebookCell("markdown", task_with_start(exercise)),
        NotebookCell("raw", "# BEGIN SOLUTION"),
        NotebookCell("code", with_imports(exercise, exercise.solution)),
        NotebookCell("raw", "# END SOLUTION"),
        NotebookCell("raw", "# BEGIN TESTS"),
        *[NotebookCell("code", _test(exercise, check)) for check in exercise.checks],
        NotebookCell("raw", "# END TESTS"),
        NotebookCell("raw", "# END QUESTION"),
    ]


def _test(exercise: Exercise, check: Check) -> str:
    """A test takes what the student defined by the names of its parameters, and fails by raising."""
    arguments = "".join(f", {name}={name}" for name in check.needs)
    return (
        f'""" # BEGIN TEST CONFIG\npoints: {check.points}\n""" # END TEST CONFIG\n'
        f"def {check.name}({', '.join(check.needs)}):\n"
        f"    from tinygrad_lora.learn import demand\n\n"
        f'    demand("{exercise.id}", "{check.name}"{arguments})'
    )
