"""What a message may be: exactly these fields, of exactly these types. Whatever else arrives is refused, unread.

call       n, method, seconds    a call of the thing with the number n; its arguments are the two values
return     changed               the result, then what has changed in the arguments
return     raise, text, line     the error that the call ended with; the value is its operation
forget                           no number means anything any more
"""

import builtins
from itertools import product
from typing import Any

from ... import errors
from ...core.node import ComputationNode, Op
from ...learn.checking.guard import TookTooLongError
from .known import LONGEST_NAME
from .wire import Misbehaved

MOST = 1 << 20  # entries of a list; what crosses in a course has a hundredth of that
LONGEST = 2_000  # characters of an error's text
_NONE: type = type(None)
_LIST, _TEXT, _ARRAY = (list,), (str,), (list, _NONE)
_FIELDS: dict[str, tuple[type, ...]] = {
    "call": (int,), "n": (int,), "method": _TEXT, "seconds": (int, float), "return": (int,), "changed": _LIST,
    "raise": _TEXT, "text": _TEXT, "line": _TEXT, "forget": (bool,), "values": _LIST, "attributes": _LIST,
    "changes": _LIST, "nodes": _LIST, "arrays": _LIST,
}  # fmt: skip
_ALWAYS = {"values", "attributes", "changes", "nodes", "arrays"}
_KINDS = ({"call", "n", "method", "seconds"}, {"return", "changed"}, {"return", "raise", "text", "line"}, {"forget"})
_NAME = (str, _NONE)
_ROWS: dict[str, set[tuple[type, ...]]] = {  # the types of each entry; and so all that the types of a row may be
    # Of the thing n: names and values that are new, names that are gone.
    "attributes": {*product((int,), _LIST, _LIST)},
    "changes": {*product((int,), _ARRAY, _ARRAY, _NAME, (bool,))},  # of the node n: value, gradient, name, trainable
    # The node n: operation, parents, parameters; of a leaf dtype with shape, and value; name, trainable.
    "nodes": {*product((int,), _TEXT, _LIST, _LIST, _ARRAY, _ARRAY, _NAME, (bool,))},
    "arrays": {*product((int,), _LIST)},  # the content of the array n
}


def examine(message: Any) -> None:
    """Raise Misbehaved unless the message has the fields of one kind, each of its type."""
    if type(message) is not dict or not message.keys() >= _ALWAYS or {*message} - _ALWAYS not in _KINDS:
        raise Misbehaved("a message has other fields than those of a call or an answer")
    for name, value in message.items():
        if type(value) not in _FIELDS[name] or (type(value) is list and len(value) > MOST):
            raise Misbehaved(f"the field {name} of a message is of another type, or too long")
    for name, rows in _ROWS.items():
        for row in message[name]:
            if type(row) is not list or tuple(map(type, row)) not in rows:
                raise Misbehaved(f"a row of {name} has other entries")
    for name in ("method", "raise"):
        if len(message.get(name, "")) > LONGEST_NAME:
            raise Misbehaved(f"the name in {name} is too long")


def changed_slots(message: dict[str, Any], count: int) -> list[int]:
    """The places of the arguments that have changed: of `count`, each once, and a value for each. Else Misbehaved."""
    places: list[int] = message["changed"]
    if any(type(i) is not int or not 0 <= i < count for i in places) or len({*places}) < len(places):
        raise Misbehaved("there is no such argument to change")
    if len(message["values"]) != 1 + len(places):
        raise Misbehaved("an answer has too few or too many values")
    return places


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
