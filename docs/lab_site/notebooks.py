"""The notebooks of the lab: the students', and the same with reference answers, to try the lab with."""

import json
from pathlib import Path

from tinygrad_lora.commands.course import sources
from tinygrad_lora.learn.release import notebook
from tinygrad_lora.learn.release.source import read_cells

TUTORIALS = Path(__file__).resolve().parents[2] / "tutorials"
KERNEL = {"display_name": "Python (Pyodide)", "language": "python", "name": "python"}


def students() -> dict[str, bytes]:
    """What a student gets, by file name."""
    return {f"{path.stem}.ipynb": _for_the_lab(notebook.lab(read_cells(path))) for path in sources(TUTORIALS)}


def solved(numbers: str = "") -> dict[str, bytes]:
    """The tutorials with these numbers, or all, with every exercise and every question answered."""
    texts = {}
    for path in sources(TUTORIALS, numbers):
        cells = [cell for cell in read_cells(path) if not cell.instructor]
        texts[f"{path.stem}.ipynb"] = notebook.notebook(
            cells,
            lambda exercise: notebook.in_three(exercise, exercise.solution),
            setup=notebook.SETUP_IN_BROWSER,
            solved=True,
        )
    return {name: _for_the_lab(text) for name, text in texts.items()}


def _for_the_lab(text: str) -> bytes:
    """The notebook names the kernel that the lab has, so that nobody is asked for one."""
    content = json.loads(text)
    content["metadata"]["kernelspec"] = KERNEL
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
