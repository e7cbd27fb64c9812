"""Known wrong answers of every exercise, each with the code of what is wrong.

A check that gives points to one of them is no check. Those that the diagnosis of an exercise itself compares with stand
beside it, in the package.
"""

from importlib import import_module
from importlib.util import find_spec

from tinygrad_lora.learn.exercise import Exercise, Mutant
from tinygrad_lora.learn.registry import exercise_modules


def mutants_of(exercise: Exercise) -> list[Mutant]:
    """All known wrong answers of an exercise; of one that is not the package's, those that it has itself."""
    if exercise.id in exercise_modules():
        folder, file = exercise_modules()[exercise.id].split(".")[-2:]
        if find_spec(f"{__name__}.{folder}.{file}"):
            import_module(f"{__name__}.{folder}.{file}")
    return exercise.mutants
