"""The source of a tutorial: one py:percent file that runs as it stands, read as cells.

# %% [markdown] instructor=true     a cell that only instructors see
# %% exercise="04-topo"             the place of an exercise; in the source it fetches the reference
# %% predict="04-paths"             the place of a prediction; in the source it prints the question
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import TutorialError
from ...errors.install import needing


@dataclass(frozen=True)
class TutorialCell:
    """A cell of a tutorial. `kind` is that of a notebook's cell: "markdown", "code" or "raw".

    `exercise` and `prediction` are the id of what it holds the place of; `instructor` is True for a cell that students
    do not get.
    """

    kind: str
    text: str
    exercise: str | None = None
    prediction: str | None = None
    instructor: bool = False


def read_cells(path: Path) -> list[TutorialCell]:
    """The cells of a source. Raises TutorialError for a mark that means nothing."""
    with needing("reading the sources of tutorials needs Jupytext", "notebook", TutorialError):
        import jupytext
    cells = []
    for cell in jupytext.read(path, fmt="py:percent").cells:
        marks: dict[str, Any] = {**cell.metadata}
        marks.pop("lines_to_next_cell", None)  # of Jupytext, which keeps blank lines with it
        exercise, prediction = marks.pop("exercise", None), marks.pop("predict", None)
        instructor = marks.pop("instructor", False) is True
        if marks:
            known = "exercise, predict, instructor"
            raise TutorialError(f"{path.name}: a cell is marked {', '.join(marks)}; the marks are {known}")
        cells.append(TutorialCell(cell.cell_type, cell.source, exercise, prediction, instructor))
    return cells
