"""The source notebook of an Otter assignment: `otter assign` makes the student's version and the autograder of it."""

from __future__ import annotations

from collections.abc import Sequence

from ..exercise import Check, Exercise
from .nbgrader import task_with_start
from .notebook import Made, notebook, with_imports
from .source import Cell

CONFIG = """# ASSIGNMENT CONFIG
init_cell: true
check_all_cell: false
export_cell: false
tests:
    ok_format: false
generate:
    show_stdout: true
"""


def source_notebook(cells: Sequence[Cell]) -> str:
    """The notebook for `otter assign`, with references that it removes and one test for each check."""
    kept = [cell for cell in cells if not cell.instructor]
    return notebook([Cell("raw", CONFIG), *kept], _layout)


def _layout(exercise: Exercise) -> list[Made]:
    question = f"# BEGIN QUESTION\nname: {exercise.id}\npoints: {exercise.points}"
    return [
        Made("raw", question),
        Made("markdown", task_with_start(exercise)),
        Made("raw", "# BEGIN SOLUTION"),
        Made("code", with_imports(exercise, exercise.solution)),
        Made("raw", "# END SOLUTION"),
        Made("raw", "# BEGIN TESTS"),
        *[Made("code", _test(exercise, check)) for check in exercise.checks],
        Made("raw", "# END TESTS"),
        Made("raw", "# END QUESTION"),
    ]


def _test(exercise: Exercise, check: Check) -> str:
    """A test takes what the student defined by the names of its parameters, and fails by raising."""
    given = "".join(f", {name}={name}" for name in check.needs)
    return (
        f'""" # BEGIN TEST CONFIG\npoints: {check.points}\n""" # END TEST CONFIG\n'
        f"def {check.name}({', '.join(check.needs)}):\n"
        f"    from tinygrad_lora.learn import demand\n\n"
        f'    demand("{exercise.id}", "{check.name}"{given})'
    )
