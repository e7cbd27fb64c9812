r"""SGD with momentum

A step remembers where it was going. For each parameter $p$ with gradient $g$ there is a memory $m$, which starts at 0:

$$m \leftarrow 0.9\,m + g \qquad p \leftarrow p - \eta\,m$$

Write `momentum_step(parameters, lr, memory)`. It gives every parameter a new value, `p.value = ...`, from `p.gradient`
and the learning rate `lr`. Keep each $m$ in the dictionary `memory`, under its parameter. It is empty before the first
step, and the same dictionary comes again at every step. The learning rate may change from step to step.
"""

import numpy as np

from tinygrad_lora.learn.authoring import Exercise, require

from ._optimizers import Case, judge, trajectory

HINTS = (
    "Before the first step there is no entry for p: `memory.get(p, 0.0)` is its value, or 0.",
    "First the new m, from the old one and the gradient. Then the parameter, with the new m. Store the new m.",
    "`memory[p] = 0.9 * memory.get(p, 0.0) + p.gradient`, then `p.value = p.value - lr * memory[p]`, for every p.",
)
ABOUT = (
    "Momentum adds up past gradients, each worth 0.9 times the next one: what keeps its direction grows tenfold, "
    "and what alternates cancels. The memory belongs to the parameter itself, not to its name or its shape."
)
NEXT = "Try 0.99 in place of 0.9 in a long valley, `x**2 + 100 * y**2`. Which learning rates do not swing any more?"
exercise = Exercise(
    "07-momentum",
    __doc__,
    kind="P",
    hints=HINTS,
    about=ABOUT,
    next_step=NEXT,
    changes={"momentum_step": ["parameters", "memory"]},
)


@exercise.reference
def momentum_step(parameters, lr, memory):
    """One step of SGD with momentum 0.9."""
    for p in parameters:
        memory[p] = 0.9 * memory.get(p, 0.0) + p.gradient
        p.value = p.value - lr * memory[p]


@exercise.another()
def from_all_gradients(parameters, lr, memory):
    """The memory written out: all gradients so far, each worth 0.9 times the one after it. Clear, and never done."""
    for p in parameters:
        past = memory.setdefault(p, [])
        past.append(np.array(p.gradient))
        p.value = p.value - lr * sum(0.9**k * g for k, g in enumerate(reversed(past)))


right = momentum_step


@exercise.mutant("no-memory")
def forgets_where_it_was_going(parameters, lr, memory):
    for p in parameters:
        p.value = p.value - lr * p.gradient


@exercise.mutant("damped")
def takes_a_mean(parameters, lr, memory):
    for p in parameters:
        memory[p] = 0.9 * memory.get(p, 0.0) + 0.1 * p.gradient
        p.value = p.value - lr * memory[p]


@exercise.mutant("rate-in-memory")
def remembers_the_step(parameters, lr, memory):
    for p in parameters:
        memory[p] = 0.9 * memory.get(p, 0.0) + lr * p.gradient
        p.value = p.value - memory[p]


@exercise.mutant("never-forgets")
def adds_up_all_gradients(parameters, lr, memory):
    for p in parameters:
        memory[p] = memory.get(p, 0.0) + p.gradient
        p.value = p.value - lr * memory[p]


def uphill(parameters, lr, memory):
    for p in parameters:
        memory[p] = 0.9 * memory.get(p, 0.0) + p.gradient
        p.value = p.value + lr * memory[p]


def late(parameters, lr, memory):
    for p in parameters:
        p.value = p.value - lr * memory.get(p, 0.0)
        memory[p] = 0.9 * memory.get(p, 0.0) + p.gradient


def without_rate(parameters, lr, memory):
    momentum_step(parameters, 1.0, memory)


def of_the_first(parameters, lr, memory):
    momentum_step(parameters[:1], lr, memory)


def looking_ahead(parameters, lr, memory):
    for p in parameters:
        memory[p] = 0.9 * memory.get(p, 0.0) + p.gradient
        p.value = p.value - lr * (p.gradient + 0.9 * memory[p])


def fading_fast(parameters, lr, memory):
    for p in parameters:
        memory[p] = 0.1 * memory.get(p, 0.0) + p.gradient
        p.value = p.value - lr * memory[p]


SLIPS = (
    ("no-memory", "that is plain SGD; store m and use it in the next step", forgets_where_it_was_going),
    ("damped", "you weigh the new gradient with 0.1; here it counts in full", takes_a_mean),
    ("damped", "you keep 0.1 of the old m; keep 0.9 of it", fading_fast),
    (
        "rate-in-memory",
        "lr is part of your memory, so an old rate goes on; multiply by lr at the end",
        remembers_the_step,
    ),
    ("never-forgets", "your memory does not fade: multiply the old m by 0.9", adds_up_all_gradients),
    ("wrong-direction", "p goes up the slope: m must grow by plus g, and p by minus lr times m", uphill),
    ("late", "you move by the m of the step before: update m first", late),
    ("missing-rate", "you move by m itself: multiply it by lr", without_rate),
    ("one-parameter", "only the first parameter is changed: is a `return` inside the loop?", of_the_first),
    ("nesterov", "you look one step ahead, which is Nesterov's rule; here p moves by lr times m", looking_ahead),
)


@exercise.check(points=3)
def test_every_step_is_right(momentum_step, seed):
    judge(momentum_step, right, SLIPS, seed)


@exercise.check(points=1)
def test_a_steady_slope_is_taken_ten_times_as_fast(momentum_step, seed):
    # With the same gradient at every step m tends to g / (1 - 0.9).
    after = trajectory(steady_of(momentum_step), Case(((),), (0.01,) * 100), seed)
    moved = float(after[-2][0] - after[-1][0]) / 0.01
    sentence = f"after 100 steps on a slope of 1 you move {moved:.3g} times lr a step; it should be almost 10"
    require(abs(moved - 10) < 0.01, "not-ten-times", sentence)


def steady_of(step):
    """The same step, but the gradient is 1 each time."""

    def steady(parameters, lr, memory):
        drawn = [p.gradient for p in parameters]
        for p in parameters:
            p.gradient = np.ones(p.shape)
        step(parameters, lr, memory)
        for p, gradient in zip(parameters, drawn, strict=True):
            p.gradient = gradient

    return steady
