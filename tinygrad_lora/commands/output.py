"""What commands have in common when they print: color where the terminal has it, and pages that open in the browser."""

import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TextIO, TypeAlias

Commands: TypeAlias = Any  # what `add_subparsers` gives
Arguments: TypeAlias = Any  # a Namespace, whose attributes have no types
Run: TypeAlias = Callable[[Arguments], int | None]
FUNCTIONS = "open|closed|NAME,..."
STYLES = {"bold": "1", "dim": "2", "error": "1;31", "forward": "34", "backward": "33", "compile": "36"}

# Commands by what they are for, each as an example of its use.
GROUPS = {
    "Start": ("demo --open", "play"),
    "Learn and teach": (
        "learn 01", "check 04-topo answer.py", "hint 04-topo", "solution 04-topo", "progress", "predict 04", "review",
        "course release out", "grade submissions --exercises 12-attach", "study pre --code fig7",
    ),
    "Look at a computation": (
        "step lesson.py:loss --open", "explore lesson.py:compiled --open", "draw lesson.py:loss --values",
    ),
    "Real networks": ("models get minilm", "finetune minilm --task word-order", "sweep rates.toml"),
    "This installation": ("doctor", "completion bash"),
}  # fmt: skip
EXAMPLES = {words.split()[0]: f"tinygrad-lora {words}" for group in GROUPS.values() for words in group}


def paint(text: str, style: str, stream: TextIO | None = None) -> str:
    """The text in a style, if the stream is a terminal with colors and NO_COLOR is not set."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not (stream or sys.stdout).isatty()
    return text if plain else f"\x1b[{STYLES[style]}m{text}\x1b[0m"


def grouped(usage: str, description: str, helps: Mapping[str, str], rest: str) -> str:
    """The help of the whole command line: each command in its group, with an example."""
    width, indent = max(50, shutil.get_terminal_size().columns) - 2, max(map(len, helps), default=0) + 4
    fill = partial(textwrap.fill, width=width, break_on_hyphens=False)
    parts = [usage, fill(description)]
    for title, examples in GROUPS.items():
        rows = [paint(title, "bold")]
        for name in (words.split()[0] for words in examples):
            start = f"  {name}".ljust(indent)
            rows.append(fill(helps[name], initial_indent=start, subsequent_indent=" " * indent))
            rows.append(paint(fill(f"$ {EXAMPLES[name]}", initial_indent=" " * 4, subsequent_indent=" " * 8), "dim"))
        parts.append("\n".join(rows))
    return "\n\n".join([*parts, fill(rest)]) + "\n"


def new_command(commands: Commands, name: str, run: Run, help: str, **more: str) -> Any:
    """The parser of a command that `run` carries out. What that returns is the exit code; nothing stands for 0.

    The first paragraph of what `run` says of itself is the description of the command.
    """
    paragraph = (run.__doc__ or "").partition("\n\n")[0]
    parser = commands.add_parser(name, help=help, description=" ".join(paragraph.split()), **more)
    parser.set_defaults(run=run)
    return parser


def add_open(parser: Any) -> None:
    """Add `--open` to a command that writes a page or a picture."""
    parser.add_argument("--open", action="store_true", help="open it in the browser when it is written")


def add_graph(parser: Any, verb: str) -> None:
    """Add what a command shows, and how, to one that shows the graph of an object."""
    what = f"what to {verb}: package.module:name or path/to/file.py:name"
    parser.add_argument("object", metavar="MODULE:NAME", help=what)
    add_open(parser)
    parser.add_argument(
        "--functions", type=_functions, default=(), metavar=FUNCTIONS,
        help="what is inside library functions such as gelu: show all of it, none, or that of these (closed)",
    )  # fmt: skip


def _functions(text: str) -> bool | tuple[str, ...]:
    """Which functions are open: True for all."""
    return text == "open" or (() if text == "closed" else tuple(name.strip() for name in text.split(",")))


def opened(path: Path, wanted: bool) -> Path:
    """The path, which the browser opens if that was wanted."""
    if wanted:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
    return path
