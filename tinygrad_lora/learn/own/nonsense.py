"""Answers that do no work: they give an argument back, or the same each time. A check must accept none of them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import wraps
from typing import Any

import numpy as np

from ..checking.repetition import alike, kept, repeatable, shown
from ..checking.report import CheckResult
from ..checking.run import run_checks
from ..checking.signatures import names_of
from ..exercise import Exercise
from .survivors import noting

NUMERIC = int, float, np.number, np.ndarray
Function = Callable[..., Any]
Functions = dict[str, Function]


def accepted_nonsense(exercise: Exercise) -> Iterator[tuple[CheckResult, str, dict[str, Any]]]:
    """Every such answer that earns the points of some check: the check, the answer in words, and its objects.

    What is no function of data counts as not written yet.
    """
    things = exercise.references
    functions = {n: f for n, f in things.items() if callable(f) and not isinstance(f, type) and names_of(f)}
    for check in exercise.checks if functions else ():
        alone, results = replace(exercise, checks=[check]), {name: list[Any]() for name in functions}
        run_checks(alone, things | {name: noting(f, [], results[name]) for name, f in functions.items()})
        for title, answers in _answers(functions, results):
            objects = dict.fromkeys(things) | {name: wraps(functions[name])(f) for name, f in answers.items()}
            if (result := run_checks(alone, objects).results[0]).passed:
                yield result, title, objects


def _answers(functions: Functions, results: dict[str, list[Any]]) -> Iterator[tuple[str, Functions]]:
    """Each answer in words, and its functions by name. `results` is what those of the solution gave, call by call."""
    names = [names_of(function) for function in functions.values()]
    for i in range(max(map(len, names))):
        title = " / ".join(own[i] for own in names if i < len(own))
        yield f"`return {title}`", {n: lambda *args, i=i, **kwargs: (*args, *kwargs.values())[i] for n in functions}
    constants: list[dict[str, Any]] = [dict.fromkeys(functions)]
    if all(own and repeatable(own) for own in results.values()):  # objects are no constants
        constants += ({name: own[place] for name, own in results.items()} for place in (0, -1))
    for i, one in enumerate(constants):
        if not any(alike(one, before) for before in constants[:i]):
            yield f"`return {' / '.join(map(shown, one.values()))}`", {name: _in_turn([x]) for name, x in one.items()}
    arrays = [np.asarray(x) for own in results.values() for x in own if isinstance(x, NUMERIC)]
    means = [float(x.mean()) for x in arrays if x.size and x.dtype.kind in "fiu" and np.isfinite(x).all()]
    for number in dict.fromkeys([0.0, 1.0, sum(means) / max(1, len(means))]):
        filled = {name: _in_turn([_fill(x, number) for x in own]) for name, own in results.items()}
        yield f"{number:.6g} for each number of the result", filled


def _in_turn(results: list[Any]) -> Function:
    """Gives one result after another; the last one again and again."""
    left = iter(results)
    return lambda *args, **kwargs: kept(next(left, results[-1] if results else None))


def _fill(x: Any, number: Any) -> Any:
    """The same structure of lists and arrays, with this number in place of each; None for anything else."""
    if isinstance(x, np.ndarray):
        return np.full_like(x, number) if x.dtype.kind in "fiub" else None
    if type(x) in (list, tuple):
        return type(x)(_fill(part, number) for part in x)
    return type(x)(number) if type(x) in (bool, int, float) or isinstance(x, np.number) else None
