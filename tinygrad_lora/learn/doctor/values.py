"""Mistakes that show in the numbers: sign, a constant factor, the gradient that flows in, a factor, a mask, a share."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from ...core.node import Array
from ...view.words.sentences import apart
from ..diagnosis import Diagnosis, number
from ..exact import largest_difference, same
from .evidence import GradientCase, RuleTrial, quietly
from .shapes import summed

MOST_OUTPUTS = 64  # of each, the gradient is measured alone
Factor = Callable[[RuleTrial], Array | None]
Pointwise = Callable[[Array], Array]


def not_finite(case: GradientCase) -> Diagnosis | None:
    """NaN or infinity where a number should be."""
    bad = ~np.isfinite(case.answer)
    if not bad.any():
        return None
    place = tuple(int(i) for i in np.argwhere(bad)[0])
    what = "NaN" if np.isnan(case.answer[place]) else "infinite"
    clause = f"is {what}{at(place)}: is there a division by zero, a logarithm of 0, or an exponential that overflows?"
    return case.say("nan", clause, what)


def missing_upstream(case: GradientCase) -> Diagnosis | None:
    """The incoming gradient is ignored, used twice, or added: seen by running the rule again with another one."""

    def answer_for(trial: RuleTrial, factor: float, divisor: float = 1.0) -> Array | None:
        values = {**trial.values, "g": trial.values["g"] * factor}
        return quietly(lambda: case.subject.answers(values)[case.name] / divisor)

    if "g" not in case.subject.arguments or not any(t.truth[case.name].any() for t in case.trials):
        return None
    if not any(t.answers[case.name].any() for t in case.trials):
        return None
    if case.explains(lambda t: answer_for(t, 2.0)) and case.explains(lambda t: answer_for(t, -3.0)):
        clause = "stays the same when the incoming gradient g doubles: the chain rule multiplies by g"
        return case.say("missing-upstream", clause)
    if case.explains(lambda t: answer_for(t, 2.0, 4.0)):
        clause = "becomes 4 times as large when the incoming gradient g doubles: g counts once"
        return case.say("upstream-twice", clause)
    same_shape = case.answer.shape == case.first.values["g"].shape
    if same_shape and case.repairs(lambda t: (t.answers[case.name] - t.values["g"]) * t.values["g"]):
        return case.say("added-upstream", "adds the incoming gradient g; the chain rule multiplies by it")
    return None


def zero(case: GradientCase) -> Diagnosis | None:
    """The gradient is 0 everywhere, and should not be."""
    if case.truth.any() and case.explains(lambda t: np.zeros_like(t.answers[case.name])):
        largest = number(float(np.abs(case.truth).max()))
        return case.say("zero", f"is 0 everywhere; its largest element should be {largest} in size")
    return None


def local_derivative(case: GradientCase) -> Diagnosis | None:
    """The incoming gradient is passed on as it is, without the derivative."""

    def passed(trial: RuleTrial) -> Array | None:
        g, shape = trial.values["g"], trial.truth[case.name].shape
        return g if g.shape == shape else summed(g, shape)

    if case.explains(passed):
        return case.say("missing-local", "is the incoming gradient g, unchanged: multiply it by the derivative")
    return None


def constant_factor(case: GradientCase) -> Diagnosis | None:
    """The right gradient times one constant, in every trial. The constant is named where it has a name."""
    factors = [_ratio(trial.answers[case.name], trial.truth[case.name]) for trial in case.trials]
    if any(c is None for c in factors) or not case.explains(lambda t: factors[0] * t.truth[case.name]):
        return None
    c = factors[0]
    assert c is not None  # checked above
    if abs(c + 1) < 1e-6:
        return case.say("sign", "has the wrong sign: it is the right one times -1")
    if len(case.trials) < 2:
        return None  # one trial proves nothing
    names = " or ".join(name for name, value in _known_factors(case) if value and abs(c / value - 1) < 1e-6)
    guess = next((words for value, words in TWOS if abs(c / value - 1) < 1e-6), "")
    meaning = f"; {number(c)} is {names}" if names else guess
    return case.say("factor", f"is {number(c)} times what it should be{meaning}", names or number(c))


def _ratio(answer: Array, truth: Array) -> float | None:
    """The answer divided by the truth, where the truth is largest; None where either is 0 there."""
    place = np.unravel_index(int(np.abs(truth).argmax()), truth.shape) if truth.size else None
    return float(answer[place] / truth[place]) if place is not None and truth[place] and answer[place] else None


TWOS = (2.0, ": is a 2 too many, or a division by 2 missing?"), (0.5, ": is a 2 missing, or a division by 2 too many?")


def _known_factors(case: GradientCase) -> Iterator[tuple[str, float]]:
    """Numbers that are often forgotten, or written twice, and what they are."""
    for name, value in case.factors.items():
        yield name, value
        yield f"1 / ({name})" if " " in name else f"1 / {name}", 1 / value if value else 0.0
    if case.factors:
        return  # the author has named what there is
    sizes: dict[int, str] = {}
    for name in ("y", *case.subject.operands):
        shape = np.shape(case.first.values[name])
        for i, n in enumerate(shape):
            sizes.setdefault(n, f"the length of axis {i} of {name}")
        if len(shape) > 1:
            sizes.setdefault(int(np.prod(shape)), f"the number of elements of {name}")
    for n, name in sizes.items():
        if n > 2:
            yield name, float(n)
            yield f"1 / {n}, from {name}", 1 / n
    for n, name in sizes.items():
        if n > 4 and n / 2 not in sizes:  # the mean of squares has both: 2 / n
            yield f"{n} / 2, and {n} is {name}", n / 2
            yield f"2 / {n}, and {n} is {name}", 2 / n


def mask(case: GradientCase) -> Diagnosis | None:
    """Some elements are 0 and should not be, or should be 0 and are not; all of them, if the mask is inverted."""
    if all(_inverted(trial.answers[case.name], trial.truth[case.name]) for trial in case.trials):
        clause = "is 0 where it should not be, and not 0 where it should be: the mask is inverted"
        return case.say("reversed-mask", clause)
    forgotten = extra = True
    places = []
    for trial in case.trials:
        answer, truth = trial.answers[case.name], trial.truth[case.name]
        off = np.abs(answer - truth) > 1e-9 + case.rtol * np.abs(truth).max()
        if not off.any() or not (truth[~off] != 0).any():
            return None
        forgotten, extra = forgotten and not truth[off].any(), extra and not answer[off].any()
        places.append(off)
    if not forgotten and not extra:
        return None
    where = _where(case, places)
    if forgotten:
        clause = f"should be 0 {where}, where the output does not change with {case.name}; everywhere else it is right"
        return case.say("missing-mask", clause, where)
    return case.say("extra-mask", f"is 0 {where} and should not be; everywhere else it is right", where)


def _inverted(answer: Array, truth: Array) -> bool:
    return bool(answer.any() and truth.any() and ((answer == 0) != (truth == 0)).all())


def _where(case: GradientCase, places: list[Array]) -> str:
    """The wrong places in words: by the sign of an operand if that says it, else the first index."""
    tests: dict[str, Pointwise] = {
        "is 0": lambda x: x == 0,
        "is negative": lambda x: x < 0,
        "is positive": lambda x: x > 0,
        "is not positive": lambda x: x <= 0,
    }
    for name in case.subject.operands:
        for words, test in tests.items():
            arrays = [np.asarray(trial.values[name]) for trial in case.trials]
            pairs = zip(arrays, places, strict=True)
            if all(x.shape == off.shape and np.array_equal(test(x), off) for x, off in pairs):
                return f"where {name} {words}"
    return at(tuple(int(i) for i in np.argwhere(places[0])[0])).strip()


def one_factor(case: GradientCase) -> Diagnosis | None:
    """The chain rule has a factor too few or too many: one that is computed from y or from an operand."""
    for code, judge, quantity, clause in (
        ("missing-factor", case.repairs, "answers", LACKING),
        ("extra-factor", case.explains, "truth", EXCEEDING),
    ):
        times = partial(_times, case.name, quantity)
        factors = [words for words, factor in _factors(case) if quietly(partial(judge, partial(times, factor)))]
        if factors:
            return case.say(code, clause.format(" or ".join(factors)), factors[0])
    return None


# A factor too few is a division too many, and the other way around: the numbers are the same.
LACKING = "is right when multiplied by the factor {}: is one missing, or does one divide that should not?"
EXCEEDING = "is right when divided by the factor {}: is one too many, or is a division missing?"


def _times(name: str, quantity: str, factor: Factor, trial: RuleTrial) -> Array | None:
    """The student's answer or the truth, times the factor; None where the factor does not fit."""
    by = factor(trial)
    return None if by is None else np.asarray(getattr(trial, quantity)[name] * by)


