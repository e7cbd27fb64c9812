"""`diagnose_step`: what is wrong with a training step, from what it does to the parameters of a small model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ...core.node import ComputationNode
from ...core.ops import tanh
from ...errors import GradientError, StaleGraphError
from ...library import mse
from ...nn import SGD, Linear, Optimizer, Sequential
from ...view.words.sentences import apart
from ..diagnosis import Diagnosis, Wrong, example, number
from ..exact import all_same, as_number

STEPS, ROWS, RATE = 3, 5, 0.25  # none is the other, or 1 / the other: a factor has one name
Step = Callable[[Sequential, Callable[..., Any], Optimizer, Any, Any], Any]


@dataclass
class _History:
    """What a step did: all parameters as one vector before and after each call, frozen ones apart, and the losses."""

    trained: list[Any]
    frozen: list[Any]
    losses: list[Any]
    batches: list[tuple[Any, Any]]  # what the model gives before each call, and the target
    gradients: Any = None  # after the first call


def lopsided(y: Any, target: Any) -> ComputationNode:
    """A loss that is another one when its arguments change places, as the cross-entropy is."""
    return mse(y, 2.0 * target)


lopsided.__qualname__ = "loss"  # as Python calls it where it gets too few arguments: that is the student's name for it


def diagnose_step(step: Step, *, seed: int = 0, rtol: float = 1e-6) -> Diagnosis | None:
    r"""What is wrong with a training step $\theta \leftarrow \theta - \eta\,\bar\theta$; None if nothing is.

    The step is called three times on a model of which one parameter is frozen, each time with another batch, and
    compared with what should happen.

    step: `step(model, loss, optimizer, x, target)` trains the model on one batch of arrays and returns the loss before
        the update, as a number: `loss(model(x), target)` is a node, `optimizer` an SGD
    seed: a whole number that draws model and batches
    rtol: the largest relative difference that counts as rounding
    Returns a `Diagnosis`, or None.

    >>> def step(model, loss, optimizer, x, target):
    ...     value = loss(model(tl.constant(x)), target)
    ...     value.backward()
    ...     optimizer.step()
    ...     return value.value
    >>> print(tl.learn.diagnose_step(step).code)
    not-zeroed
    """
    right = _history(_right, seed)
    try:
        history = _history(step, seed)
    except StaleGraphError:
        sentence = "the parameters changed before backward(): go forward, then backward, then update"
        return Diagnosis("stale-graph", sentence)
    except GradientError as error:
        order = "call backward() before step(), and forget gradients before backward()"
        none = "no parameter has a gradient" in str(error)
        return Diagnosis("no-gradient", f"the optimizer found no gradient: {order}" if none else str(error))
    except Wrong as wrong:
        return wrong.diagnosis
    return _parameters(history, right, seed, rtol) or _losses(history, right, seed, rtol)


def _right(model: Any, loss: Any, optimizer: Optimizer, x: Any, target: Any) -> float:
    optimizer.zero_gradients()
    return _without_zero(model, loss, optimizer, x, target)


def _swapped(model: Any, loss: Any, optimizer: Optimizer, x: Any, target: Any) -> float:
    return _right(model, lambda y, target: loss(target, y), optimizer, x, target)


def _without_zero(model: Any, loss: Any, optimizer: Optimizer, x: Any, target: Any) -> float:
    value = loss(model(x), target)
    value.backward()
    optimizer.step()
    return float(value.value)


def _history(step: Step, seed: int) -> _History:
    model = Sequential(Linear(3, 4, seed=seed), tanh, Linear(4, 2, seed=seed + 1))
    frozen: ComputationNode = model[0].bias
    frozen.requires_gradient = False
    optimizer, rng = SGD(model.parameters(), lr=RATE), np.random.default_rng([seed, 29])
    history = _History([model.get_parameters()], [frozen.value], [], [])
    for _ in range(STEPS):
        x, target = rng.normal(size=(ROWS, 3)), rng.normal(size=(ROWS, 2))
        history.batches.append((model.forward(x), target))
        history.losses.append(step(model, lopsided, optimizer, x, target))
        history.trained.append(model.get_parameters())
        history.frozen.append(frozen.value)
        if history.gradients is None:
            history.gradients = model.get_parameter_gradients()
    return history


def _parameters(history: _History, right: _History, seed: int, rtol: float) -> Diagnosis | None:
    """What is wrong with the new values of the parameters; None if nothing is."""
    if changed := [after for after in history.frozen if (after != history.frozen[0]).any()]:
        sentence = "a frozen parameter was changed: update model.parameters(), which leaves the frozen ones out"
        return Diagnosis("frozen-changed", sentence, example=example(changed[0], history.frozen[0]))
    if _close(history.trained, right.trained, rtol):
        return None
    moves, right_moves = np.diff(history.trained, axis=0), np.diff(right.trained, axis=0)
    if not moves.any():
        return Diagnosis("not-updated", "no parameter was changed: is optimizer.step() called?")
    off = np.abs(moves - right_moves)
    t = next((t for t, row in enumerate(off) if row.max() > 1e-12 + rtol * np.abs(right_moves).max()), 0)
    i = int(off[t].argmax())
    gradients = {f"its gradient in step {k + 1}": -right_moves[k][i] / RATE for k in range(t + 1)}
    before, mine, wanted = (float(x[i]) for x in (right.trained[t], history.trained[t + 1], right.trained[t + 1]))
    shown = example(mine, wanted, lr=RATE, **{f"one parameter before step {t + 1}": before}, **gradients)
    say = partial(Diagnosis, example=shown)
    if _close(history.trained, _history(_swapped, seed).trained, rtol):
        sentence = "the arguments of the loss have changed places: the output of the model first, then the target"
        return say("swapped-arguments", sentence)
    if _close(history.trained, _history(_without_zero, seed).trained, rtol):
        sentence = "the gradients of the step before are still there, and backward() adds to them: forget them first"
        return say("not-zeroed", sentence)
    first, right_first = moves[0], right_moves[0]
    c = float(first @ right_first / (right_first @ right_first))
    if not _close([first], [c * right_first], rtol) or abs(c - 1) < rtol:
        yours, expected = apart(mine, wanted)
        sentence = f"the parameters go elsewhere: in step {t + 1} one becomes {yours}; it should become {expected}"
        return say("differs", sentence)
    if abs(c + 1) < 1e-6:
        return say("wrong-direction", "the parameters move up the slope: subtract the gradient, do not add it")
    if abs(c - 2) < 1e-6:
        doubled = _close([history.gradients], [-2 * right_first / RATE], rtol)
        sentence = "backward() is called twice, and adds, or what is sent back is twice the loss" if doubled else ""
        return say("double-step", f"the parameters move twice as far: {sentence or 'the update is made twice'}")
    names = {RATE: "the learning rate, which counts twice", 1 / RATE: "1 / lr: the learning rate is missing",
             ROWS: "the batch size", 1 / ROWS: "1 / the batch size"}  # fmt: skip
    name = next((f": {words}" for value, words in names.items() if abs(c / value - 1) < 1e-6), "")
    return say("factor", f"the parameters move {number(c)} times as far as they should{name}", name[2:])


def _losses(history: _History, right: _History, seed: int, rtol: float) -> Diagnosis | None:
    """What is wrong with the losses that were returned; None if nothing is."""
    try:
        losses = [as_number(loss, "what your step returned") for loss in history.losses]
    except Wrong as wrong:
        return wrong.diagnosis
    if _close(losses, right.losses, rtol):
        return None
    t = next(t for t, pair in enumerate(zip(losses, right.losses, strict=True)) if not _close(pair[:1], pair[1:], rtol))
    y, target = right.batches[t]
    given = {"model(x)": y, "target": target, "loss(y, target)": "the mean of (y - 2 target)**2"}
    say = partial(Diagnosis, example=example(losses[t], right.losses[t], **given))
    if _close(losses, _history(_loss_after, seed).losses, rtol):
        return say("loss-after", "the step returned the loss after the update: return the one that was minimized")
    return say("wrong-loss", f"the step returned {number(losses[t])}; the loss is {number(right.losses[t])}")


def _loss_after(model: Any, loss: Any, optimizer: Optimizer, x: Any, target: Any) -> float:
    _right(model, loss, optimizer, x, target)
    return float(loss(model(x), target).value)


def _close(a: Sequence[Any], b: Sequence[Any], rtol: float) -> bool:
    return all_same(a, b, rtol, 1e-12)
