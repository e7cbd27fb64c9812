"""What the doctor looks at: the same rule on several operands, each time with the true gradient beside it.

A mistake gets a name only if the name explains every trial. One trial alone can mislead: of two numbers, each is a
constant times the other.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import FunctionType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from ...core.node import Array
from ...view.words.grammar import counted
from ..checking.arguments import on_copies
from ..diagnosis import Diagnosis, refuse
from ..exact import as_array, kind_of, same

TRIALS = 3
STEP = 1e-3  # of the central differences
EPSILON = float(np.finfo(float).eps)
Scalar = Callable[[Array], float]  # a function whose value is one number
Values = dict[str, Any]  # arrays by name; None for a gradient that is not there
Factors = Mapping[str, float]  # numbers that may have been forgotten, by what they are
T = TypeVar("T")


@dataclass(frozen=True)
class RuleTrial:
    """One set of operands, with the student's answers and the true gradients, by name."""

    values: Values
    truth: Values
    answers: Values


@dataclass(frozen=True)
class Subject:
    """A student's backward rule, and what is needed to know what it should give.

    `operands` are the names of what the forward takes, `arguments` those of what the rule takes, in order ("g", "y" and
    operands), `wrt` those that the rule must give a gradient of, in order.
    """

    rule: Callable[..., Any]
    forward: Callable[..., Any]
    reference: Callable[..., Any] | None
    operands: tuple[str, ...]
    arguments: tuple[str, ...]
    wrt: tuple[str, ...]

    def answers(self, values: Values) -> Values:
        """What the student's rule gives, by name, as arrays; None stays None. Raises Wrong for anything else."""
        rule = on_copies(self.rule, self.arguments)
        return split(rule(*(values[name] for name in self.arguments)), self.wrt)

    def truth(self, values: Values, step: float = STEP) -> Values:
        """The gradients as they should be: the reference's, or those of central differences."""
        if self.reference is None:
            return {name: differences(self.weighted(values, name), values[name], step) for name in self.wrt}
        gradients = self.reference(*(np.array(values[name]) for name in self.arguments))
        return split(gradients, self.wrt)

    def weighted(self, values: Values, name: str) -> Scalar:
        """The number whose gradient is wanted, the sum of g y, as a function of one operand."""

        def total(x: Any) -> float:
            operands = [x if other == name else values[other] for other in self.operands]
            return float((values["g"] * np.asarray(self.forward(*operands))).sum())

        return total

    def trial(self, operands: Values, g: ArrayLike) -> RuleTrial:
        """The rule's answers for these operands beside the truth."""
        y = np.asarray(self.forward(*(operands[name] for name in self.operands)))
        values = {**operands, "y": y, "g": np.broadcast_to(g, y.shape).astype(float)}
        truth, answers = self.truth(values), self.answers(values)
        if self.reference is None:
            for name in self.wrt:
                truth[name] = settled(self.weighted(values, name), values, name, truth[name], answers[name])
        return RuleTrial(values, truth, answers)


def split(result: Any, names: Sequence[str]) -> Values:
    """What a rule gave as one array for each name. Raises Wrong if there are more or fewer."""
    if result is None:
        raise refuse("no-return", "your rule gave None: does it end with `return`?")
    if len(names) == 1 and not (type(result) in (tuple, list) and len(result) == 1):
        result = (result,)
    elif type(result) not in (tuple, list):
        raise refuse("count", f"return one gradient for each of {', '.join(names)}, not {kind_of(result)}")
    if len(result) != len(names):
        sentence = f"your rule gave {counted(len(result), 'gradient')}; it must give {len(names)}: {', '.join(names)}"
        raise refuse("count", sentence)
    parts = zip(names, (part() if type(part) is FunctionType else part for part in result), strict=True)
    return {name: None if part is None else as_array(part, f"the gradient of {name}") for name, part in parts}


