"""The command `tinygrad-lora draw`: a picture of a graph, as a file or as text."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..named_object import named_object
from ..nn import Layer
from ..view.diagram.collapse import for_listing
from ..view.diagram.data import diagram
from ..view.diagram.text import listing
from ..view.rails import rails
from ..view.render import SUFFIXES, render
from .output import Arguments, Commands, add_graph, new_command, opened

WANTED = "a function without arguments that gives a node, a graph or a layer"


def add_command(commands: Commands) -> None:
    """Add `draw` to the commands of a parser."""
    parser = new_command(commands, "draw", run, "draw the graph of a computation")
    kinds = " ".join(SUFFIXES)
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"write this file; its ending says the kind: {kinds}")
    add_graph(parser, "draw")
    parser.add_argument("--depth", type=int, metavar="N", help="layers N levels inside the model are one box each")
    parser.add_argument("--values", action="store_true", help="write the values of the nodes into the picture")


def run(args: Arguments) -> None:
    """Call a function without arguments that gives a node, a graph or a layer, and draw it. Without --out the terminal
    shows it: a dot for each node, and lines from it to what uses it.

    Raises ValueError where there is nothing to draw.
    """
    shown = named_object(args.object, WANTED)
    parts = {"open": args.functions, "depth": args.depth}
    try:
        if args.out is None and not args.open:
            print(_as_text(shown, args.values, parts))
        else:
            print(opened(render(shown, args.out or Path("graph.html"), values=args.values, **parts), args.open))
    except TypeError as error:
        raise ValueError(f"{args.object}: {error}") from None


def _as_text(shown: Any, values: bool, parts: Mapping[str, Any]) -> str:
    """The picture for a terminal; a list of what it would show where that is too wide. Of a layer its parameters."""
    if isinstance(shown, Layer) and not any(parts.values()):
        return listing(shown)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    picture = for_listing(diagram(shown, values=values), **parts)
    if not (sys.stdout.encoding or "").lower().startswith("utf"):
        return listing(picture)
    return rails(picture, values=values, width=width) or listing(picture)
