"""Update rules as functions of (parameters, lr, memory): run on the same gradients, compared number by number."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_lora.core.node import ComputationNode, parameter
from tinygrad_lora.learn.authoring import Diagnosis, Wrong, apart, as_array, number, numbers, refuse, require, same

Rule = Callable[[list[ComputationNode], float, dict[Any, Any]], None]
Slips = Sequence[tuple[str, str, Rule]]
Values = list[list[Any]]  # of the parameters, after each step


@dataclass(frozen=True)
class Case:
    """What the rule is run on. `scale` multiplies the gradients; with `zeros` every second number of them is 0."""

    shapes: tuple[tuple[int, ...], ...]
    rates: tuple[float, ...]
    names: str = "abc"
    scale: float = 1.0
    zeros: bool = False


# What is told apart, one thing after another: one number and one rate; a rate that changes; several parameters; then
# gradients that are 0, and gradients as small as what is added to a divisor.
CASES = (
    Case(((),), (0.5, 0.5, 0.5)),
    Case(((),), (0.5, 0.25, 0.125, 0.5)),
    Case(((3,), (), (2, 2)), (0.1, 0.1, 0.2, 0.1)),
    Case(((4,),), (0.5, 0.5), zeros=True),
    Case(((3,),), (0.5, 0.25, 0.5), scale=1e-8),
)
TWINS = Case(((3,), (3,), ()), (0.1, 0.2, 0.1))  # two parameters of one shape


OUTSIDE = (
    "trained a second time from the same start, with the same gradients and a new memory, a parameter goes elsewhere: "
    "whatever must last from step to step belongs in the dictionary `memory`, and nowhere else"
)


def trajectory(rule: Rule, case: Case, seed: int, runs: int = 1) -> Values:
    """The values of the parameters after each step; of the last run, each on the same parameters with a new memory."""
    parameters: list[ComputationNode] = []
    values: Values = []
    for _ in range(runs):
        rng, memory = np.random.default_rng([seed, 7]), dict[Any, Any]()
        starts = [numbers(rng, shape) for shape in case.shapes]
        parameters = parameters or [parameter(x, name) for x, name in zip(starts, case.names, strict=False)]
        values = []
        for p, start in zip(parameters, starts, strict=True):
            p.value = start
        for rate in case.rates:
            for p in parameters:
                p.gradient = _gradient(rng, p.shape, case)
            values.append(_step(rule, parameters, rate, memory))
    return values


def _gradient(rng: np.random.Generator, shape: tuple[int, ...], case: Case) -> Any:
    gradient = np.asarray(case.scale * numbers(rng, shape))
    if case.zeros:
        gradient[::2] = 0.0
    return gradient


def _step(rule: Rule, parameters: list[ComputationNode], rate: float, memory: dict[Any, Any]) -> list[Any]:
    """One step: the values of the parameters after it."""
    kept = [np.array(p.gradient) for p in parameters]
    try:
        rule(parameters, rate, memory)
    except ValueError as error:
        if "the new value has" in str(error) and len(parameters) > 1:
            raise refuse("shape-error", f"{error}: is the memory of another parameter in it?") from None
        if "read-only" not in str(error):
            raise
        advice = "`p.value -= ...` writes into an array that a graph may still use: write `p.value = p.value - ...`"
        raise refuse("in-place", f"{advice} ({error})") from None
    for p, gradient in zip(parameters, kept, strict=True):
        if p.gradient is None or not same(as_array(p.gradient), gradient):
            advice = "your step changed p.gradient: it belongs to the backward pass; make a new array"
            raise refuse("gradient-changed", advice)
    return [np.array(p.value) for p in parameters]


def judge(rule: Rule, right: Rule, slips: Slips, seed: int) -> None:
    """Raise, and say what is wrong, unless the rule moves all parameters as the right one does."""
    for case in CASES:
        _judge(rule, right, slips, case, seed)
    again = _equal(trajectory(rule, CASES[1], seed, runs=2), trajectory(right, CASES[1], seed))
    require(again, "remembers", OUTSIDE)
    expected = trajectory(right, TWINS, seed)
    sentence = "with two parameters of the same shape, each must have a memory of its own: keep it under the parameter"
    require(_equal(trajectory(rule, TWINS, seed), expected), "same-shapes", sentence)
    namesakes = Case(TWINS.shapes, TWINS.rates, "aaa")
    sentence = "with two parameters of the same name, each must have a memory of its own: keep it under the parameter"
    require(_equal(trajectory(rule, namesakes, seed), expected), "same-names", sentence)


def _judge(rule: Rule, right: Rule, slips: Slips, case: Case, seed: int) -> None:
    """One case: the first step that is wrong, with all that goes into it."""
    expected = trajectory(right, case, seed)
    with np.errstate(all="ignore"):
        answer = trajectory(rule, case, seed)
        if _equal(answer, expected):
            return
        require(_equal(trajectory(rule, case, seed), answer), "remembers", OUTSIDE)
        start = trajectory(stand, case, seed)
        sentence = _sentence(answer, expected, start, case, seed)
        still = f"{sentence}: no parameter has changed: is p.value assigned, and is what you subtract not 0?"
        require(not _equal(answer, start), "not-updated", still)
        for code, why, slip in slips:
            require(not _explains(slip, rule, case, seed), code, f"{sentence}: {why}")
    raise Wrong(Diagnosis("differs", sentence))


def _explains(slip: Rule, rule: Rule, case: Case, seed: int) -> bool:
    """Whether the slip moves the parameters as the student's rule does, in this case and in all others."""
    try:
        for one in (case, *CASES):
            answer = trajectory(rule, one, seed)
            if not _equal(answer, trajectory(slip, one, seed)):
                return False
            fault = _first_fault(rule, one, seed)
            hidden = not fault and not all(np.isfinite(as_array(x)).all() for after in answer for x in after)
            if not hidden and fault != _first_fault(slip, one, seed):  # hidden: it was made in another process
                return False
        return True
    except Exception:  # whatever the student's code does elsewhere, it is not this slip
        return False


