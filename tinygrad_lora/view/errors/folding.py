"""Tracebacks of refusals without the package's own frames: what is left is the user's code."""

import os
import sys
from types import TracebackType

from ... import errors
from .lines import is_ours

SETTING = "TINYGRAD_LORA_TRACEBACK"
REFUSALS = tuple(kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception))


def folded(traceback: TracebackType | None) -> tuple[TracebackType | None, str]:
    """The traceback without frames of the package, and a sentence that says how many these are.

    With TINYGRAD_LORA_TRACEBACK=full it stays as it is; so does one that has no other frame.
    """
    steps, step = list[TracebackType](), traceback
    while step:
        steps.append(step)
        step = step.tb_next
    kept = [step for step in steps if not is_ours(step.tb_frame)]
    ours = len(steps) - len(kept)
    if not ours or not kept or os.environ.get(SETTING) == "full":
        return traceback, ""
    shorter: TracebackType | None = None
    for step in reversed(kept):
        shorter = TracebackType(shorter, step.tb_frame, step.tb_lasti, step.tb_lineno)
    return shorter, f"(frames of tinygrad_lora left out: {ours}; {SETTING}=full shows them)"


def fold_tracebacks() -> None:
    """From now on an error of this package that nobody catches shows the lines of your code, and not of the package.

    For scripts and Python's prompt: notebooks do so by themselves. It sets `sys.excepthook`; other errors go to the one
    before. With TINYGRAD_LORA_TRACEBACK=full in the environment everything is shown.

    >>> import sys
    >>> before = sys.excepthook
    >>> tl.fold_tracebacks()
    >>> sys.excepthook is before
    False
    >>> sys.excepthook = before
    """
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        shorter, note = folded(traceback) if isinstance(error, REFUSALS) else (traceback, "")
        before(kind, error.with_traceback(shorter), shorter)
        error.with_traceback(traceback)  # for a debugger, and for `tl.failure`
        if note:
            print(note, file=sys.stderr)

    sys.excepthook = hook
