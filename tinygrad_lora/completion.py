"""The command `tinygrad-lora completion`: a script with which a shell completes commands and options."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Any

SHELLS = ("bash", "zsh", "tcsh")


def add_command(commands: Any) -> None:
    """Add `completion` to the commands of a parser."""
    parser = commands.add_parser(
        "completion",
        help="print a script that completes commands in a shell",
        description="Print a script with which a shell completes commands and options. For bash: "
        'eval "$(tinygrad-lora completion bash)"',
    )
    parser.add_argument("shell", choices=SHELLS)
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Print the script for the command line `given.whole()`. Raises ImportError without shtab, which writes it."""
    try:
        shtab = import_module("shtab")
    except ImportError:
        raise ImportError('completion needs the package shtab: pip install "tinygrad-lora[completion]"') from None
    print(shtab.complete(given.whole(), given.shell))
    return 0
