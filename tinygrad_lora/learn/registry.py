"""Which exercises there are. They are found by their files, and each is loaded when it is asked for."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from ..errors import ExerciseError
from . import exercises
from .exercise import Exercise

PROJECTS = {"capstone": f"{exercises.__name__}.capstone"}  # exercises that belong to no tutorial


@cache
def exercise_modules() -> dict[str, str]:
    """The module of each exercise, by id: `exercises/t04/topo.py` is "04-topo". A leading underscore hides a file."""
    modules = {}
    for folder in sorted(iter_modules(exercises.__path__), key=lambda module: module.name):
        if folder.ispkg and re.fullmatch(r"t\d\d", folder.name):
            package = f"{exercises.__name__}.{folder.name}"
            for module in sorted(iter_modules(import_module(package).__path__), key=lambda module: module.name):
                if not module.name.startswith("_"):
                    modules[f"{folder.name[1:]}-{module.name.replace('_', '-')}"] = f"{package}.{module.name}"
    return modules


def exercise_ids() -> list[str]:
    """The ids of all exercises, tutorial by tutorial. Loads none of them."""
    return list(exercise_modules())


def load_exercise(id: str) -> Exercise:
    """The exercise with this id. Raises ExerciseError, with the nearest ids, if there is none."""
    modules = exercise_modules() | PROJECTS
    if id not in modules:
        near = difflib.get_close_matches(str(id), modules, n=3, cutoff=0.4) or list(modules)[:3]
        sentence = f"there is no exercise {id!r}; perhaps {' or '.join(near)}" if near else "there are no exercises"
        raise ExerciseError(f"{sentence}. `tinygrad-lora progress` lists all")
    exercise = import_module(modules[id]).exercise
    if not isinstance(exercise, Exercise) or exercise.id != id:
        raise ExerciseError(f"{modules[id]} must define `exercise = Exercise({id!r}, ...)`")
    return exercise


def all_exercises() -> Iterator[Exercise]:
    """Every exercise, loaded one after another."""
    return map(load_exercise, exercise_ids())


def reference(id: str) -> Any:
    """What solves the exercise: one object, or a tuple in the order in which the exercise names them.

    Raises ExerciseError, with the nearest ids, if there is no such exercise.
    """
    solved = tuple(load_exercise(id).references.values())
    return solved[0] if len(solved) == 1 else solved
