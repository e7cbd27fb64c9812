"""`diagnose`: what is wrong with a backward rule."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...core.node import Array
from ..cases import numbers
from ..diagnosis import Diagnosis, Example, Wrong, example
from ..exact import same
from . import arguments as exchanged, shapes, values
from .evidence import STEP, Factors, GradientCase, RuleTrial, Subject, quietly, trials_of, uncertainty

Hypothesis = Callable[[GradientCase], Diagnosis | None]

# In this order: what is certain before what is likely. Each looks at one operand's gradient.
HYPOTHESES: tuple[Hypothesis, ...] = (
    values.not_finite, values.zero, values.missing_upstream, shapes.swapped, shapes.transposed, shapes.reshaped,
    shapes.unsummed, shapes.unrepeated,
)  # fmt: skip
OF_ONE_SHAPE: tuple[Hypothesis, ...] = (
    values.constant_factor, values.whole_numbers, values.mask, exchanged.other_argument, values.local_derivative,
    values.overwritten, values.one_factor,
)  # fmt: skip
Alternatives = Mapping[str, tuple[str, Callable[..., Any]]]


def diagnose(
    rule: Callable[..., Any], forward: Callable[..., Any], *operands: ArrayLike,
    reference: Callable[..., Any] | None = None, arguments: str | None = None, names: Sequence[str] | None = None,
    wrt: Sequence[str] | None = None, factors: Factors | None = None,
    alternatives: Alternatives | None = None, g: ArrayLike | None = None, seed: int = 0, rtol: float = 1e-6,
    settings: Mapping[str, Any] | None = None,
) -> Diagnosis | None:  # fmt: skip
    r"""What is wrong with a backward rule, $\bar x = \bar y\,\partial y / \partial x$; None if nothing is.

    A name is given only if it explains the results for several operands and gradients; otherwise the code is "differs".
    What the rule raises is not caught.

    rule: `rule(g, y, *operands)` gets arrays: the gradient g that flows in, the output y, the operands. It gives one
        gradient, or a tuple with one for each operand
    forward: `forward(*operands)` is the function that the rule belongs to
    *operands: arrays at which the rule is tried
    arguments: what the rule takes, if that is something else: "g, y" or "x, g". The operands are called as in
        `forward`, or as `names` says
    names: the names of the operands, a list
    wrt: the operands that the rule gives gradients of; all that hold floats, if it is left out
    reference: a rule that is right, where finite differences are not good enough: at kinks, say
    factors: numbers that may have been forgotten, by name: {"alpha / r": 4.0}. They name a constant factor
    alternatives: mistakes of this exercise, {"overwrite": ("keeps only the last ...", wrong_rule)}: the code, the
        sentence after "the gradient of x", and a rule that makes the mistake
    g: the gradient that flows in; random if it is left out
    seed: a whole number that draws g and the further trials
    rtol: the largest difference, relative to the largest number of a gradient, that counts as rounding
    settings: what else the rule depends on, for the example: {"axis": 1}
    Returns a `tinygrad_lora.learn.Diagnosis`, or None.
    Raises ValueError for `arguments` that name something else.

    >>> tl.diagnose(lambda g, y, x: g * (1 - y * y), np.tanh, np.array([0.5, 1.0]))
    >>> print(tl.diagnose(lambda g, y, x: g, np.tanh, np.array([0.5, 1.0])))
    the gradient of x is the incoming gradient g, unchanged: multiply it by the derivative
    """
    called = tuple(names or _names(forward, len(operands)))
    by_name = {name: _plain(x) for name, x in zip(called, operands, strict=True)}
    order = tuple(part.strip() for part in arguments.split(",")) if arguments else ("g", "y", *called)
    if unknown := [name for name in order if name not in ("g", "y", *called)]:
        raise ValueError(f"arguments={arguments!r}: {unknown[0]} is not g, y or one of {', '.join(called)}")
    floats = tuple(wrt or [name for name in called if by_name[name].dtype.kind == "f"])
    subject = Subject(rule, forward, reference, called, order, floats)
    rng = np.random.default_rng([seed, 17])
    # No two numbers of it are alike: where they are, a softmax passes nothing on, and many mistakes do not show.
    incoming = numbers(rng, np.shape(forward(*by_name.values()))) if g is None else g
    trials = trials_of(subject, by_name, np.asarray(incoming, dtype=float), rng)
    try:
        first = next(trials)
    except Wrong as wrong:
        return wrong.diagnosis
    off = next((name for name in floats if not _is_right(subject, name, first, rtol)), None)
    if off is None:
        return None  # the other trials are for the name of a mistake
    diagnosis = _gradient(subject, off, (first, *trials), factors or {}, alternatives or {}, rtol)
    return replace(diagnosis, example=_example(subject, off, first, settings or {}))


def _is_right(subject: Subject, name: str, trial: RuleTrial, rtol: float) -> bool:
    """Whether the gradient of one operand is right. None stands for zero."""
    answer, truth = trial.answers[name], trial.truth[name]
    if answer is None or truth is None:
        return not any(x is not None and x.any() for x in (answer, truth))
    return same(answer, truth, rtol) or _in_doubt(subject, name, trial)


def _gradient(
    subject: Subject, name: str, trials: Sequence[RuleTrial], factors: Factors, alternatives: Alternatives, rtol: float
) -> Diagnosis:
    """What is wrong with the gradient of one operand, which is wrong in the first trial."""
    answer, truth = trials[0].answers[name], trials[0].truth[name]
    if answer is None or truth is None:
        clause = "is None" if answer is None else "should be None: no gradient flows there"
        return Diagnosis("no-return" if answer is None else "differs", f"the gradient of {name} {clause}")
    # A trial in which the student's result has no shape to compare says nothing.
    useful = tuple(t for t in trials if t.answers[name] is not None and t.answers[name].shape == answer.shape)
    case = GradientCase(subject, name, useful, factors, rtol)
    for code, (sentence, wrong) in alternatives.items():
        if case.explains(partial(_answer, wrong, subject, name)):
            return case.say(code, sentence)
    return named(case, HYPOTHESES if answer.shape != truth.shape else HYPOTHESES + OF_ONE_SHAPE)


def _example(subject: Subject, name: str, trial: RuleTrial, settings: Mapping[str, Any]) -> Example:
    """A trial in numbers: the arguments of the rule, the student's answer, the true gradient."""
    arguments = {key: trial.values[key] for key in subject.arguments}
    *given, (_, yours), expected = example(trial.answers[name], trial.truth[name], **arguments, **settings)
    return (*given, (f"yours, for {name}", yours), expected)


