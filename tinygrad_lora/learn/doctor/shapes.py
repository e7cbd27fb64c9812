"""Mistakes that show in the shape: transposed, not summed over a broadcast axis, not repeated, swapped."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from ...core.node import Array, Shape
from ..diagnosis import Diagnosis
from .evidence import GradientCase, RuleTrial


def swapped(case: GradientCase) -> Diagnosis | None:
    """Two gradients are returned in the wrong order."""
    for other in case.subject.wrt:
        exchanged = all(case.same(t.truth[case.name], t.answers[other]) for t in case.trials)
        if other != case.name and exchanged and case.explains(partial(_truth_of, other)):
            clause = f"is what that of {other} should be: give them in the order {', '.join(case.subject.wrt)}"
            return case.say("swapped-gradients", clause, other)
    return None


def _truth_of(name: str, trial: RuleTrial) -> Any:
    return trial.truth[name]


def transposed(case: GradientCase) -> Diagnosis | None:
    """The gradient is transposed, or each matrix of a stack is."""
    if case.answer.ndim >= 2 and case.repairs(lambda t: t.answers[case.name].mT):
        clause = f"is transposed: it has shape {case.answer.shape}, with rows and columns exchanged"
        return case.say("transposed", clause)
    return None


def unsummed(case: GradientCase) -> Diagnosis | None:
    """The gradient of a broadcast operand is a sum, and the sum is missing, or runs over the wrong axis."""
    axes = broadcast_axes(case.truth.shape, case.first.values["y"].shape)
    where = " and ".join(f"axis {i}" for i in axes)
    if axes and case.repairs(lambda t: summed(t.answers[case.name], t.truth[case.name].shape)):
        clause = f"is not summed over {where}, where {case.name} {case.truth.shape} was repeated to fill "
        return case.say("unsummed", clause + f"{case.first.values['y'].shape}: a repeated number gets the sum", where)
    if not axes:
        return None
    for wrong in _other_axes(case):
        clause = f"is summed over axis {wrong}; {case.name} was repeated along {where}"
        return case.say("wrong-axis", clause, f"axis {wrong}")
    return None


def _other_axes(case: GradientCase) -> Iterator[int]:
    """The wrong axes over which the student may have summed: each of them explains the answer."""
    shape = case.first.values["y"].shape
    right = broadcast_axes(case.truth.shape, shape)

    def summed_over(axis: int, trial: RuleTrial) -> Any:
        """The sum over an axis of what comes to an operand that is repeated by hand."""
        wide = {**trial.values, case.name: np.broadcast_to(trial.values[case.name], shape)}
        return case.subject.truth(wide)[case.name].sum(axis=axis)

    for axis in range(len(shape)) if case.subject.reference is None else ():
        if (axis,) != right and case.explains(partial(summed_over, axis)):
            yield axis


def reshaped(case: GradientCase) -> Diagnosis | None:
    """Right numbers in another shape, such as one with an axis of length 1 left over."""
    if case.answer.size != case.truth.size:
        return None
    if case.repairs(lambda t: t.answers[case.name].reshape(t.truth[case.name].shape)):
        clause = f"has the right numbers in shape {case.answer.shape}; the shape of {case.name} is {case.truth.shape}"
        return case.say("reshaped", clause)
    return None


def unrepeated(case: GradientCase) -> Diagnosis | None:
    """The gradient is not repeated for every element, as it must be after a sum."""

    def repeated(trial: RuleTrial) -> Array | None:
        answer, shape = trial.answers[case.name], trial.truth[case.name].shape
        kept = [*answer.shape] + [1] * (len(shape) - answer.ndim)
        for candidate in (answer, answer.reshape(kept)):
            if fits(candidate.shape, shape):
                return np.broadcast_to(candidate, shape)
        return None

    if case.answer.size < case.truth.size and case.repairs(repeated):
        elements = f"every element of {case.name} {case.truth.shape}"
        return case.say("unrepeated", f"has shape {case.answer.shape}; {elements} needs its own: repeat it")
    return None


def wrong_shape(case: GradientCase) -> Diagnosis | None:
    """The shape is wrong, and no other hypothesis says why."""
    if case.answer.shape == case.truth.shape:
        return None
    clause = f"has shape {case.answer.shape}; a gradient has the shape of its array, here {case.truth.shape}"
    return case.say("wrong-shape", clause)


def broadcast_axes(small: Shape, whole: Shape) -> tuple[int, ...]:
    """The axes of `whole` along which an array of shape `small` was repeated; none if it does not broadcast."""
    if not fits(small, whole):
        return ()
    extra = len(whole) - len(small)
    return (*range(extra), *(i + extra for i, n in enumerate(small) if n == 1 and whole[i + extra] != 1))


def summed(x: Array, shape: Shape) -> Array | None:
    """x summed over the axes along which `shape` was repeated; None if it cannot have been."""
    if x.shape == shape or not fits(shape, x.shape):
        return None
    return x.sum(axis=broadcast_axes(shape, x.shape), keepdims=False).reshape(shape)


def fits(small: Shape, whole: Shape) -> bool:
    """Whether an array of shape `small` broadcasts to `whole`."""
    if len(small) > len(whole):
        return False
    return all(n in (1, m) for n, m in zip(small[::-1], whole[::-1], strict=False))