def _factors(case: GradientCase) -> Iterator[tuple[str, Factor]]:
    """Candidates for a missing factor, each in words and as a function of a trial, if it has the gradient's shape."""
    shapes: dict[str, Pointwise] = {
        "{}": lambda v: v,
        "{}**2": lambda v: v**2,
        "(1 - {})": lambda v: 1 - v,
        "(1 + {})": lambda v: 1 + v,
        "(1 - {}**2)": lambda v: 1 - v**2,
    }
    for name in ("y", *case.subject.operands):
        for words, function in shapes.items():

            def factor(trial: RuleTrial, name: str = name, function: Pointwise = function) -> Array | None:
                x = np.asarray(trial.values[name], dtype=float)
                return function(x) if x.shape == trial.truth[case.name].shape else None

            yield words.format(name), factor


def overwritten(case: GradientCase) -> Diagnosis | None:
    """`=` for `+=`: of what several outputs send to one element, one share is left."""
    if not 1 < case.first.values["y"].size <= MOST_OUTPUTS:
        return None
    measured = [quietly(partial(_shares, case, trial)) for trial in case.trials]
    sent = [shares for shares in measured if shares is not None]
    if len(sent) < len(measured) or not (np.count_nonzero(sent[0], axis=0) > 1).any():
        return None
    shares_of = dict(zip(map(id, case.trials), sent, strict=True))
    for which, order in (("last", -1), ("first", 1)):
        if case.explains(lambda trial, order=order: _one(shares_of[id(trial)][::order])):  # type: ignore[misc]
            clause = f"keeps only the {which} of several contributions; it is their sum: add (+=), do not overwrite (=)"
            return case.say("overwritten", clause, which)
    return None


