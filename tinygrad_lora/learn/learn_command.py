"""The command `tinygrad-lora learn`: the tutorials with what you have done, and Jupyter on a copy of one."""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

from .progress import Line, progress
from .tutorials import Tutorial, tutorial, tutorials

NO_JUPYTER = """Jupyter is not installed here. This line installs it:

    {python} -m pip install "tinygrad-lora[notebook]"

Any other program that opens notebooks will do, too."""


def add_command(commands: Any) -> None:
    """Add `learn` to the commands of a parser."""
    parser = commands.add_parser(
        "learn",
        help="list the tutorials, or open one in Jupyter",
        description="Without a number: the twelve tutorials and how far you are. With a number: a copy of that "
        "tutorial in your folder, opened in JupyterLab. A copy that is there already is opened as it is.",
    )
    parser.add_argument("number", nargs="?", help="of the tutorial, such as 04")
    parser.add_argument(
        "--folder", type=Path, default=Path("tutorials-mine"), help="where your copies are (%(default)s)"
    )
    parser.add_argument("--fresh", action="store_true", help="open one more copy, beside the one you worked in")
    parser.add_argument("--copy-only", action="store_true", help="make the copy, and open nothing")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """List, or open. The result is the exit code."""
    if given.number is None:
        print(overview(tutorials(), {line.id: line for line in progress().lines}))
        return 0
    path = tutorial(given.number).copy_to(given.folder, fresh=given.fresh)
    print(f"Your copy: {path}", flush=True)
    return 0 if given.copy_only else opened(path)


def overview(found: list[Tutorial], lines: dict[str, Line]) -> str:
    """A table: number, points so far, minutes, title."""
    rows = []
    for one in found:
        own = [lines[id] for id in one.exercises if id in lines]
        points, out_of = sum(line.points for line in own), sum(line.out_of for line in own)
        heading = one.heading
        rows.append(f"{one.number}  {points:>2} of {out_of:<2} points  {heading.minutes} min  {heading.title}")
        rows.append(f"    {heading.outcome}")
    return "\n".join([*rows, "", f"Open one: tinygrad-lora learn {found[0].number}"])


def opened(path: Path) -> int:
    """Start JupyterLab on this notebook, and stay until it ends."""
    if importlib.util.find_spec("jupyterlab") is None:
        print(NO_JUPYTER.format(python=Path(sys.executable).name), file=sys.stderr)
        return 1
    return subprocess.call([sys.executable, "-m", "jupyterlab", str(path)])
