"""A function of arrays beside the right one: the first wrong case, and the slip that explains every wrong one."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tinygrad_lora.learn.authoring import as_array, example, refuse, require, same, worst

Function = Callable[..., Any]
Slips = Sequence[tuple[str, str, Function]]
Case = dict[str, Any]  # the arguments by name, in their order


def softmax(scores: Any) -> Any:
    """The right one: each row becomes shares of 1, whatever the size of its numbers."""
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def judge(
    function: Function, right: Function, slips: Slips, cases: Iterable[Case], name: str, view: Function = np.asarray
) -> None:
    """Raise, and say what is wrong, unless both give the same in every case. `view` is taken of an answer first.

    A slip is what the mistake would compute; it explains a case if it gives the same numbers, or fails with the same
    words.
    """
    wrong = []
    for case in cases:
        expected, outcome = view(right(*case.values())), _outcome(function, case, name, view)
        if isinstance(outcome, ValueError) or not same(outcome, expected):
            wrong.append((case, outcome, expected))
    if not wrong:
        return
    case, outcome, expected = wrong[0]
    shown = example(**case)
    if isinstance(outcome, ValueError):
        sentence = f"{name} stops with: {outcome}"
    elif outcome.shape != expected.shape:
        sentence = f"{name} has shape {outcome.shape}; it must have {expected.shape}"
    else:
        sentence, shown = f"{name} is off: {worst(outcome, expected)}", example(outcome, expected, **case)
    for code, why, slip in slips:
        explained = all(_explains(slip, function, one, outcome, name, view) for one, outcome, _ in wrong)
        require(not explained, code, f"{sentence}. {why}", example=shown)
    if isinstance(outcome, ValueError):
        raise outcome
    raise refuse("wrong-shape" if outcome.shape != expected.shape else "differs", sentence, shown)


def _outcome(function: Function, case: Case, name: str, view: Function) -> Any:
    """The numbers that it gives, or the error where shapes do not fit."""
    with np.errstate(all="ignore"):
        try:
            given = function(*(np.array(x) if isinstance(x, np.ndarray) else x for x in case.values()))
        except ValueError as error:
            return error
        answer = as_array(given, name)
        return view(answer) if answer.ndim else answer


def _explains(slip: Function, function: Function, case: Case, outcome: Any, name: str, view: Function) -> bool:
    """Whether the slip does what the student's function did. Numbers that are no numbers must be so at both.

    Where nothing but those is left, the answers must be the same before they are viewed: there are many ways to NaN.
    """
    try:
        other = _outcome(slip, case, name, view)
    except Exception:  # it does not get that far here
        return False
    if isinstance(outcome, ValueError) or isinstance(other, ValueError):
        return isinstance(outcome, ValueError) and isinstance(other, ValueError) and str(outcome) == str(other)
    if outcome.shape != other.shape or (np.isfinite(outcome) != np.isfinite(other)).any():
        return False
    there = np.isfinite(outcome)
    if not there.any():
        raw, slipped = (_outcome(f, case, name, np.asarray) for f in (function, slip))
        return raw.shape == slipped.shape and raw.astype(str).tolist() == slipped.astype(str).tolist()
    return same(np.where(there, outcome, 0.0), np.where(there, other, 0.0))
