"""One check of an exercise as an assertion, for graders that run tests one by one."""

from __future__ import annotations

from typing import Any

from ..errors import ExerciseError
from .checking.run import run_checks
from .diagnosis import Wrong
from .registry import load_exercise


def demand(id: str, test: str, **objects: Any) -> None:
    """Raise `Wrong`, an AssertionError with the diagnosis, unless this check of the exercise passes.

    Raises ExerciseError if the exercise has no such check.
    """
    exercise = load_exercise(id)
    results = {result.test: result for result in run_checks(exercise, objects).results}
    if test not in results:
        raise ExerciseError(f"{id} has no check {test!r}; it has {', '.join(results)}")
    if (diagnosis := results[test].diagnosis) is not None:
        raise Wrong(diagnosis)
