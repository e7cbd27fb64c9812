"""Errors of the other process as errors of this one."""

import builtins
from typing import Any

from ... import errors
from ...core.node import ComputationNode, Op
from ...learn.checking.guard import TookTooLongError
from .messages import LONGEST


def error_of(message: dict[str, Any], operation: Any) -> BaseException:
    """The error that a message tells of. Of an operation that failed, the package's own errors know which it was."""
    text = message["text"][:LONGEST]
    kind = TookTooLongError if message["raise"] == "TookTooLongError" else error_class(message["raise"])
    try:
        made: Any = kind(text)
    except Exception:
        made = error_class("Error")(text)
    made.students_line = message["line"][:300]
    match operation:
        case [Op(), tuple() as operands, dict()] if type(operation) is list:
            if {*map(type, operands)} <= {ComputationNode}:
                made.operation = tuple(operation)
    return made


def error_class(name: str) -> type[Exception]:
    """The class of errors with this name, Python's or the package's; a new one if neither has it."""
    kind = getattr(errors, name, None) or getattr(builtins, name, None)
    plain = isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, UnicodeError)
    return kind if plain else type(name if name.isidentifier() else "Exception", (Exception,), {})  # type: ignore[return-value]
