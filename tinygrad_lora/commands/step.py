"""The command `tinygrad-lora step`: the steps of a computation in a terminal, or as a page."""

import re
from pathlib import Path

from ..named_object import named_object
from ..view.stepper.page import step_through
from ..view.written import LineRecord
from .output import Arguments, Commands, add_graph, new_command, opened, paint

PHASE = re.compile(r"(?m)^( *\d+  )(forward|backward|compile)")
WANTED = "a function without arguments that gives a node with its numbers, or a compiled function that has run"


def add_command(commands: Commands) -> None:
    """Add `step` to the commands of a parser."""
    parser = new_command(commands, "step", run, "show a computation step by step, forward and backward")
    parser.add_argument("--out", type=Path, metavar="FILE.html", help="write a page to step through instead")
    add_graph(parser, "step through")


def run(args: Arguments) -> None:
    """Call a function without arguments that gives a node, such as a loss, and show every step of its computation: each
    value, then each contribution to each gradient. A compiled function that has run works too: its steps are the
    passes.

    Raises ValueError where there is nothing to step through.
    """
    shown = named_object(args.object, WANTED, LineRecord().noting)
    try:
        steps = step_through(shown, open=args.functions)
    except TypeError as error:
        raise ValueError(f"{args.object}: {error}") from None
    if args.out is None and not args.open:
        print(PHASE.sub(lambda line: line[1] + paint(line[2], line[2]), str(steps)))
    else:
        print(f"{len(steps)} steps: {opened(steps.save(args.out or Path('steps.html')), args.open)}")
