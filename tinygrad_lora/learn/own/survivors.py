"""How well the checks of an exercise tell a solution from what is nearly one: machine-made changes of the solution.

A change that passes everything either makes no difference, or shows what no check looks at. For those, inputs are
searched on which the changed solution gives something else: first the calls that the checks make with other seeds, then
small variations of these calls.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import numpy as np

from ...core.node import Array, ComputationNode
from ..checking.arguments import copied
from ..checking.guard import TookTooLongError, guarded
from ..checking.repetition import alike, differing, kept, repeatable, shown
from ..checking.run import run_checks
from ..checking.signatures import names_of
from ..diagnosis import Diagnosis
from ..exercise import Exercise
from .changes import changes
from .gates import objects_of

# These codes say that something is wrong, and not what: the numbers must say it.
GENERIC = {
    "differs", "wrong", "wrong-value", "wrong-gradient", "wrong-count", "other-result", "wrong-prediction",
    "wrong-slope", "wrong-edges", "wrong-shape", "wrong-type", "not-closest", "wrong-loss", "below-threshold", "lost",
    "wrong-numbers", "wrong-name", "wrong-paths", "missed", "count",
}  # fmt: skip
UNNAMED = {*GENERIC, "exception"}
LIMIT = 1.0  # seconds for a check, and for a call: some changes never end
PATIENCE = 10.0  # seconds to search an input for one change
SEEDS, BUDGET = range(1, 6), 40  # other cases than the checks that students see
MOST_CALLS = 400
Call = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True)
class ChangedSolution:
    """A solution with one change, `old` -> `new`, and what the checks say about it; None if they pass."""

    title: str
    objects: dict[str, Any]
    diagnosis: Diagnosis | None

    @property
    def unnamed(self) -> bool:
        """Whether a student would be told that it is wrong, and not what is."""
        return self.diagnosis is not None and self.diagnosis.code in UNNAMED

    @property
    def message(self) -> str:
        """What a student would be told."""
        return f"[{self.diagnosis.code}] {self.diagnosis.sentence}" if self.diagnosis else ""


def changed_solutions(exercise: Exercise) -> Iterator[ChangedSolution]:
    """Every change of the solution that can be run at all, with the first diagnosis that it gets."""
    limit = exercise.limit if exercise.slow else LIMIT
    for title, text in changes(exercise.solution):
        objects = guarded(lambda text=text: objects_of(exercise, text), LIMIT).value  # type: ignore[misc]
        if objects is None:
            continue
        alone = (replace(exercise, checks=[check], limit=limit) for check in exercise.checks)
        diagnoses = (run_checks(one, exercise.references | objects).diagnosis for one in alone)
        diagnosis = next(filter(None, diagnoses), None)
        yield ChangedSolution(title, objects, diagnosis)


class Cases:
    """Calls of the functions of an exercise. They are recorded once, and compared for each change that survives."""

    def __init__(self, exercise: Exercise) -> None:
        self.exercise = exercise
        self.functions = {n: f for n, f in exercise.references.items() if callable(f) and not isinstance(f, type)}
        recorded: dict[str, list[Call]] = {name: [] for name in self.functions}
        recording = {name: noting(f, recorded[name], []) for name, f in self.functions.items()}
        for seed in SEEDS:
            run_checks(exercise, exercise.references | recording, seed=seed, budget=BUDGET)
        self.calls = {
            name: [*calls[:MOST_CALLS], *(varied for call in calls[:MOST_CALLS] for varied in variations(call))]
            for name, calls in recorded.items()
        }  # fmt: skip

    def telling(self, objects: dict[str, Any]) -> tuple[str, int]:
        """A call that tells these objects from the solution, with both results, and how many were tried.

        It is "" if there is none. A call counts only where the solution itself gives a result.
        """
        end, tried = time.monotonic() + PATIENCE, 0
        for name, function in self.functions.items():
            for args, kwargs in self.calls[name]:
                if time.monotonic() > end:
                    break
                tried += 1
                right, wrong = (guarded(self._call(f, args, kwargs), LIMIT) for f in (function, objects[name]))
                slow = isinstance(wrong.error, TookTooLongError)  # which says nothing about the result
                if slow or right.error is not None or (wrong.error is None and alike(right.value, wrong.value)):
                    continue
                words = differing(right.value, wrong.value)
                other = words[1] if wrong.error is None else f"{type(wrong.error).__name__}: {wrong.error}"
                if other == words[0]:  # not to be told apart by what is shown
                    continue
                arguments = [*zip(names_of(function), args, strict=False), *kwargs.items()]
                call = ", ".join(f"{key}={shown(x)}" for key, x in arguments)
                return " ".join(f"{name}({call}) gives {words[0]}; this gives {other}".split()), tried
        return "", tried

    def _call(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[], Any]:
        """What calls the function on copies. A node counts by its value, unless the structure is what is asked for."""

        def call() -> Any:
            result = function(*map(copied, args), **copied(kwargs))
            by_value = isinstance(result, ComputationNode) and result.known and self.exercise.kind != "S"
            return np.asarray(result.value) if by_value else result

        return call


def noting(function: Callable[..., Any], calls: list[Call], results: list[Any]) -> Callable[..., Any]:
    """The function, which notes each call that may be made again, and every result."""

    @wraps(function)
    def record(*args: Any, **kwargs: Any) -> Any:
        if repeatable([*args, *kwargs.values()]):
            calls.append((tuple(map(copied, args)), copied(kwargs)))
        results.append(kept(result := function(*args, **kwargs)))
        return result

    return record


def variations(call: Call) -> Iterator[Call]:
    """The call with one argument that is less nice: zero, repeated, empty, of size 1. Some may ask for nonsense."""
    args, kwargs = call
    for i, x in enumerate(args):
        yield from (((*args[:i], other, *args[i + 1 :]), kwargs) for other in less_nice(x))
    for name, x in kwargs.items():
        yield from ((args, {**kwargs, name: other}) for other in less_nice(x))


def less_nice(x: Any) -> list[Any]:
    """Values of the same type for which code is wrong more easily."""
    match x:
        case bool():
            return [not x]
        case int():
            return [0, 1, x + 1, 2 * x]
        case float():
            return [0.0, 1.0, x / 2, 1e3 * x]
        case np.ndarray() if x.size and x.dtype.kind in "fiu":
            return _arrays(x)
        case list() | tuple() if x:
            return [type(x)(other) for other in ([], x[:1], x[::-1], [*x, *x], [x[0]] * len(x))]
        case str():
            return ["", x + x]
    return []


def _arrays(x: Array) -> list[Array]:
    flat = x.reshape(-1)
    alone = x[tuple(slice(0, 1) for _ in x.shape)]
    return [0 * x, np.full_like(x, flat[0]), -x if x.dtype.kind != "u" else x[::-1] if x.ndim else x, 1000 * x, alone]
