"""The student's process: runs the cells, then calls what they define. It holds no reference, no check and no score."""

import ast
import builtins
import contextlib
import gc
import importlib
import inspect
import linecache
import os
import socket
import sys
import time
import types
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from ...learn.cases import DEEPEST
from ...learn.checking import guard
from ...learn.checking.counterfactual import KeptState, memory_of
from ...learn.checking.guard import TookTooLongError, line_of
from ..sandbox import hook
from .peer import Peer
from .wire import Channel, Gone, Misbehaved

RECURSION = sys.getrecursionlimit()  # Python's own
PATIENCE = 2.0  # times the limit of an exercise: a machine that grades is busy
CELL, WAITING, CELLS = 5.0, 10.0, 30.0  # seconds: of the processor for a cell, of the clock, and for all cells
LOADED = (
    "tinygrad_lora.data", "tinygrad_lora.models.names", "tinygrad_lora.view.paths", "tinygrad_lora.view.plots",
    "numpy.random", "numpy.linalg", "importlib.readers", "importlib.resources.readers", "encodings.utf_8_sig",
    "encodings.cp437", "timeit", "random", "collections", "functools", "itertools", "dataclasses",
)  # fmt: skip
NO_PYTHON = ": SyntaxError in line "  # between the name of a cell and the number of the line
SERVICE = 0  # the number under which the judge finds it


class Student(Peer):
    """The student's end of the conversation."""

    def __init__(self, channel: Channel, refused: list[str]) -> None:
        self.service = Service(refused)
        super().__init__(channel, 1, timed, lambda error: line_of(error.__traceback__))

    def forget(self) -> None:
        super().forget()
        self.enter(SERVICE, self.service)
        self._methods[SERVICE] = frozenset({"run", "take", "ask_memory", "refused"})


class Service:
    """What the judge asks for: to run cells, and to hand over the names of an exercise."""

    def __init__(self, refused: list[str]) -> None:
        self._refused = refused
        self._memories: dict[tuple[str, ...], KeptState | None] = {}  # what the names of each exercise kept at first
        self._memory: KeptState | None = None
        self._module = types.ModuleType("__main__")
        vars(self._module)["__builtins__"] = builtins  # as `exec` would set it

    def run(self, cells: list[list[str]]) -> list[str]:
        """Run the cells in order; what one fails with does not stop the next. Gives a line for each that failed."""
        sys.modules["__main__"] = self._module
        end, problems = time.monotonic() + CELLS, []
        for name, source in cells:
            try:
                with guard.time_limit(max(0.05, min(WAITING, end - time.monotonic())), CELL):
                    run(compiled(source, f"<{name}>"), vars(self._module))
            except TookTooLongError as error:
                place = line_of(error.__traceback__) or "its start"
                problems.append(f"{name}: stopped, since it takes more than {CELL:g} seconds, at {place}")
            except SyntaxError as error:
                problems.append(f"{name}{NO_PYTHON}{error.lineno}: {error.msg}")
            except BaseException as error:
                problems.append(f"{name}: {type(error).__name__}: {_text(error)}")
        if sys.getrecursionlimit() < DEEPEST:  # it would not do: the judge's graphs are only as deep as its own limit
            sys.setrecursionlimit(RECURSION)
        return problems

    def take(self, names: list[str], exercise: Sequence[str] = ()) -> dict[str, Any]:
        """The objects with these names, as far as the cells define them. `exercise` are all names of the exercise."""
        defined, key = vars(self._module), tuple(exercise)
        if key not in self._memories:
            self._memories[key] = memory_of([defined[name] for name in key if name in defined])
        self._memory = self._memories[key]
        return {name: defined[name] for name in names if name in defined}

    def ask_memory(self, method: str) -> Any:
        """What the memory of the exercise answers; None if it cannot be looked into."""
        return getattr(self._memory, method)() if self._memory else None

    def refused(self) -> list[str]:
        """What the hook did not allow."""
        return [str(what) for what in self._refused]


def _text(error: BaseException) -> str:
    try:
        return str(error)[:300]
    except BaseException:
        return "it cannot say what it is"


def compiled(source: str, filename: str) -> types.CodeType:
    """A cell as code; its lines are known to tracebacks. Raises SyntaxError for what is no Python."""
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return compile(source, filename, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        except (ValueError, MemoryError, RecursionError) as error:  # what is no text, or nested too deeply
            raise SyntaxError(f"it cannot be compiled ({type(error).__name__})", (filename, 1, 0, "")) from None


def run(code: types.CodeType, namespace: dict[str, Any]) -> None:
    """Run a module's code in a namespace."""
    waiting = types.FunctionType(code, namespace)()
    if inspect.iscoroutine(waiting):  # the cell has an `await` in it
        try:
            waiting.send(None)
        except StopIteration:
            return
        finally:
            waiting.close()


def timed(function: Callable[[], Any], seconds: float) -> Any:
    """Call the function, for at most so many seconds, and a part of them of work; 0 is no limit."""
    with guard.time_limit(seconds, seconds / PATIENCE) if seconds else contextlib.nullcontext():
        return function()


def prepare() -> None:
    """What every student's process needs, and what takes long: done once, before it is split off."""
    import tinygrad_lora.learn as learn  # an absolute name: its functions are exchanged for the students' imports

    def check(*args: Any, **kwargs: Any) -> None:
        """Checks run in the judge's process."""

    vars(learn).update(dict.fromkeys(("check", "hint", "predict", "progress", "solution"), check))
    for module in LOADED:
        with contextlib.suppress(Exception):  # where it is not installed, a student cannot use it
            importlib.import_module(module)
    sys.modules["distributed"] = None  # type: ignore[assignment]  # as if not installed: it needs a network
    warnings.simplefilter("ignore")


def live(end: socket.socket, folder: str, cpu: int, memory: int) -> None:
    """Serve as a student's process, with its limits and its hook, until the judge closes the connection."""
    os.chdir(folder)
    os.environ.update(HOME=folder, TMPDIR=folder)
    gc.set_threshold(50_000, 20, 100)  # it does not live long
    sys.dont_write_bytecode = True  # what a cell imports is read, and nothing is written beside it
    hook.limit(cpu, memory)
    refused = hook.watch(folder)
    hook.close_doors(refused)
    with contextlib.suppress(Gone, Misbehaved):
        Student(Channel(end), refused).serve()
