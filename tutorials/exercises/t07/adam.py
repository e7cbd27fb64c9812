r"""Adam

Adam gives each number a step size of its own. It keeps a running mean $m$ of the gradient $g$, and one of its square,
$v$. Both start at 0, and step $t = 1, 2, \dots$ is

$$m \leftarrow 0.9\,m + 0.1\,g \qquad v \leftarrow 0.999\,v + 0.001\,g^2$$
$$\hat m = \frac{m}{1 - 0.9^t} \qquad \hat v = \frac{v}{1 - 0.999^t} \qquad
p \leftarrow p - \eta\,\frac{\hat m}{\sqrt{\hat v} + 10^{-8}}$$

The means start at zero, so at first they are too small; the hats make up for it.

Write `adam_step(parameters, lr, memory)`, which gives every parameter a new value. The dictionary `memory` is empty
before the first step, and the same one comes again at every step. Keep in it whatever you need, under keys of your
choice.

Source: Kingma and Ba 2014, algorithm 1.
"""

import numpy as np

from tinygrad_lora.learn.authoring import Exercise, apart, require

from ._optimizers import Case, judge, stand, trajectory

HINTS = (
    "Three things must last: the number of steps, and for each parameter m and v. Count the step once, before the "
    "loop over the parameters.",
    '`t = memory["t"] = memory.get("t", 0) + 1` counts. For a parameter: `m, v = memory.get(p, (0.0, 0.0))`.',
    "`m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2`, then `memory[p] = m, v`. Divide m by `1 - 0.9**t` and v "
    "by `1 - 0.999**t`, and move by `lr * m_hat / (np.sqrt(v_hat) + 1e-8)`.",
)
ABOUT = (
    "Adam divides the mean gradient by its usual size, so each number moves by about the learning rate, however "
    "steep its slope is. Both means start at zero; without the corrections the first step would be three times as "
    "long."
)
NEXT = (
    "Add weight decay twice: once to the gradient, and once to the parameter itself, as AdamW does. Which numbers "
    "notice the difference?"
)
exercise = Exercise(
    "07-adam",
    __doc__,
    kind="P",
    hints=HINTS,
    about=ABOUT,
    next_step=NEXT,
    changes={"adam_step": ["parameters", "memory"]},
)


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


@exercise.another()
def with_one_corrected_rate(parameters, lr, memory):
    """Correct the rate once, in place of both means at every parameter (Kingma and Ba, end of section 2)."""
    t = memory["t"] = memory.get("t", 0) + 1
    root = np.sqrt(1 - 0.999**t)
    rate = lr * root / (1 - 0.9**t)
    for p in parameters:
        m, v = memory.get(p, (0.0, 0.0))
        m, v = m + 0.1 * (p.gradient - m), v + 0.001 * (p.gradient**2 - v)
        memory[p] = m, v
        p.value = p.value - rate * m / (np.sqrt(v) + 1e-8 * root)


right = adam_step


def variant(
    *, betas=(0.9, 0.999), hats=(True, True), root=True, of="square", sign=-1, once=True, first=1, fixed=False,
    epsilon=1e-8, where="after", stored=True,
):  # fmt: skip
    """Adam with one detail changed."""
    b1, b2 = betas

    def step(parameters, lr, memory):
        memory["t"] = memory.get("t", first - 1) + 1
        for i, p in enumerate(parameters):
            if i and not once:
                memory["t"] += 1
            t, g = 1 if fixed else memory["t"], p.gradient
            m, v = memory.get(p, (0.0, 0.0))
            m = b1 * m + (1 - b1) * g
            v = b2 * v + (1 - b2) * {"square": g**2, "square of m": m**2, "size": np.abs(g)}[of]
            if stored:
                memory[p] = m, v
            v = v + epsilon * (where == "before")
            m, v = m / (1 - b1**t) if hats[0] else m, v / (1 - b2**t) if hats[1] else v
            inside, after = epsilon * (where == "inside"), epsilon * (where == "after")
            p.value = p.value + sign * lr * m / ((np.sqrt(v + inside) if root else v) + after)

    return step


UNDER = "your epsilon is under the root, and the root of 1e-8 is 1e-4: add it after the root"
ZERO = "that happens if t is 0 in the first step, since 1 - 0.9**0 is 0"
HATS = "m and v are still small, because they start at 0: divide them by 1 - 0.9**t and 1 - 0.999**t"
SLIPS = (
    ("no-correction", HATS, variant(hats=(False, False))),
    ("one-correction", "only m is corrected for its start at 0: divide v by 1 - 0.999**t", variant(hats=(True, False))),
    ("one-correction", "only v is corrected for its start at 0: divide m by 1 - 0.9**t", variant(hats=(False, True))),
    ("missing-root", "you divide by v itself: take its root, so that the units cancel", variant(root=False)),
    ("square-of-mean", "your v is made of the square of m; it is the mean of that of g", variant(of="square of m")),
    ("missing-square", "your v is the mean of the size of g; it is that of its square", variant(of="size")),
    ("wrong-direction", "you go up the slope: subtract", variant(sign=1)),
    ("counts-parameters", "t counts the parameters as well: count once a step, before the loop", variant(once=False)),
    ("counts-from-0", ZERO, variant(first=0)),
    ("counts-from-2", "t is 2 in the first step", variant(first=2)),
    ("constant-t", "t stays 1: count the steps, in memory", variant(fixed=True)),
    ("swapped-betas", "0.9 and 0.999 have changed places: m fades with 0.9", variant(betas=(0.999, 0.9))),
    ("no-memory", "m and v begin at 0 in every step: store them in memory", variant(stored=False)),
    ("eps-in-root", UNDER, variant(where="inside")),
    ("eps-in-root", UNDER, variant(where="before")),
    ("missing-epsilon", "where the gradient is 0 you divide by 0: add 1e-8 to the root", variant(epsilon=0.0)),
    *(("wrong-epsilon", f"that is the result with {e:g} in place of 1e-8", variant(epsilon=e))
      for e in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-9, 1e-10, 1e-12)),
)  # fmt: skip


@exercise.check(points=4)
def test_every_step_is_right(adam_step, seed):
    judge(adam_step, right, SLIPS, seed)


@exercise.check(points=1)
def test_the_first_step_has_the_length_of_the_learning_rate(adam_step):
    for scale in (1e-4, 1.0, 1e6):
        case = Case(((3,),), (0.5,), scale=scale)
        after, before = (trajectory(rule, case, 0)[0][0] for rule in (adam_step, stand))
        moved = np.abs(after - before)
        i = int(np.abs(moved - 0.5).argmax())
        yours, right = apart(float(moved[i]), 0.5)
        sentence = (
            f"with gradients of about {scale:g} and lr = 0.5 your first step moves one number by {yours}, not {right}"
        )
        require(bool((np.abs(moved - 0.5) < 0.001).all()), "depends-on-scale", sentence)