def _shares(case: GradientCase, trial: RuleTrial) -> Array:
    """What each output element alone sends back, one after another."""
    g, shares = trial.values["g"], []
    for i in np.ndindex(g.shape):
        alone = np.zeros_like(g)
        alone[i] = g[i]
        share = case.subject.truth({**trial.values, "g": alone})[case.name]
        shares.append(np.where(np.abs(share) > 1e-9 * np.abs(share).max(), share, 0.0))
    return np.array(shares)


def _one(shares: Array) -> Array:
    """For each element the first share that is not 0."""
    first = (shares != 0).argmax(axis=0)
    return np.take_along_axis(shares, first[None], axis=0)[0]


def whole_numbers(case: GradientCase) -> Diagnosis | None:
    """The right numbers, rounded to whole ones."""
    fractions = any((t.truth[case.name] % 1).any() for t in case.trials)
    cut = case.explains(lambda t: np.trunc(t.truth[case.name])) or case.explains(lambda t: np.round(t.truth[case.name]))
    if fractions and cut and case.answer.any():
        return case.say("integer-dtype", "has lost its fractions: it was stored in an array of whole numbers")
    return None


def differs(case: GradientCase) -> Diagnosis:
    """No hypothesis fits: the element that is furthest off."""
    by, place = largest_difference(case.answer, case.truth)
    right = same(case.answer, case.truth, 1e-2)
    close = "; that is close: is it computed with too few digits?" if right else ""
    yours, expected = apart(float(case.answer[place]), float(case.truth[place]))
    clause = f"differs, most{at(place)}: it is {yours} and should be {expected}"
    return case.say("differs", f"{clause}{close}", number(by))


def at(place: tuple[int, ...]) -> str:
    """` at [0, 2]`; nothing for a single number."""
    return f" at {list(place)}" if place else ""
