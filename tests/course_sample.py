"""Which exercises stand for the others in the quick run of tests: of each tutorial the first of each kind."""

from functools import cache

import pytest

from tinygrad_lora.learn import exercise_ids, load_exercise


@cache
def sample():
    """Their ids. What trains for real is never among them."""
    first = {}
    for id in exercise_ids():
        exercise = load_exercise(id)
        if not exercise.slow:
            first.setdefault((id[:2], exercise.kind), id)
    return frozenset(first.values())


def marks(id):
    """The marks of a test of this exercise: slow, unless it stands for others. `--all` runs every one."""
    try:
        return [] if id in sample() else [pytest.mark.slow]
    except Exception:
        return []  # some exercise cannot be loaded, and the tests of it say why
