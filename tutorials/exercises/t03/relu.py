r"""ReLU and its kink

$y = \max(x, 0)$ has no slope at 0. The engine takes the slope 0 there.

Write `relu_vjp(g, y, x)`, the backward rule, for arrays. Then predict four slopes at $x = 0$, in the dictionary
`slopes`: from the left, from the right, by the central difference with any `h`, and the engine's.
"""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import (
    Exercise,
    as_array,
    as_number,
    diagnose,
    entry,
    generators,
    number,
    numbers,
    require,
    same,
    tell,
)

HINTS = (
    "Where x is negative, y does not move at all. Where x is positive, y moves as x does.",
    "A comparison of arrays gives True and False, which count as 1 and 0 in a product. Should it be > or >=?",
    "`return g * (x > 0)`. The central difference at 0 is (h - 0) / (2h).",
)
ABOUT = (
    "At its kink ReLU has no slope, so an engine must choose one, and 0 is the usual choice. A central difference "
    "across the kink gives the mean of the two sides, which is why nobody tests a rule there."
)
NEXT = "Write the rule of a ReLU with slope 0.01 on the left. What do you return at 0, and does it matter in training?"
exercise = Exercise("03-relu", __doc__, kind="N", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def relu_vjp(g, y, x):
    """The gradient of x, from the gradient g of y = max(x, 0); 0 where x is 0."""
    return g * (x > 0)


exercise.answer(slopes={"left": 0.0, "right": 1.0, "central": 0.5, "engine": 0.0})


@exercise.another("relu_vjp")
def by_choosing(g, y, x):
    """`np.where` picks a number and does not multiply: an infinite g times 0 would be NaN."""
    return np.where(x > 0, g, 0.0)


EVERYWHERE = (
    "is g everywhere; where x is negative the output does not move with x, so nothing flows back there",
    lambda g, y, x: g,
)


def relu(x):
    return np.maximum(x, 0.0)


def measured():
    """The four slopes at x = 0, as they should be predicted."""
    x, h = tl.parameter(0.0, "x"), 0.25
    tl.relu(x).backward()
    return {
        "left": (relu(0.0) - relu(-h)) / h,
        "right": (relu(h) - relu(0.0)) / h,
        "central": (relu(h) - relu(-h)) / (2 * h),
        "engine": float(x.gradient),
    }


@exercise.check(points=2)
def test_the_rule_away_from_zero(relu_vjp, seed, budget):
    for size, rng in generators(seed, budget):
        x = numbers(rng, (size + 3,))
        x[:2] = abs(x[0]), -abs(x[1])  # both signs
        tell(diagnose(relu_vjp, relu, x, names=["x"], seed=seed, alternatives={"missing-mask": EVERYWHERE}))


@exercise.check(points=1)
def test_at_zero_the_slope_is_zero(relu_vjp):
    away = np.array([2.0, -3.0])  # a rule that gives 0 everywhere must not pass here
    tell(diagnose(relu_vjp, relu, away, names=["x"], alternatives={"missing-mask": EVERYWHERE}))
    x, g = np.array([0.0, 2.0, 0.0, -3.0]), np.array([5.0, 7.0, -2.0, 4.0])
    answer = as_array(relu_vjp(g, relu(x), x), "the gradient of x", (4,))
    sentence = f"at x = 0 your rule gives {answer[[0, 2]].tolist()} for g = {g[[0, 2]].tolist()}; the slope 0 gives 0"
    require(not answer[[0, 2]].any(), "slope-at-zero", sentence)
    sentence = f"for x = {x.tolist()} and g = {g.tolist()} your rule gives {answer.tolist()}"
    require(same(answer, as_array([0.0, 7.0, 0.0, 0.0])), "differs", sentence)


@exercise.check(points=1)
def test_the_predictions(slopes):
    why = {
        "left": "to the left of 0 the output is 0 all along",
        "right": "to the right of 0 the output is x",
        "central": "between -h and h the output rises from 0 to h, over a run of 2h",
        "engine": "at the kink the engine has to choose; the first lines of this exercise say what",
    }
    for name, expected in measured().items():
        written = entry(slopes, "slopes", name, f"{name!r}; its keys are {', '.join(why)}")
        answer = as_number(written, f"the slope {name!r}")
        sentence = f"you predicted {number(answer)} for {name!r}; {why[name]}"
        require(answer == expected, "wrong-prediction", sentence)
