"""The command `tinygrad-lora completion`: a script with which a shell completes commands, options and values."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors.install import needing
from .output import FUNCTIONS, Arguments, Commands, new_command

SHELLS = ("bash", "zsh", "tcsh", "fish", "powershell")  # which of them depends on the version of shtab
FOLDERS = ("DIR", "SUBMISSIONS")  # of the words in capitals, those that stand for a folder; other paths are files


def add_command(commands: Commands) -> None:
    """Add `completion` to the commands of a parser."""
    where = (
        'In ~/.bashrc: eval "$(tinygrad-lora completion bash)". In ~/.zshrc, after compinit: '
        'eval "$(tinygrad-lora completion zsh)".'
    )
    parser = new_command(commands, "completion", run, "print a script that completes in a shell", epilog=where)
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=f"one of {', '.join(SHELLS)}")


def run(args: Arguments) -> None:
    """Print a script with which a shell completes commands, options and what they are given: exercises, tutorials,
    models, files.

    It is that of the command line `args.whole()`. Raises ImportError without shtab, which writes it.
    """
    with needing("completion needs the package shtab", "completion"):
        import shtab
    if args.shell not in shtab.SUPPORTED_SHELLS:
        raise ValueError(f"shtab {shtab.__version__} does not know {args.shell}; a newer one may: pip install -U shtab")
    whole = args.whole()
    add_values(whole, values(), shtab)
    print(shtab.complete(whole, args.shell))


def values() -> dict[str, Iterable[str]]:
    """What can stand for the words that the help has in capitals. They are written into the script."""
    from ..learn.predictions.prediction import all_predictions
    from ..learn.registry import PROJECTS, exercise_ids
    from ..learn.settings import PARTS
    from ..learn.tutorials import tutorials
    from ..models.files.catalog import CATALOG
    from .course import FORMATS

    numbers, ids = [tutorial.number for tutorial in tutorials()], exercise_ids()
    return {
        "NUMBER": numbers, "04,05": numbers, "EXERCISE": [*ids, *PROJECTS], "04|04-topo,...": numbers + ids,
        "04|04-paths": [*numbers, *all_predictions()], "FORMAT": FORMATS,
        "MODEL": CATALOG, "SHELL": SHELLS, "PART,...": PARTS,
        FUNCTIONS: ("open", "closed", "softmax", "gelu", "cross_entropy"),
    }  # fmt: skip


def add_values(parser: Any, known: dict[str, Iterable[str]], shtab: Any) -> None:
    """Tell shtab what each argument can be. The parser must not parse after this: it would insist on these values."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                command.description = None  # zsh shows it beside the name: there the one line of help is better
                add_values(command, known, shtab)
        elif action.metavar in known:
            action.choices = list(known[action.metavar])
        elif action.type is Path or action.metavar == "MODULE:NAME":
            action.complete = shtab.DIRECTORY if action.metavar in FOLDERS else shtab.FILE
