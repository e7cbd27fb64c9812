"""The command `tinygrad-lora draw`: a picture of a graph, as a file or as text."""

import argparse
from pathlib import Path
from typing import Any

from ..named_object import named_object
from ..view.diagram.text import listing
from ..view.render import SUFFIXES, render

WANTED = "a function without arguments that gives a node, a graph or a layer"


def add_command(commands: Any) -> None:
    """Add `draw` to the commands of a parser."""
    parser = commands.add_parser(
        "draw",
        help="draw the graph of a computation",
        description="Call a function without arguments that gives a node, a graph or a layer, and draw it. Without "
        "--out the graph is printed as text.",
    )
    parser.add_argument(
        "object", metavar="MODULE:NAME", help="what to draw: package.module:name or path/to/file.py:name"
    )
    kinds = " ".join(SUFFIXES)
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"write this file; its ending says the kind: {kinds}")
    parser.add_argument("--values", action="store_true", help="write the values of the nodes into the picture")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Draw, and say where. Raises ValueError where there is nothing to draw."""
    shown = named_object(args.object, WANTED)
    try:
        if args.out is None:
            print(listing(shown, values=args.values))
        else:
            print(render(shown, args.out, values=args.values))
    except TypeError as error:
        raise ValueError(f"{args.object}: {error}") from None
    return 0
