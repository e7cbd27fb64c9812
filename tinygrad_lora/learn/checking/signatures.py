"""A student's function: whether it is written yet, what it takes, and whether an exercise can call it."""

import dis
import inspect
from collections.abc import Callable
from functools import partial
from types import FunctionType, MethodType
from typing import Any

Parameters = list[tuple[str, int, str | None]]  # name, number of the kind, and the text of the default
_P = inspect.Parameter
KINDS = _P.POSITIONAL_ONLY, _P.POSITIONAL_OR_KEYWORD, _P.VAR_POSITIONAL, _P.KEYWORD_ONLY, _P.VAR_KEYWORD
LONGEST = 20  # characters of a default
EXTRA = 2  # arguments for `*args`


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


class WrittenDefault:
    """A default of which only its text is known."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def parameters_of(x: object) -> Parameters | None:
    """The parameters of a function or class, as data; None where it does not say."""
    if not isinstance(x, FunctionType | MethodType | partial | type):
        return None
    try:
        parameters = inspect.signature(x).parameters.values()
        return [(p.name, KINDS.index(p.kind), None if p.default is p.empty else _text(p.default)) for p in parameters]
    except Exception:  # a student's class may say anything
        return None


def signature_from(parameters: Any) -> inspect.Signature:
    """The signature with these parameters. Raises ValueError or TypeError for what is none."""
    made = []
    for name, kind, default in parameters:
        shown = _P.empty if default is None else WrittenDefault(str(default)[:LONGEST])
        made.append(_P(name, KINDS[kind], default=shown))
    return inspect.Signature(made)


def with_signature(function: Any, parameters: Any) -> Any:
    """The function, which says that it takes these parameters; None: it says nothing."""
    if parameters is not None:
        function.__signature__ = signature_from(parameters)
    return function


def misfit(name: str, reference: object, answer: object) -> str:
    """The sentence about a function or class that cannot be called as the solution is; "" if it can be.

    Whatever can be called in the same way will do: with more parameters that have defaults, or with `*args`.
    """
    methods = [(f"{name}.{key}", right, mine) for key, right, mine in methods_of(reference, answer)]
    for called, right, mine in [(name, reference, answer), *methods]:
        expected, actual = parameters_of(right), parameters_of(mine)
        if expected is None or actual is None:
            continue
        whole, own = signature_from(expected), signature_from(actual)
        if not _fits(whole, own):
            return f"{called} takes {_words(own)}; it must take {_words(whole)}"
    return ""


def methods_of(reference: object, answer: object) -> list[tuple[str, FunctionType, FunctionType]]:
    """The methods that two classes both define, by name; none for functions."""
    if not isinstance(reference, type) or not isinstance(answer, type):
        return []
    own = {key: f for one in answer.__mro__[::-1] for key, f in vars(one).items() if isinstance(f, FunctionType)}
    methods = {key: f for key, f in vars(reference).items() if isinstance(f, FunctionType) and key != "__init__"}
    return [(key, f, own[key]) for key, f in methods.items() if key in own]


def names_of(function: Callable[..., Any]) -> list[str]:
    """What its arguments are called."""
    return list(inspect.signature(function).parameters)


def _fits(expected: inspect.Signature, actual: inspect.Signature) -> bool:
    """Whether `actual` can be called as `expected` is: what has a default by name, the rest by position."""
    parameters = expected.parameters.values()
    by_place = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    named = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    named += [p.name for p in by_place if p.default is not p.empty]
    places = sum(p.default is p.empty for p in by_place) + EXTRA * any(p.kind is p.VAR_POSITIONAL for p in parameters)
    try:
        actual.bind(*range(places), **dict.fromkeys(named))
    except TypeError:
        return False
    return True


def _words(signature: inspect.Signature) -> str:
    return str(signature) if signature.parameters else "no arguments"


def _text(default: object) -> str:
    """A plain value as it is written; anything else might say anything."""
    return repr(default)[:LONGEST] if type(default) in (bool, int, float, str, type(None), WrittenDefault) else "..."
