"""Update rules as functions of (parameters, lr, memory): run on the same gradients, compared number by number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ....core.node import ComputationNode, parameter
from ...authoring import Diagnosis, Wrong, as_array, number, numbers, refuse, require, same

Rule = Callable[[list[ComputationNode], float, dict[Any, Any]], None]
Slips = Mapping[str, tuple[str, Rule]]
# What is told apart, one thing after another: one number and one rate; a rate that changes; several parameters.
CASES = (((),), (0.5, 0.5, 0.5)), (((),), (0.5, 0.25, 0.125, 0.5)), (((3,), (), (2, 2)), (0.1, 0.1, 0.2, 0.1))


def trajectory(rule: Rule, shapes: Any, rates: Any, seed: int, scale: float = 1.0) -> list[list[Any]]:
    """The values of the parameters after each step."""
    rng, memory = np.random.default_rng([seed, 7]), dict[Any, Any]()
    parameters = [parameter(numbers(rng, shape), name) for shape, name in zip(shapes, "abc", strict=False)]
    values = []
    for rate in rates:
        for p in parameters:
            p.gradient = scale * numbers(rng, p.shape)
        kept = [np.array(p.gradient) for p in parameters]
        try:
            rule(parameters, rate, memory)
        except ValueError as error:
            if "read-only" not in str(error):
                raise
            advice = "`p.value -= ...` writes into an array that a graph may still use: write `p.value = p.value - ...`"
            raise refuse("in-place", f"{advice} ({error})") from None
        for p, gradient in zip(parameters, kept, strict=True):
            if p.gradient is None or not same(as_array(p.gradient), gradient):
                advice = "your step changed p.gradient: it belongs to the backward pass; make a new array"
                raise refuse("gradient-changed", advice)
        values.append([np.array(p.value) for p in parameters])
    return values


def judge(rule: Rule, right: Rule, slips: Slips, seed: int) -> None:
    """Raise, and say what is wrong, unless the rule moves all parameters as the right one does."""
    for shapes, rates in CASES:
        expected, answer = trajectory(right, shapes, rates, seed), trajectory(rule, shapes, rates, seed)
        if _equal(answer, expected):
            continue
        t, i = _first(answer, expected)
        now, right_now = _flat(answer[t][i]), _flat(expected[t][i])
        yours = f"after step {t + 1} parameter {'abc'[i]} is {now}; it should be {right_now}"
        start = trajectory(lambda *args: None, shapes, rates, seed)
        require(not _equal(answer, start), "not-updated", f"{yours}: no parameter was changed; assign to p.value")
        for code, (sentence, slip) in slips.items():
            with np.errstate(all="ignore"):
                wrong = trajectory(slip, shapes, rates, seed)
            require(not _equal(answer, wrong), code, f"{yours}: {sentence}")
        raise Wrong(Diagnosis("differs", yours))


def _equal(a: Any, b: Any) -> bool:
    pairs = [(as_array(x), as_array(y)) for after, other in zip(a, b, strict=True)
             for x, y in zip(after, other, strict=True)]  # fmt: skip
    return all(same(x, y, 1e-7) or bool((np.isnan(x) & np.isnan(y)).all()) for x, y in pairs)


def _first(answer: Any, expected: Any) -> tuple[int, int]:
    places = [(t, i) for t in range(len(expected)) for i in range(len(expected[t]))]
    return next((t, i) for t, i in places if not same(as_array(answer[t][i]), as_array(expected[t][i]), 1e-7))


def _flat(array: Any) -> str:
    return ", ".join(number(float(v)) for v in array.flat[:3]) + (", ..." if array.size > 3 else "")
