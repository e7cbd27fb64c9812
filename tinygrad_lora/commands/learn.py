"""The command `tinygrad-lora learn`: the tutorials with what you have done, and Jupyter on a copy of one."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import fill
from typing import Any

from ..errors.install import with_extra
from ..learn.progress import progress
from ..learn.tutorials import tutorial, tutorials
from .output import Arguments, Commands, new_command

COPIES = Path("tutorials-mine")
NO_JUPYTER = f"""Jupyter is not installed here. This line installs it:

    {with_extra("notebook")}

Any other program that opens notebooks will do, too."""

REFUSED = 1  # the exit code of JupyterLab where it does not want to run
AS_ROOT = """Jupyter does not run as root unless it is told to. Go on as another user, who can read your copy; or, in a
container of your own:

    jupyter lab --allow-root "{path}"
"""


def add_command(commands: Commands) -> None:
    """Add `learn` to the commands of a parser."""
    parser = new_command(commands, "learn", run, "list the tutorials, or open one in Jupyter")
    parser.add_argument("number", nargs="?", metavar="NUMBER", help="number of the tutorial, such as 04")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"where your copies are ({COPIES})")
    parser.add_argument("--fresh", action="store_true", help="open one more copy, beside the one you worked in")
    parser.add_argument("--copy-only", action="store_true", help="make the copy, and open nothing")
    parser.add_argument("--json", action="store_true", help="print the list as JSON")


def run(args: Arguments) -> int:
    """Without a number: the tutorials and how far you are. With a number: a copy of that tutorial in your folder,
    opened in JupyterLab. A copy that is there already is opened as it is.
    """
    if args.number is None:
        alone = [f"--{name.replace('_', '-')}" for name in ("out", "fresh", "copy_only") if getattr(args, name)]
        if alone:
            options = f"{' and '.join(alone)} {'is' if len(alone) == 1 else 'are'}"
            raise ValueError(f"{options} about one tutorial: give its number, such as 04")
        print(json.dumps(listed(), indent=2) if args.json else overview(listed()))
        return 0
    if args.json:
        raise ValueError("--json is for the list of tutorials: leave out the number")
    path = tutorial(args.number).copy_to(args.out or COPIES, fresh=args.fresh)
    print(f"Your copy: {path}", flush=True)
    return 0 if args.copy_only else opened(path)


def listed() -> list[dict[str, Any]]:
    """Each tutorial with what it is about and how far this user is."""
    lines, rows = {line.id: line for line in progress().lines}, []
    for one in tutorials():
        own = [lines[id] for id in one.exercises if id in lines]
        points, out_of = sum(line.points for line in own), sum(line.out_of for line in own)
        rows.append({**vars(one.heading), "points": points, "out_of": out_of, "exercises": one.exercises})
    return rows


def overview(entries: list[dict[str, Any]]) -> str:
    """A table: number, points so far, minutes, title."""
    row, rows = "{number}  {points:>2} of {out_of:<2} points  {minutes} min  {title}", []
    for one in entries:
        rows += [row.format(**one), fill(one["outcome"], 80, initial_indent="    ", subsequent_indent="    ")]
    return "\n".join([*rows, "", f"Open one: tinygrad-lora learn {entries[0]['number']}"])


def opened(path: Path) -> int:
    """Start JupyterLab on this notebook, and stay until it ends. Raises ImportError where it is not installed."""
    if importlib.util.find_spec("jupyterlab") is None:
        raise ImportError(NO_JUPYTER)
    jupyter = subprocess.Popen([sys.executable, "-m", "jupyterlab", str(path)])
    while True:
        try:
            code = jupyter.wait()
            if code == REFUSED and hasattr(os, "geteuid") and os.geteuid() == 0:
                print(AS_ROOT.format(path=path), file=sys.stderr)
            return code
        except KeyboardInterrupt:  # Jupyter got it too: it asks whether to stop, and ends its kernels
            continue
