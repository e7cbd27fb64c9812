"""`tinygrad-lora explore`: the compiler explorer as a page."""

from pathlib import Path
from typing import Any

from ..compiler import CompiledFunction
from ..named_object import EXAMPLE, named_object
from ..view.explorer.explore import explore
from ..view.words.sentences import with_article
from .output import add_open, opened

WANTED = "a compiled function that has run, or a function without arguments that returns one"


def add_command(commands: Any) -> None:
    """Add `explore` to the commands of a parser."""
    parser = commands.add_parser(
        "explore",
        help="write a page that shows every pass of the compiler",
        description="Write one page with your source, the graph before and after every pass of the compiler, and the "
        f"code that it generates. The object is {WANTED}. Without one, LoRA's formula is shown as the paper writes it.",
    )
    add = parser.add_argument
    add("object", nargs="?", metavar="MODULE:NAME", help="what to show: package.module:name, or path/to/file.py:name")
    add(
        "--out", type=Path, default=Path("explorer.html"), metavar="FILE.html", help="where the page goes (%(default)s)"
    )
    add("--measure", action="store_true", help="measure how long the code takes after every pass")
    add("--quiet", action="store_true", help="print nothing, unless something is wrong")
    add_open(parser)
    parser.set_defaults(run=lambda args: run(args.object, args.out, args.measure, args.quiet, args.open))


def run(name: str | None, out: Path, measure: bool = False, quiet: bool = False, show: bool = False) -> int:
    """Write the page of a compiled function, and print its passes."""
    exploration = explore(compiled_function(name or f"{EXAMPLE}:naive_lora"), measure=measure)
    path = opened(exploration.save(out), show)
    if not quiet:
        print(f"{exploration}\n\nOpen {path} in a browser: it shows all of this.")
    return 0


def compiled_function(name: str) -> CompiledFunction:
    """What stands behind `package.module:name` or `path/to/file.py:name`. Raises ValueError with a sentence."""
    compiled = named_object(name, WANTED)
    if not isinstance(compiled, CompiledFunction):
        raise ValueError(f"{name} is {with_article(type(compiled).__name__)}; it must be {WANTED}")
    return compiled
