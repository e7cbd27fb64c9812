"""The command `tinygrad-lora`."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING, NoReturn

from .. import __version__, errors
from ..blas import one_thread
from .output import EXAMPLES, grouped, paint

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

# All commands. Only the file of the one that is asked for is loaded: a list of exercises needs no benchmark.
COMMANDS = (
    "demo", "learn", "check", "hint", "solution", "progress", "predict", "review", "course", "grade", "study", "step",
    "explore", "draw", "play", "models", "finetune", "sweep", "doctor", "completion",
)  # fmt: skip
# The file that adds a command, where that is not the file of its name.
ADDED_BY = {"hint": "check", "solution": "check", "progress": "check", "review": "predict"}
# All others compute on what is small, with one thread.
MANY_THREADS = {"progress", "grade", "models", "finetune", "doctor", "completion"}
MOVED = {"bench": "bench is a tool of the repository: in a checkout, run `python3 run.py bench` with the same options"}
REFUSED = (  # in one sentence
    ValueError, OSError, ImportError, errors.ClosedError, errors.CompileError, errors.DtypeError, errors.GradientError,
    errors.MergedError, errors.PassError, errors.RenderError, errors.TraceError,
)  # fmt: skip
WRONG, INTERRUPTED, BROKEN_PIPE = 2, 130, 141  # exit codes; the latter two as a shell gives them for those signals


@contextmanager
def interrupts_put_off() -> Iterator[None]:
    """A Ctrl-C waits for the end of the block: NumPy, interrupted while it is loaded, calls itself broken."""
    import signal
    from threading import current_thread, main_thread

    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler or current_thread() is not main_thread():
        yield
        return
    came: list[bool] = []
    signal.signal(signal.SIGINT, lambda *_: came.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if came:
        raise KeyboardInterrupt


@interrupts_put_off()
def parser(first: str = "") -> argparse.ArgumentParser:
    """The whole command line; or what is needed of it when `first` is the first argument."""
    import argparse  # here and below, and not above, so that a Ctrl-C is heard meanwhile

    class Parser(argparse.ArgumentParser):
        """Its commands are of this kind, too."""

        def error(self, message: str) -> NoReturn:
            raise ValueError(f"{message}; `{self.prog} --help` says what can be given")

        def format_help(self) -> str:
            if self is not made or len(commands.choices) < len(COMMANDS):
                return super().format_help()
            helps = {action.dest: action.help or "" for action in commands._choices_actions}
            usage = f"usage: {self.prog} [-h] [--version] COMMAND ..."
            return grouped(usage, self.description or "", helps, self.epilog or "")

    made = Parser(
        prog="tinygrad-lora",
        description="A minimal autograd engine that teaches. `tinygrad-lora COMMAND --help` explains a command.",
        epilog="Exit codes: 0: it is done; 1: it is done, and something was found, such as a wrong answer; 2: it "
        "cannot be done, and a line says why; 130: stopped with Ctrl-C; 141: whoever read the output stopped reading.",
    )
    made.add_argument("--version", action="version", version=f"tinygrad-lora {__version__}")
    made.set_defaults(whole=parser)  # for `completion`
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    if first != "--version":
        wanted = [first] if first in COMMANDS else COMMANDS
        for module in dict.fromkeys(ADDED_BY.get(name, name) for name in wanted):
            import_module(f".{module}", __package__).add_command(commands)
    for name, command in commands.choices.items():
        command.epilog = f"{command.epilog or ''} Example: {EXAMPLES[name]}".strip()
    return made


def understood(arguments: Sequence[str]) -> argparse.Namespace:
    """What the arguments ask for. Raises ValueError where they are wrong."""
    first = arguments[0]
    if first in MOVED:
        raise ValueError(MOVED[first])
    if first not in COMMANDS and not first.startswith("-"):
        from difflib import get_close_matches

        near = get_close_matches(first, COMMANDS, n=1)
        perhaps = f"perhaps {near[0]}" if near else f"there are {', '.join(COMMANDS)}"
        raise ValueError(f"there is no command {first!r}; {perhaps}. `tinygrad-lora --help` says what each does")
    if first in COMMANDS and first not in MANY_THREADS:
        one_thread()  # before NumPy is loaded
    args, unknown = parser(first).parse_known_args(arguments)
    if unknown:
        raise ValueError(f"{' '.join(unknown)} means nothing here; `{called(arguments)} --help` says what does")
    return args


def called(arguments: Sequence[str]) -> str:
    """The name of the command that the arguments call."""
    return " ".join(["tinygrad-lora", *(word for word in arguments[:1] if word in COMMANDS)])


def sentence(error: Exception) -> str:
    """What an error says. What the system refuses is told with the file first, and without its number."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    reason = f"{error.strerror[0].lower()}{error.strerror[1:]}"
    return f"{error.filename}: {reason}" if error.filename else reason


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the result is the exit code. Wrong arguments print one sentence and give 2.

    Without any, that is the help. `--help` and `--version` end in a SystemExit, as argparse has it.
    """
    words = sys.argv[1:] if arguments is None else arguments

    def command() -> int:
        if not words:
            parser().print_help(sys.stderr)
            return WRONG
        args = understood(words)
        return args.run(args) or 0

    return exit_code(called(words), command)


def exit_code(name: str, command: Callable[[], int]) -> int:
    """What `command` returns, or the code of what stopped it: a refusal is told in a line that begins with `name`."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="replace")  # a pipe in Windows may know no Greek letters
        try:
            return command()
        finally:
            flush()
    except BrokenPipeError:  # who reads has seen enough, as in `tinygrad-lora step ... | head`
        return BROKEN_PIPE
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except REFUSED as error:
        if os.environ.get("TINYGRAD_LORA_TRACEBACK") == "full":
            import traceback

            traceback.print_exception(error)
        print(f"{paint(f'{name}:', 'error', sys.stderr)} {sentence(error)}", file=sys.stderr)
        return WRONG


def flush() -> None:
    """Write what was printed. What cannot be written is dropped, or Python would complain about it as it ends."""
    try:
        print(end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise
