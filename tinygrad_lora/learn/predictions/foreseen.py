"""The judge of a prediction: right, wrong in a way that was foreseen, or wrong in another way."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..diagnosis import Diagnosis
from ..exact import same

CLOSE = 5e-3  # a prediction may be rounded to three digits
UNFORESEEN = "wrong-prediction"


@dataclass(frozen=True)
class Foreseen:
    """A wrong answer that somebody may give, the code of the mistake behind it, and what is said about it.

    It does not print its answer: what it is about may be on the screen.
    """

    code: str
    answer: Any = field(repr=False)
    sentence: str = field(repr=False)


def agree(answer: Any, other: Any) -> bool:
    """Whether two answers are the same: numbers up to rounding, everything else exactly."""
    if isinstance(answer, np.ndarray) and isinstance(other, np.ndarray):
        return same(answer, other, CLOSE)
    return type(answer) is type(other) and bool(answer == other)


def judged(claim: str, answer: Any, right: Any, foreseen: Iterable[Foreseen], detail: str = "") -> Diagnosis | None:
    """None if the answer is right. Else `claim`, which says that it is not, and the first reason that fits."""
    if agree(answer, right):
        return None
    for one in foreseen:
        if agree(answer, one.answer):
            return Diagnosis(one.code, f"{claim}: {one.sentence}", detail)
    if isinstance(right, np.ndarray) and agree(answer, np.asarray(-right)):
        return Diagnosis(UNFORESEEN, f"{claim}: that is the right size with the wrong sign", detail)
    return Diagnosis(UNFORESEEN, claim, detail)