def named(case: GradientCase, hypotheses: Sequence[Hypothesis]) -> Diagnosis:
    """The diagnosis of the first hypothesis that fits; if none does, where the arrays differ most."""
    diagnoses = (hypothesis(case) for hypothesis in (*hypotheses, shapes.wrong_shape))
    return next((diagnosis for diagnosis in diagnoses if diagnosis), None) or values.differs(case)


def _in_doubt(subject: Subject, name: str, trial: RuleTrial) -> bool:
    """Whether the measured gradient is too uncertain to call a result wrong that is so close to it."""
    answer, truth = trial.answers[name], trial.truth[name]
    if subject.reference is not None or answer.shape != truth.shape or not np.isfinite(answer).all():
        return False
    coarse, fine = (quietly(partial(subject.truth, trial.values, step)) for step in (STEP, STEP / 3))
    doubt = 0 if coarse is None or fine is None else 10 * np.abs(coarse[name] - fine[name])
    return bool((np.abs(answer - truth) <= doubt + uncertainty(trial.values, name)).all())


def _answer(rule: Callable[..., Any], subject: Subject, name: str, trial: RuleTrial) -> Any:
    return replace(subject, rule=rule).answers(trial.values)[name]


def _names(forward: Callable[..., Any], n: int) -> list[str]:
    """What the forward calls its operands; x, or a, b, c, where it does not say, as NumPy's functions do not."""
    try:
        parameters = [p for p in inspect.signature(forward).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    except (TypeError, ValueError):
        parameters = []
    names = [p.name for p in parameters[:n]]
    usable = len(names) == n and not {"g", "y"} & set(names) and not isinstance(forward, np.ufunc)
    return names if usable else ["x"] if n == 1 else list("abcdefh"[:n])


def _plain(x: ArrayLike) -> Array:
    """Numbers as arrays of floats; whole-number arrays stay, because they are indices."""
    return np.array(x, dtype=float) if isinstance(x, int | float) else np.array(x)
