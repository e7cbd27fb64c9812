"""`diagnose_layer`: what is wrong with a layer, beside one that is right."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...core.node import Array, ComputationNode
from ...nn import Layer
from ..cases import Rng
from ..diagnosis import Diagnosis, example
from ..exact import as_array, kind_of, same
from . import shapes, values
from .evidence import TRIALS, Factors, GradientCase, RuleTrial, Subject, jittered, quietly
from .rules import diagnose, named

OF_ANY_SHAPE = (values.not_finite, values.zero, shapes.transposed, shapes.reshaped)
OF_ONE_SHAPE = (values.constant_factor, values.one_factor)  # named as `diagnose` names them
OUTPUT = "the output"
Arrays = Mapping[str, Any]


def diagnose_layer(
    layer: Layer, reference: Layer, x: ArrayLike, *, factors: Factors | None = None, seed: int = 0,
    rtol: float = 1e-6,
) -> Diagnosis | None:  # fmt: skip
    r"""What is wrong with a layer $y = f(x; \theta)$ beside a right one of the same parameters; None if nothing is.

    Compared are the names and shapes of the parameters and which are trainable; then the output for x and arrays like
    it; then, after `backward`, the gradients of x and of each trainable parameter. For that both layers get the same
    random parameters, and their own ones back at the end.

    layer: the student's layer
    reference: the right one
    x: an array that both take
    factors: numbers that may have been forgotten, by name
    seed: a whole number that draws parameters and further inputs
    rtol: the largest relative difference that counts as rounding
    Returns a `Diagnosis`, or None.

    >>> class Forgets(tl.Linear):
    ...     def __call__(self, x):
    ...         return x @ self.weight
    >>> print(tl.learn.diagnose_layer(Forgets(3, 2), tl.Linear(3, 2), np.ones((4, 3))).code)
    unused-parameter
    """
    diagnosis = _parameters(layer, reference.named_parameters())
    if diagnosis is not None:
        return diagnosis
    with _parameters_kept(layer), _parameters_kept(reference):
        rng = np.random.default_rng([seed, 23])
        start = {"x": np.asarray(x)}
        start |= {name: rng.normal(size=p.shape).round(2) for name, p in reference.named_parameters().items()}
        wrong = _output(layer, reference, start, factors or {}, rng, rtol)
        return wrong or _gradients(layer, reference, start, factors or {}, seed, rtol)


def _parameters(layer: Layer, right: Mapping[str, ComputationNode]) -> Diagnosis | None:
    """What is wrong with the parameters: their names, their shapes, which are trainable; None if nothing is."""
    own = layer.named_parameters()
    if missing := [name for name in right if name not in own]:
        first, attributes = missing[0], vars(layer)
        has = f"it has {', '.join(own)}" if own else "it has none: assign tl.parameter(...) to an attribute"
        if first in attributes:
            has = f"what you assign to it is {kind_of(attributes[first])}: put it into tl.parameter(...)"
        return Diagnosis("missing-parameter", f"the layer has no parameter called {first}; {has}", first)
    if extra := [name for name in own if name not in right]:
        return Diagnosis("extra-parameter", f"the layer has a parameter {extra[0]} that it should not have", extra[0])
    for name, p in right.items():
        if own[name].shape != p.shape:
            turned = " (transposed)" if own[name].shape == p.shape[::-1] else ""
            sentence = f"{name} has shape {own[name].shape}; it must have {p.shape}{turned}"
            return Diagnosis("parameter-shape", sentence, name)
        if own[name].requires_gradient != p.requires_gradient:
            words = ("must be trainable; it is frozen", "must be frozen; it is trainable")
            code = "frozen" if p.requires_gradient else "not-frozen"
            return Diagnosis(code, f"{name} {words[not p.requires_gradient]}", name)
    return None


@contextmanager
def _parameters_kept(layer: Layer) -> Iterator[None]:
    """Give the parameters their values back at the end of the block."""
    before = {p: p.value for p in layer.named_parameters().values()}
    try:
        yield
    finally:
        for p, array in before.items():
            p.value = array
        layer.reset_state()


def _run(layer: Layer, arrays: Arrays) -> Array:
    """The output with these parameters and this input."""
    for name, p in layer.named_parameters().items():
        p.value = np.asarray(arrays[name]).astype(p.dtype)
    return layer.forward(np.array(arrays["x"]))


def _output(layer: Layer, reference: Layer, start: Arrays, factors: Factors, rng: Rng, rtol: float) -> Diagnosis | None:
    """What is wrong with the output."""
    trials, names = [], tuple(name for name in start if name != "x")
    for i in range(TRIALS):
        arrays = {name: jittered(array, rng) for name, array in start.items()} if i else dict(start)
        right, answer = _run(reference, arrays), as_array(_run(layer, arrays), OUTPUT)
        trials.append(RuleTrial({**arrays, "y": right}, {OUTPUT: right}, {OUTPUT: answer}))
    if all(same(trial.answers[OUTPUT], trial.truth[OUTPUT], rtol) for trial in trials):
        return None
    subject = Subject(lambda: None, lambda: None, None, ("x", *names), (), (OUTPUT,))
    case = GradientCase(subject, OUTPUT, tuple(trials), factors, rtol, called=OUTPUT)
    answer, truth = trials[0].answers[OUTPUT], trials[0].truth[OUTPUT]
    return replace(_named(case, reference, names), example=example(answer, truth, **start, **factors))


def _named(case: GradientCase, reference: Layer, names: tuple[str, ...]) -> Diagnosis:
    """What is wrong with the output, which is: a parameter that is not used as it should be, or the numbers."""
    if nothing := values.zero(case):
        return nothing  # whichever parameter is 0, so is the output
    for name in names:
        if case.explains(partial(_with, reference, name, np.zeros_like)):
            return case.say("unused-parameter", f"is what it would be if {name} were 0: {name} is not used", name)
        if case.explains(partial(_with, reference, name, np.negative)):
            return case.say("sign", f"is what it would be with -{name} in place of {name}", name)
        if case.explains(partial(_with, reference, name, np.transpose)):
            return case.say("transposed-operand", f"is what it would be with {name}.T in place of {name}", name)
    return named(case, (*OF_ANY_SHAPE, *(OF_ONE_SHAPE if case.answer.shape == case.truth.shape else (_wrong_shape,))))


def _wrong_shape(case: GradientCase) -> Diagnosis:
    return case.say("wrong-shape", f"has shape {case.answer.shape}; it must have {case.truth.shape}")


def _with(reference: Layer, name: str, change: Callable[[Array], Array], trial: RuleTrial) -> Array | None:
    """The right output with one parameter changed; None where that does not fit."""
    changed = change(trial.values[name])
    if changed.shape != trial.values[name].shape or np.array_equal(changed, trial.values[name]):
        return None
    return quietly(partial(_run, reference, {**trial.values, name: changed}))


def _gradients(
    layer: Layer, reference: Layer, start: Arrays, factors: Factors, seed: int, rtol: float
) -> Diagnosis | None:
    """What is wrong with the gradients, by the rules for rules: a layer's `backward` is one."""
    names = list(start)
    trainable = [name for name, p in reference.named_parameters().items() if p.requires_gradient]
    wrt = [name for name in names if name in trainable or (name == "x" and start["x"].dtype.kind == "f")]

    def rule(layer: Layer, g: Any, *arrays: Any) -> Any:
        _run(layer, dict(zip(names, arrays, strict=True)))
        gradients = {"x": layer.backward(g)} | {name: p.gradient for name, p in layer.named_parameters().items()}
        return tuple(gradients[name] for name in wrt)

    if not wrt:
        return None
    return diagnose(
        partial(rule, layer), lambda *arrays: _run(reference, dict(zip(names, arrays, strict=True))), *start.values(),
        reference=partial(rule, reference), arguments=", ".join(["g", *names]), names=names, wrt=wrt, factors=factors,
        seed=seed, rtol=rtol, settings=factors,
    )  # fmt: skip