@dataclass(frozen=True)
class GradientCase:
    """An array that is wrong, in several trials: usually the gradient of an operand. Messages quote the first."""

    subject: Subject
    name: str
    trials: tuple[RuleTrial, ...]
    factors: Factors
    rtol: float
    called: str = ""  # "the output"; where it is empty, it is the gradient of `name`

    @property
    def first(self) -> RuleTrial:
        return self.trials[0]

    @property
    def truth(self) -> Array:
        return self.first.truth[self.name]

    @property
    def answer(self) -> Array:
        return self.first.answers[self.name]

    def explains(self, guess: Callable[[RuleTrial], Any]) -> bool:
        """Whether the guess, computed from each trial, is what the student's rule gave in every one."""
        return all(self.same(guess(trial), trial.answers[self.name]) for trial in self.trials)

    def repairs(self, change: Callable[[RuleTrial], Any]) -> bool:
        """Whether the student's result, changed in this way, is right in every trial."""
        return all(self.same(change(trial), trial.truth[self.name]) for trial in self.trials)

    def same(self, a: Any, b: Any) -> bool:
        """Whether two arrays agree, as closely as this case asks for. None agrees with nothing."""
        return a is not None and b is not None and same(np.asarray(a, dtype=float), b, self.rtol)

    def rerun(self, change: Callable[[Values], Values | None]) -> bool:
        """Whether the rule is right, in every trial, when it is given these values in place of its arguments."""

        def answer(trial: RuleTrial) -> Any:
            changed = change(dict(trial.values))
            return changed and quietly(lambda: self.subject.answers(changed)[self.name])

        return self.repairs(answer)

    def say(self, code: str, clause: str, detail: str = "") -> Diagnosis:
        """The diagnosis: "the gradient of x", or what else is wrong, and then the clause."""
        return Diagnosis(code, f"{self.called or f'the gradient of {self.name}'} {clause}", detail)


def quietly(f: Callable[[], T]) -> T | None:
    """What the function gives; None if it fails. Its warnings are ours, not the student's: they are dropped."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return f()
        except Exception:
            return None


def trials_of(subject: Subject, operands: Values, g: ArrayLike, rng: np.random.Generator) -> Iterator[RuleTrial]:
    """The trial with the given operands, then others near it: signs and zeros stay as they are."""
    yield subject.trial(operands, g)
    for _ in range(TRIALS - 1):
        moved = {name: jittered(x, rng) for name, x in operands.items()}
        if (trial := quietly(partial(_tried, subject, moved, jittered(g, rng)))) is not None:
            yield trial


def _tried(subject: Subject, operands: Values, g: ArrayLike) -> RuleTrial | None:
    """A trial, unless its true gradients are not finite."""
    trial = subject.trial(operands, g)
    finite = all(np.isfinite(x).all() for x in trial.truth.values() if x is not None)
    return trial if finite else None


def jittered(x: ArrayLike, rng: np.random.Generator) -> Array:
    """The array with each number changed a little, in size but not in sign. Whole numbers stay: they are indices."""
    x = np.asarray(x)
    return np.asarray(x * rng.uniform(0.75, 1.25, size=x.shape)) if x.dtype.kind == "f" else x


# --- True gradients by finite differences, and how far they can be trusted: rounding, and kinks ---


def differences(f: Scalar, x: ArrayLike, step: float = STEP) -> Array:
    """The gradient of a scalar function by central differences of fourth order, good to about ten digits."""
    x = np.array(x, dtype=float)
    result = np.zeros_like(x)

    def at(i: tuple[int, ...], h: float) -> float:
        moved = x.copy()
        moved[i] += h
        return f(moved)

    for i in np.ndindex(x.shape):
        h = step * (1.0 if x[i] == 0 else min(1.0, abs(float(x[i]))))
        result[i] = (8 * (at(i, h) - at(i, -h)) - (at(i, 2 * h) - at(i, -2 * h))) / (12 * h)
    return result


def settled(f: Scalar, values: Values, name: str, truth: Array, answer: Array | None) -> Array:
    """The true gradient. At a kink an answer between the slopes of the two sides is true."""
    if answer is None or answer.shape != truth.shape:
        return truth
    x, result, last_digit = values[name], truth.copy(), EPSILON * size_of(values)
    middle = f(x)
    for place in np.argwhere(~(np.abs(answer - truth) <= 1e-6 * (1 + np.abs(truth)))):
        i, h = tuple(place), 1e-6 * (1 + float(np.abs(x[tuple(place)])))
        left, right = x.copy(), x.copy()
        left[i], right[i] = left[i] - h, right[i] + h
        low, high = sorted([(middle - f(left)) / h, (f(right) - middle) / h])
        if high - low > 1e-3 * (1 + abs(low) + abs(high)) + 16 * last_digit / h:
            result[i] = min(max(answer[i], low), high)
    return result


def uncertainty(values: Values, name: str) -> Array:
    """How far rounding may put these differences off: the last digit of the sum, divided by a step."""
    x = np.abs(np.asarray(values[name], dtype=float))
    return 4 * EPSILON * size_of(values) / (STEP * np.where(x == 0, 1.0, np.minimum(x, 1.0)))


def size_of(values: Values) -> float:
    """How large the terms of the sum of g y are: what is lost of their last digits is lost in a difference."""
    return float(np.abs(values["g"] * values["y"]).sum())
