"""The command `tinygrad-lora completion`: a script with which a shell completes commands and options."""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import Any

SHELLS = ("bash", "zsh", "tcsh")


def add_command(commands: Any, whole: argparse.ArgumentParser) -> None:
    """Add `completion` to the commands of a parser; `whole` is what it completes."""
    parser = commands.add_parser(
        "completion",
        help="print a script that completes commands in a shell",
        description="Print a script with which a shell completes commands and options. For bash: "
        'eval "$(tinygrad-lora completion bash)"',
    )
    parser.add_argument("shell", choices=SHELLS)
    parser.set_defaults(run=lambda given: run(given, whole))


def run(given: argparse.Namespace, whole: argparse.ArgumentParser) -> int:
    """Print the script. Raises ImportError where the library that writes it is not installed."""
    try:
        shtab = import_module("shtab")
    except ImportError:
        raise ImportError("completion needs the package shtab: pip install shtab") from None
    print(shtab.complete(whole, given.shell))
    return 0
