"""Whether something is still to be written."""

import dis
from types import FunctionType
from typing import Any


def is_blank(value: Any) -> bool:
    """Whether a student has not started on this: `...`, None, a list of blanks, or a function that only says so."""
    if value is None or value is ...:
        return True
    if type(value) in (list, tuple):
        return bool(value) and all(map(is_blank, value))
    if type(value) is dict:
        return bool(value) and all(map(is_blank, value.values()))
    if isinstance(value, FunctionType):
        return _empty(value)
    if isinstance(value, type):
        methods = [f for f in vars(value).values() if isinstance(f, FunctionType)]
        return bool(methods) and all(map(_empty, methods))
    return False


def _empty(function: FunctionType) -> bool:
    """Whether the body is `pass`, `...`, `return None` or a docstring alone: it touches no name and gives nothing."""
    plumbing = {"RESUME", "NOP", "CACHE", "COPY_FREE_VARS", "MAKE_CELL"}
    steps = [(i.opname, i.argval) for i in dis.get_instructions(function) if i.opname not in plumbing]
    gives = [argument for name, argument in steps if name in ("LOAD_CONST", "RETURN_CONST")]
    only = {name for name, _ in steps} <= {"LOAD_CONST", "RETURN_CONST", "RETURN_VALUE"}
    return only and all(value is None or value is ... for value in gives)
