"""Running a student's code: whatever it does, the caller gets an outcome, and nothing reaches the error stream."""

import contextlib
import ctypes
import gc
import inspect
import io
import linecache
import math
import signal
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import CodeType, FrameType, FunctionType, TracebackType
from typing import Any

from .. import exercises
from ..exercises import PACKAGE
from .exchange import put_back

AGAIN = 0.1  # seconds from one attempt to stop code to the next
LONGEST_OUTPUT = 2_000  # characters of what the code prints that are kept
_known_mistakes: set[CodeType] = set()


class TookTooLongError(BaseException):
    """Raised in code that runs past its limit. No `except Exception` of a student's catches it."""


@dataclass
class Outcome:
    """How a call ended: its value or its error, what it printed and warned of, how long it took."""

    value: Any = None
    error: BaseException | None = None
    line: str = ""  # of the student's code that raised: "line 3: `x = 1 / 0`"
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


def guarded(function: Callable[[], Any], limit: float) -> Outcome:
    """Call the function. Its errors, warnings, prints and endless loops end in the outcome.

    The time limit cannot stop one long call of NumPy's. In a browser there are neither alarms nor threads, so nothing
    stops the code there, and a note says that it took too long. Only the user's own interrupt, Ctrl-C or the stop
    button, passes through.
    """
    outcome, printed, complained = Outcome(), Kept(), Kept()
    start = time.perf_counter()
    with (
        warnings.catch_warnings(record=True) as warned,
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(complained),
    ):
        warnings.simplefilter("always")
        try:
            with time_limit(limit) as limited:
                outcome.value = function()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # also SystemExit, and what a student derives from BaseException
            # A grader runs the student's code in another process, which says on which line it was raised.
            line = getattr(error, "students_line", None)
            outcome.error, outcome.line = error, line_of(error.__traceback__) if line is None else line
            error.__traceback__ = error.__context__ = error.__cause__ = None  # or its frames keep arrays alive
    outcome.seconds = time.perf_counter() - start
    outcome.notes += _as_notes(warned)
    for kept, what in ((printed, "printed"), (complained, "wrote to the error stream")):
        if text := kept.text.strip():
            outcome.notes.append(f"your code {what}: {text}")
    if not limited and outcome.seconds > limit:
        outcome.notes.append(f"this took {outcome.seconds:.0f} seconds: more than the {limit:g} it has elsewhere")
    return outcome


