r"""Backward rules from the output

For some functions the output is all that the rule needs. Write `exp_vjp(g, y)` for $y = e^x$ and `tanh_vjp(g, y)` for
$y = \tanh x$. Both get the gradient `g` that flows in and the output `y`, arrays of one shape. The input `x` is not
given: the engine may have thrown it away.

The derivative of $\tanh x$ is $1 - \tanh^2 x$.
"""

import numpy as np

from tinygrad_lora.learn.authoring import Exercise, diagnose, generators, numbers, tell

HINTS = (
    "Write the derivative with x in it first. Which part of it is y?",
    "The derivative of e^x is e^x, so it is y. In 1 - tanh^2(x) the tanh is y.",
    "`return g * y`, and `return g * (1 - y * y)`",
)
ABOUT = (
    "The slopes of exp and tanh can be written with their outputs, so the engine may forget the inputs. That "
    "saves memory, because a layer's output is kept for the next layer anyway."
)
NEXT = "Find the rule of the sigmoid, y = 1 / (1 + exp(-x)), from y alone. It has the form g * y * (...)."
exercise = Exercise("03-exp-tanh", __doc__, kind="N", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def exp_vjp(g, y):
    """The gradient of x, from the gradient g of y = exp(x)."""
    return g * y


@exercise.reference
def tanh_vjp(g, y):
    """The gradient of x, from the gradient g of y = tanh(x)."""
    return g * (1 - y * y)


@exercise.another("tanh_vjp")
def as_a_product(g, y):
    """The same slope as a product: near y = 1 the difference 1 - y is exact, and y * y was rounded before."""
    return g * (1 - y) * (1 + y)


OF_EXP = {
    "function-twice": ("applies exp to y, which is e^x already", lambda g, y: g * np.exp(y)),
}
OF_TANH = {
    "function-twice": ("applies tanh to y, which is the tanh of x already", lambda g, y: g * (1 - np.tanh(y) ** 2)),
    "sigmoid-rule": ("is y (1 - y) times g: that is the rule of the sigmoid", lambda g, y: g * y * (1 - y)),
    "plus-for-minus": ("has 1 + y^2 where 1 - y^2 belongs", lambda g, y: g * (1 + y * y)),
    "missing-brackets": ("misses brackets: g multiplies the 1 alone", lambda g, y: g * 1 - y * y),
    "missing-square": ("has 1 - y where 1 - y^2 belongs", lambda g, y: g * (1 - y)),
}


def inputs(seed, budget):
    for size, rng in generators(seed, budget):
        yield numbers(rng, (size + 2,)) / 4  # tanh is not flat there


@exercise.check()
def test_the_rule_of_exp(exp_vjp, seed, budget):
    for x in inputs(seed, budget):
        tell(diagnose(exp_vjp, np.exp, x, arguments="g, y", names=["x"], alternatives=OF_EXP, seed=seed))


@exercise.check()
def test_the_rule_of_tanh(tanh_vjp, seed, budget):
    for x in inputs(seed, budget):
        tell(diagnose(tanh_vjp, np.tanh, x, arguments="g, y", names=["x"], alternatives=OF_TANH, seed=seed))
