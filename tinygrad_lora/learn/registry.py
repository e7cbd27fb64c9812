"""Which exercises there are. They are found by their files, and each is loaded when it is asked for."""

import difflib
import re
import traceback
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import ExerciseError
from . import exercises
from .exercise import Exercise
from .own.course import COURSE, EXERCISES, FIRST, LAST, is_own
from .settings import switched_off

PROJECTS = {"capstone": f"{exercises.__name__}.capstone"}  # exercises that belong to no tutorial


@cache
def exercise_modules() -> dict[str, str]:
    """The module of each exercise, by id: `exercises/t04/topo.py` is "04-topo". A leading underscore hides a file.

    Raises ExerciseError for a file of one's own that cannot be an exercise by its name, and for a course.toml that says
    what it cannot.
    """
    switched_off()
    modules = {}
    for root in map(Path, exercises.__path__):
        for path in sorted(root.glob("t[0-9][0-9]/[!_]*.py")):
            number, own = path.parent.name[1:], COURSE is not None and root == COURSE / EXERCISES
            if own and not is_own(number):
                raise ExerciseError(f"{path}: the numbers below {FIRST} are the package's; yours are {FIRST} to {LAST}")
            if not re.fullmatch(r"[a-zA-Z]\w*", path.stem, re.ASCII):
                raise ExerciseError(f"{path}: write its name with letters, digits and _, as in square.py")
            id = f"{number}-{path.stem.replace('_', '-')}"
            modules[id] = f"{exercises.__name__}.{path.parent.name}.{path.stem}"
    return modules


def exercise_ids() -> list[str]:
    """The ids of all exercises, tutorial by tutorial. Loads none of them.

    Returns a list of strings.

    >>> tl.learn.exercise_ids()[:3]
    ['01-build', '01-count-nodes', '01-edges']
    """
    return list(exercise_modules())


def load_exercise(id: str) -> Exercise:
    """The exercise with this id.

    id: such as "04-topo"
    Returns an `Exercise`.
    Raises ExerciseError, with the nearest ids, if there is none.

    >>> tl.learn.load_exercise("04-topo").title
    'A topological order'
    """
    modules = exercise_modules() | PROJECTS
    if id not in modules:
        near = difflib.get_close_matches(str(id), modules, n=3, cutoff=0.4) or list(modules)[:3]
        sentence = f"there is no exercise {id!r}; perhaps {' or '.join(near)}" if near else "there are no exercises"
        raise ExerciseError(f"{sentence}. `tinygrad-lora progress` lists all")
    module = imported(modules[id])
    exercise, where = getattr(module, "exercise", None), Path(str(module.__file__))
    if not isinstance(exercise, Exercise) or exercise.id != id:
        raise ExerciseError(f"{where} must define `exercise = Exercise({id!r}, ...)`")
    if not exercise.references:
        remedy = "put @exercise.reference before the solution, or give values with exercise.answer(...)"
        raise ExerciseError(f"{where} has no solution: {remedy}")
    if not exercise.checks:
        raise ExerciseError(f"{where} has no check: put @exercise.check() before a function that takes the answer")
    return exercise


def require_distinct(ids: Iterable[str]) -> None:
    """Raise ExerciseError where two exercises ask for one name: in one notebook the later answer replaces the other."""
    by_name: dict[str, str] = {}
    for id in ids:
        for name in load_exercise(id).names:
            if (other := by_name.setdefault(name, id)) != id:
                files = " and ".join(_file(exercise_modules()[one]) for one in (other, id))
                raise ExerciseError(f"{files} both ask for {name!r}, and a notebook has one of that name: rename one")


def own_tutorials() -> dict[str, list[str]]:
    """The ids of one's own exercises, by the number of their tutorial."""
    own = [id for id in exercise_ids() if is_own(id[:2])]
    return {id[:2]: [one for one in own if one[:2] == id[:2]] for id in own}


def _file(module: str) -> str:
    """`t50/square.py` for the module of that exercise."""
    return "/".join(module.split(".")[-2:]) + ".py"


def imported(name: str, what: str = "the exercise") -> Any:
    """The module of an exercise. Raises ExerciseError, with the line, for one that does not run to its end."""
    try:
        return import_module(name)
    except (Exception, SystemExit) as error:
        path, text = _file(name), str(error)
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(path)]
        if isinstance(error, SyntaxError) and str(error.filename).endswith(path):
            lines, text = [error.lineno], error.msg
        place = f"{path}, line {lines[-1]}" if lines else path
        raise ExerciseError(f"{place}: {what} cannot be loaded. {type(error).__name__}: {text}") from error


def all_exercises() -> Iterator[Exercise]:
    """Every exercise, loaded one after another.

    Yields each `Exercise`.

    >>> next(tl.learn.all_exercises()).id
    '01-build'
    """
    return map(load_exercise, exercise_ids())


def reference(id: str) -> Any:
    """What solves the exercise: one object, or a tuple in the order in which the exercise names them.

    id: that of the exercise
    Returns a function, a class or a value, or a tuple of them.
    Raises ExerciseError, with the nearest ids, if there is no such exercise.

    >>> callable(tl.learn.reference("04-topo"))
    True
    """
    solved = tuple(load_exercise(id).references.values())
    return solved[0] if len(solved) == 1 else solved
