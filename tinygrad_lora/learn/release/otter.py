"""The source notebook of an Otter assignment: `otter assign` makes the student's version and the autograder of it."""

from collections.abc import Sequence

from ..exercise import Check, Exercise
from .nbgrader import task_with_start
from .notebook import NotebookCell, notebook, with_imports
from .source import TutorialCell

CONFIG = """# ASSIGNMENT CONFIG
init_cell: true
check_all_cell: false
export_cell: false
tests:
    ok_format: false
generate:
    show_stdout: true
"""


def source_notebook(cells: Sequence[TutorialCell]) -> str:
    """The notebook for `otter assign`, with references that it removes and one test for each check."""
    kept = [cell for cell in cells if not cell.instructor]
    return notebook([TutorialCell("raw", CONFIG), *kept], _layout)


def _layout(exercise: Exercise) -> list[NotebookCell]:
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
