"""`tinygrad-lora explore`: the compiler explorer as a page."""

from pathlib import Path

from ..compiler import CompiledFunction
from ..named_object import EXAMPLE, named_object
from ..view.explorer.explore import explore
from ..view.words.sentences import with_article
from .output import Arguments, Commands, add_open, new_command, opened

WANTED = "a compiled function that has run, or a function without arguments that returns one"


def add_command(commands: Commands) -> None:
    """Add `explore` to the commands of a parser."""
    parser = new_command(commands, "explore", run, "write a page that shows every pass of the compiler")
    add, out = parser.add_argument, Path("explorer.html")
    add("object", nargs="?", metavar="MODULE:NAME", help="what to show: package.module:name, or path/to/file.py:name")
    add("--out", type=Path, default=out, metavar="FILE.html", help="where the page goes (%(default)s)")
    add("--measure", action="store_true", help="measure how long the code takes after every pass")
    add("--quiet", action="store_true", help="print nothing, unless something is wrong")
    add_open(parser)


def run(args: Arguments) -> None:
    """Write one page with your source, the graph before and after every pass of the compiler, and the code that it
    generates. The object is a compiled function that has run, or a function without arguments that returns one. Without
    one, LoRA's formula is shown as the paper writes it.
    """
    exploration = explore(compiled_function(args.object or f"{EXAMPLE}:naive_lora"), measure=args.measure)
    path = opened(exploration.save(args.out), args.open)
    if not args.quiet:
        print(f"{exploration}\n\nOpen {path} in a browser: it shows all of this.")


def compiled_function(name: str) -> CompiledFunction:
    """What stands behind `package.module:name` or `path/to/file.py:name`. Raises ValueError with a sentence."""
    compiled = named_object(name, WANTED)
    if not isinstance(compiled, CompiledFunction):
        raise ValueError(f"{name} is {with_article(type(compiled).__name__)}; it must be {WANTED}")
    return compiled
