r"""Adam

Adam gives each number a step size of its own. It keeps a running mean $m$ of the gradient $g$, and one of its square,
$v$. Both start at 0, and step $t = 1, 2, \dots$ is

$$m \leftarrow 0.9\,m + 0.1\,g \qquad v \leftarrow 0.999\,v + 0.001\,g^2$$
$$\hat m = \frac{m}{1 - 0.9^t} \qquad \hat v = \frac{v}{1 - 0.999^t} \qquad
p \leftarrow p - \eta\,\frac{\hat m}{\sqrt{\hat v} + 10^{-8}}$$

The means start at zero, so at first they are too small; the hats make up for it.

Write `adam_step(parameters, lr, memory)`, which gives every parameter a new value. The dictionary `memory` is empty
before the first step, and the same one comes again at every step. Keep there what you need under keys of your choice.

Source: Kingma and Ba 2014, algorithm 1.
"""

import numpy as np

from ...authoring import Exercise, require
from ._optimizers import judge, trajectory

HINTS = (
    "Three things must last: the number of steps, and for each parameter m and v. Count the step once, before the "
    "loop over the parameters.",
    '`t = memory["t"] = memory.get("t", 0) + 1` counts. For a parameter: `m, v = memory.get(p, (0.0, 0.0))`.',
    "`m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2`, then `memory[p] = m, v`. Divide m by `1 - 0.9**t` and v "
    "by `1 - 0.999**t`, and move by `lr * m_hat / (np.sqrt(v_hat) + 1e-8)`.",
)
exercise = Exercise("07-adam", __doc__, kind="P", hints=HINTS, changes={"adam_step": ["parameters", "memory"]})


@exercise.reference
def adam_step(parameters, lr, memory):
    """One step of Adam with 0.9, 0.999 and 1e-8."""
    t = memory["t"] = memory.get("t", 0) + 1
    for p in parameters:
        m, v = memory.get(p, (0.0, 0.0))
        m = 0.9 * m + 0.1 * p.gradient
        v = 0.999 * v + 0.001 * p.gradient**2
        memory[p] = m, v
        mean, square = m / (1 - 0.9**t), v / (1 - 0.999**t)
        p.value = p.value - lr * mean / (np.sqrt(square) + 1e-8)


right = adam_step


def variant(corrected=True, root=True, fades=True, signed=True, once=True, first=1, inside=False):
    """Adam with one detail changed."""

    def step(parameters, lr, memory):
        memory["t"] = memory.get("t", first - 1) + 1
        for i, p in enumerate(parameters):
            if i and not once:
                memory["t"] += 1
            t = memory["t"]
            m, v = memory.get(p, (0.0, 0.0))
            g = p.gradient
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * (g**2 if fades else m**2)
            memory[p] = m, v
            if corrected:
                m, v = m / (1 - 0.9**t), v / (1 - 0.999**t)
            divisor = np.sqrt(v + 1e-8) if inside else (np.sqrt(v) if root else v) + 1e-8
            p.value = p.value - (1 if signed else -1) * lr * m / divisor

    return step


def stand(parameters, lr, memory):
    """No step at all."""


SLIPS = {
    "no-correction": ("m and v are still small, because they start at 0: divide them by 1 - 0.9**t and 1 - 0.999**t",
                      variant(corrected=False)),
    "missing-root": ("you divide by v itself: take its root, so that the units cancel", variant(root=False)),
    "square-of-mean": ("your v is made of the square of m; it is the mean of the square of g", variant(fades=False)),
    "wrong-direction": ("you go up the slope: subtract", variant(signed=False)),
    "counts-parameters": ("t counts the parameters as well: count once a step, before the loop", variant(once=False)),
    "counts-from-0": ("t is 0 in the first step, and 1 - 0.9**0 is 0: the first step is t = 1", variant(first=0)),
    "counts-from-2": ("t is 2 in the first step", variant(first=2)),
    "eps-in-root": ("your 1e-8 is under the root, where it counts as 1e-4: add it after the root",
                    variant(inside=True)),
}  # fmt: skip


@exercise.check(points=4)
def test_every_step_is_right(adam_step, seed):
    judge(adam_step, right, SLIPS, seed)


@exercise.check(points=1)
def test_the_first_step_has_the_length_of_the_learning_rate(adam_step, seed):
    for scale in (1e-3, 1.0, 1e6):
        after, before = (trajectory(rule, ((3,),), [0.5], seed, scale)[0][0] for rule in (adam_step, stand))
        moved = np.abs(after - before)
        sentence = f"with gradients of about {scale:g} and lr 0.5 your first step moves by {moved.max():.3g}, not 0.5"
        require(bool((np.abs(moved - 0.5) < 0.001).all()), "depends-on-scale", sentence)


@exercise.mutant("no-correction")
def forgets_the_hats(parameters, lr, memory):
    return variant(corrected=False)(parameters, lr, memory)


@exercise.mutant("missing-root")
def forgets_the_root(parameters, lr, memory):
    return variant(root=False)(parameters, lr, memory)


@exercise.mutant("counts-parameters")
def counts_in_the_loop(parameters, lr, memory):
    for p in parameters:
        t = memory["t"] = memory.get("t", 0) + 1
        m, v = memory.get(p, (0.0, 0.0))
        m, v = memory[p] = 0.9 * m + 0.1 * p.gradient, 0.999 * v + 0.001 * p.gradient**2
        p.value = p.value - lr * m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)


@exercise.mutant("counts-from-0")
def counts_too_late(parameters, lr, memory):
    return variant(first=0)(parameters, lr, memory)
