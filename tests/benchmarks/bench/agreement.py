"""Do two implementations compute the same? Asked before any of them is timed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .peers import prepare
from .workloads import Case

TOLERANCE = {4: 1e-3, 8: 1e-9}  # by the bytes of a number, relative to the largest in the array
# For parameters the change is compared, not the value, which hardly moves in one step. The change is the small
# difference of two rounded numbers.
TOLERANCE_OF_CHANGE = 2e-2


def reference(case: Case) -> dict[str, Any]:
    """What one step gives and changes, in float64."""
    run = prepare("naive", case.double())
    return run.outcome(run.step())


def errors(case: Case, outcome: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, float]:
    """The largest difference of each array, relative to the largest expected number in it."""
    errors_of = {}
    for name, right in expected.items():
        start = case[name].astype(np.float64) if name in case.updated else 0.0
        mine = np.asarray(outcome[name], dtype=np.float64)
        if mine.shape != np.shape(right):
            raise ValueError(f"{name} has the shape {mine.shape}, not {np.shape(right)}")
        largest = np.abs(right - start).max()
        errors_of[name] = float(np.abs(mine - right).max() / largest)
    return errors_of


def check(case: Case, outcome: Mapping[str, Any]) -> tuple[dict[str, float], str | None]:
    """Compare what the first step gave with the reference: the errors, and a sentence if there is a disagreement.

    The sentence names the worst array. A peer that computes nothing (the floor) has no errors.
    """
    if not outcome:
        return {}, None
    errors_of = errors(case, outcome, reference(case))
    rest = TOLERANCE[case["x"].dtype.itemsize]
    limits = {name: TOLERANCE_OF_CHANGE if name in case.updated else rest for name in errors_of}
    worst = max(errors_of, key=lambda name: errors_of[name] / limits[name])
    if errors_of[worst] <= limits[worst]:
        return errors_of, None
    return errors_of, f"disagrees with the reference: {worst} is off by {errors_of[worst]:.1e} of its largest number"