class Kept(io.TextIOBase):
    """A stream that keeps the first characters and forgets the rest: a loop may print forever."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        if len(self.text) < LONGEST_OUTPUT:
            self.text = (self.text + text)[:LONGEST_OUTPUT]
        return len(text)

    def writable(self) -> bool:
        return True


@contextlib.contextmanager
def time_limit(seconds: float, work: float = math.inf) -> Iterator[bool]:
    """Raise TookTooLongError inside the block when the time is up. Yields False where that is not possible.

    `work` is a limit in seconds of the processor, kept where there are alarms: however busy the machine is, it allows
    as much.
    """
    alarms = hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
    working = _alarm(work, "PROF", "SIGPROF") if alarms and work < seconds else contextlib.nullcontext()
    with (_alarm if alarms else _watcher)(seconds) as limited, working:
        yield limited


@contextlib.contextmanager
def _alarm(seconds: float, clock: str = "REAL", name: str = "SIGALRM") -> Iterator[bool]:
    """A time limit by an alarm of the operating system, which interrupts the main thread."""
    timer, alarm = getattr(signal, f"ITIMER_{clock}"), getattr(signal, name)

    def stop(number: int, frame: FrameType | None) -> None:
        if not _untimely(frame):
            raise TookTooLongError

    before = signal.signal(alarm, stop)
    # It rings again and again: a bare `except:` in the student's loop may swallow the first.
    earlier = signal.setitimer(timer, seconds, AGAIN)
    try:
        yield True
    finally:
        signal.setitimer(timer, *earlier)
        signal.signal(alarm, before)


def _untimely(frame: FrameType | None) -> bool:
    """Whether nothing may be raised here: while the engine is put back together, and where Python would only print it.

    That is in a finalizer, in what a weak dictionary does when a key goes, and in a hook of the garbage collector.
    """
    hooks = {put_back.__code__, *(getattr(hook, "__code__", None) for hook in gc.callbacks)}
    while frame is not None:
        if frame.f_code in hooks or frame.f_code.co_name == "__del__" or frame.f_code.co_filename == weakref.__file__:
            return True
        frame = frame.f_back
    return False


@contextlib.contextmanager
def _watcher(seconds: float) -> Iterator[bool]:
    """A time limit by a second thread, which asks Python to raise in this one: for Windows, and for other threads."""
    this, over = ctypes.c_ulong(threading.get_ident()), threading.Event()

    def watch() -> None:
        wait = seconds
        while not over.wait(wait):
            if not _untimely(sys._current_frames().get(this.value)):
                ctypes.pythonapi.PyThreadState_SetAsyncExc(this, ctypes.py_object(TookTooLongError))
            wait = AGAIN

    watcher = threading.Thread(target=watch, daemon=True)
    try:
        watcher.start()
    except RuntimeError:  # no threads here, as in a browser
        yield False
        return
    try:
        yield True
    finally:
        _end(watcher, over)


def _end(watcher: threading.Thread, over: threading.Event) -> None:
    """End the watcher. An exception that it asked for too late is raised here, where it does no harm.

    It must be raised somewhere: Python 3.11 keeps a requested exception until some thread has raised it, even after it
    was withdrawn, and a debugger's first step would then never end.
    """
    while True:
        try:
            over.set()
            watcher.join()
            for _ in range(2):  # Python looks whenever a loop goes round
                pass
            return
        except TookTooLongError:
            pass


CALLED = ", called in "


def line_of(traceback: TracebackType | None) -> str:
    """The innermost line that the student wrote, outside this package and Python's library; "" if there is none.

    Where another function of the student called that one, with the line that did.
    """
    place = called = caller = ""
    while traceback is not None:
        code = traceback.tb_frame.f_code
        number = traceback.tb_lineno or code.co_firstlineno  # an alarm may ring where Python counts no line
        if _ours(code) or code.co_name.startswith("test_"):
            caller = ""
        else:
            text = linecache.getline(code.co_filename, number).strip()
            name = caller if caller and code.co_name.startswith("<") else code.co_name  # a comprehension
            if name != caller:
                called, caller = f"{CALLED}{place}" if caller not in ("", "<module>") else "", name
            place = f"{name}, line {number}" + (f": `{text}`" if text else "")
        traceback = traceback.tb_next
    return place + called


def _ours(code: CodeType) -> bool:
    """Whether code belongs to this package, to its exercises or to an installed one."""
    folders = (str(PACKAGE), *exercises.__path__, sys.base_prefix, "<frozen", "<__array_function__", "<tinygrad_lora ")
    filename = code.co_filename
    ours = filename.startswith(folders) or "site-packages" in filename or "dist-packages" in filename
    ours = ours or filename.endswith((".pyx", ".pxd", ".pxi"))  # of compiled libraries, such as NumPy's random numbers
    return ours and code not in _known_mistakes


def stands_for_students(thing: object) -> None:
    """Let the lines of a known mistake count as a student's, although they are in a file of the package."""
    functions = vars(thing).values() if isinstance(thing, type) else [thing]
    # The `__call__` of a layer is wrapped, and the wrapper is ours.
    waiting = [inspect.unwrap(f).__code__ for f in functions if isinstance(f, FunctionType)]
    for code in waiting:
        waiting += [inner for inner in code.co_consts if isinstance(inner, CodeType)]
    _known_mistakes.update(waiting)


def _as_notes(warned: list[warnings.WarningMessage] | None) -> list[str]:
    """Warnings as notes, each once."""
    notes = []
    for warning in warned or ():
        text = f"{warning.category.__name__}: {warning.message}"
        if line := linecache.getline(warning.filename, warning.lineno).strip():
            text += f" (at `{line}`)"
        notes.append(text)
    return list(dict.fromkeys(notes))[:5]
