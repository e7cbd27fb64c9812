"""The command `tinygrad-lora`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from . import __version__
from .bench.command import add_command as add_bench
from .completion import add_command as add_completion
from .demo.command import add_command as add_demo
from .errors import CompileError, GradientError, RenderError, TraceError
from .finetune.command import add_command as add_finetune
from .installation import add_command as add_doctor
from .learn.check_command import add_commands as add_checks
from .learn.grade.command import add_command as add_grade
from .learn.learn_command import add_command as add_learn
from .learn.release.command import add_command as add_course
from .models.command import add_command as add_models
from .view.draw_command import add_command as add_draw
from .view.explore_command import add_command as add_explore
from .view.step_command import add_command as add_step

REFUSED = ValueError, OSError, ImportError, CompileError, GradientError, RenderError, TraceError  # in one sentence
WRONG, INTERRUPTED, BROKEN_PIPE = 2, 130, 141  # exit codes; the latter two as a shell gives them for those signals


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    made = argparse.ArgumentParser(prog="tinygrad-lora", description="A minimal autograd engine that teaches.")
    made.add_argument("--version", action="version", version=f"tinygrad-lora {__version__}")
    commands = made.add_subparsers(dest="command", required=True, metavar="command")
    add_demo(commands)
    add_learn(commands)
    add_checks(commands)
    add_course(commands)
    add_grade(commands)
    add_step(commands)
    add_explore(commands)
    add_draw(commands)
    add_models(commands)
    add_finetune(commands)
    add_bench(commands)
    add_doctor(commands)
    add_completion(commands, made)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the result is the exit code. Wrong arguments print one sentence and give 2."""
    given = parser().parse_args(arguments)
    try:
        code: int = given.run(given)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # who reads has seen enough, as in `tinygrad-lora step ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt:
        print(f"tinygrad-lora {given.command}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except REFUSED as error:
        print(f"tinygrad-lora {given.command}: {error}", file=sys.stderr)
        return WRONG
