"""The command `tinygrad-lora step`: the steps of a computation in a terminal, or as a page."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..compiler import CompiledFunction
from .explore_command import loaded
from .stepper import step_through


def add_command(commands: Any) -> None:
    """Add `step` to the commands of a parser."""
    parser = commands.add_parser(
        "step",
        help="show a computation step by step, forward and backward",
        description="Call a function without arguments that gives a node, such as a loss, and show every step of its "
        "computation: each value, then each contribution to each gradient. A graph, or a compiled function that has "
        "run, works too.",
    )
    parser.add_argument(
        "function", metavar="MODULE:FUNCTION", help="what to step through: package.module:name or path/to/file.py:name"
    )
    parser.add_argument("--html", type=Path, metavar="PATH", help="write a page to step through instead")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Print the steps, or write the page and say where. Raises ValueError where there is nothing to step through."""
    found = named(given.function)
    # A compiled function is shown as it is; any other function is called for what to show.
    shown = found if isinstance(found, CompiledFunction) else found()
    try:
        steps = step_through(shown)
    except TypeError as error:
        raise ValueError(f"{given.function}: {error}") from None
    if given.html is None:
        print(steps)
    else:
        print(f"{len(steps)} steps: {steps.save(given.html)}")
    return 0


def named(name: str) -> Callable[..., Any]:
    """The function behind `package.module:name` or `path/to/file.py:name`. Raises ValueError where there is none."""
    place, _, attribute = name.rpartition(":")
    if not place or not attribute:
        raise ValueError(f"{name!r}: write MODULE:FUNCTION, for example lesson.py:loss")
    function = getattr(loaded(place), attribute, None)
    if not callable(function):
        raise ValueError(f"{place} has no function called {attribute}")
    if not isinstance(function, CompiledFunction):
        parameters = inspect.signature(function).parameters.values()
        if needed := [p.name for p in parameters if p.default is p.empty and p.kind <= p.POSITIONAL_OR_KEYWORD]:
            raise ValueError(f"{attribute} takes {', '.join(needed)}; the function to step through takes no arguments")
    return function
