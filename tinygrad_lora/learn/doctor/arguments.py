"""The strongest evidence: the student's own rule becomes right when it is given something else for an argument."""

from collections.abc import Iterator
from functools import partial
from itertools import combinations

import numpy as np

from ..diagnosis import Diagnosis
from .evidence import GradientCase, Values


def other_argument(case: GradientCase) -> Diagnosis | None:
    """Run the rule again on exchanged arguments, and say which exchange repairs it."""
    names = [name for name in case.subject.arguments if name != "g"]
    for code, used, needed in _exchanges(names, case):
        if case.rerun(partial(_replaced, used=used, needed=needed)):
            clause = f"comes out right if your rule uses {needed} where it now uses {used}"
            return case.say(code, clause, f"{needed} for {used}")
    for a, b in combinations([name for name in names if name != "y"], 2):
        if case.rerun(partial(_swapped, a=a, b=b)):
            clause = f"comes out right if {a} and {b} change places in your rule"
            return case.say("swapped-operands", clause, f"{a} and {b}")
    for name in case.subject.arguments:
        if case.rerun(partial(_transposed, name=name)):
            clause = f"comes out right if your rule uses {name}.mT in place of {name}"
            return case.say("transposed-operand", clause, name)
    return None


def _exchanges(names: list[str], case: GradientCase) -> Iterator[tuple[str, str, str]]:
    """Which argument the rule uses, and which value it may need: inputs for the output first, as in exp."""
    values = [name for name in ("y", *case.subject.operands) if name in names]  # what the rule can use
    for used in names:
        for needed in values:
            if used != needed:
                code = "input-for-output" if needed == "y" else "output-for-input" if used == "y" else "other-operand"
                yield code, used, needed


def _replaced(values: Values, used: str, needed: str) -> Values | None:
    if np.shape(values[used]) != np.shape(values[needed]):
        return None
    return {**values, used: values[needed]}


def _swapped(values: Values, a: str, b: str) -> Values:
    return {**values, a: values[b], b: values[a]}


def _transposed(values: Values, name: str) -> Values | None:
    return {**values, name: values[name].T} if np.ndim(values[name]) == 2 else None