def _first_fault(rule: Rule, case: Case, seed: int) -> str:
    """What makes the first NaN or infinity, such as "divide by zero"; "" if nothing does. NaN is like any other NaN."""
    try:
        with np.errstate(divide="raise", invalid="raise"):
            trajectory(rule, case, seed)
    except FloatingPointError as error:
        return str(error).partition(" encountered")[0]
    return ""


def stand(parameters: list[ComputationNode], lr: float, memory: dict[Any, Any]) -> None:
    """No step at all."""


def _sentence(answer: Values, expected: Values, start: Values, case: Case, seed: int) -> str:
    """The first number that is wrong: what it was, its gradient and the rate, what it became and should have become."""
    t, i, place = _first(answer, expected)
    rng = np.random.default_rng([seed, 7])
    for shape in case.shapes:
        numbers(rng, shape)
    gradients = [[_gradient(rng, shape, case) for shape in case.shapes] for _ in case.rates]
    before = (expected[t - 1] if t else start[0])[i][place]
    history = ", then ".join(number(float(step[i][place])) for step in gradients[: t + 1])
    rates = ", then ".join(number(rate) for rate in case.rates[: t + 1])
    yours, right = apart(float(answer[t][i][place]), float(expected[t][i][place]))
    who = case.names[i] + (f"[{', '.join(map(str, place))}]" if place else "")
    yours += " (0 / 0, inf / inf, or the root of a negative number)" if yours == "nan" else ""
    return (
        f"in step {t + 1} {who} goes from {number(float(before))} to {yours}; it should go to {right} "
        f"(lr is {rates}; its gradient is {history})"
    )


def _equal(a: Values, b: Values) -> bool:
    pairs = [(as_array(x), as_array(y)) for after, other in zip(a, b, strict=True)
             for x, y in zip(after, other, strict=True)]  # fmt: skip
    return all(same(np.where(np.isnan(y), 0.0, x), np.nan_to_num(y), 1e-7) and _alike_nan(x, y) for x, y in pairs)


def _alike_nan(x: Any, y: Any) -> bool:
    return bool((np.isnan(x) == np.isnan(y)).all())


def _first(answer: Values, expected: Values) -> tuple[int, int, tuple[int, ...]]:
    """The first step, parameter and place at which two runs differ."""
    for t, (mine, right) in enumerate(zip(answer, expected, strict=True)):
        for i, (x, y) in enumerate(zip(mine, right, strict=True)):
            off = ~(np.abs(np.asarray(x) - y) <= 1e-9 + 1e-7 * np.abs(y).max())
            if off.any():
                return t, i, tuple(int(n) for n in np.argwhere(off)[0])
    return len(answer) - 1, 0, (0,) * np.ndim(expected[-1][0])
