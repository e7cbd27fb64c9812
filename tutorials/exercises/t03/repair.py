r"""Repair three rules

Each of these backward rules has one mistake. Find it by moving an operand a little, and repair the rule:

| rule | forward |
|---|---|
| `divide_vjp(g, y, a, b)` | $y = a / b$, two gradients |
| `sqrt_vjp(g, y, x)` | $y = \sqrt x$ |
| `log_vjp(g, y, x)` | $y = \ln x$ |
"""

import numpy as np

from tinygrad_lora.learn.authoring import Exercise, diagnose, generators, numbers, tell

HINTS = (
    "Take x = 4 and g = 1. What does the rule give? What does a small step of x give?",
    "Make b larger: does a / b rise or fall? In the square root's slope, is y or x in the denominator? Where is g?",
    "`-g * y / b`; `g / (2 * y)`; `g / x`",
)
ABOUT = (
    "Moving one operand a little and comparing what comes out with what the rule says finds a wrong rule, and "
    "also the operand. The rules of division and root read the output y, which is at hand and saves work."
)
NEXT = "Break a rule in a way of your own, and see whether `tl.diagnose(rule, np.sqrt, np.array([1.0, 4.0]))` names it."
exercise = Exercise("03-repair", __doc__, kind="N", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def divide_vjp(g, y, a, b):
    """The gradients of a and b, from the gradient g of y = a / b."""
    return g / b, -g * y / b


@exercise.reference
def sqrt_vjp(g, y, x):
    """The gradient of x, from the gradient g of y = sqrt(x)."""
    return g / (2 * y)


@exercise.reference
def log_vjp(g, y, x):
    """The gradient of x, from the gradient g of y = log(x)."""
    return g / x


@exercise.another("divide_vjp")
def from_the_operands(g, y, a, b):
    """By the operands alone: a / b is a times 1 / b, and the slope of 1 / b is -1 / b**2."""
    return g * (1 / b), -g * a / b**2


@exercise.another("sqrt_vjp")
def as_a_power(g, y, x):
    """The root is the power 1/2, and powers have one rule: n x**(n - 1)."""
    return g * 0.5 * x**-0.5


@exercise.mutant("sign", name="divide_vjp")
@exercise.starter("sign", name="divide_vjp")
def divide_with_a_wrong_sign(g, y, a, b):
    """The gradients of a and b, from the gradient g of y = a / b."""
    return g / b, g * y / b


@exercise.mutant("input-for-output", name="sqrt_vjp")
@exercise.starter("input-for-output", name="sqrt_vjp")
def sqrt_with_the_input(g, y, x):
    """The gradient of x, from the gradient g of y = sqrt(x)."""
    return g / (2 * x)


@exercise.mutant("missing-upstream", name="log_vjp")
@exercise.starter("missing-upstream", name="log_vjp")
def log_without_g(g, y, x):
    """The gradient of x, from the gradient g of y = log(x)."""
    return 1 / x


@exercise.check()
def test_the_rule_of_divide(divide_vjp, seed, budget):
    for size, rng in generators(seed, budget):
        a, b = numbers(rng, (2, size + 2))
        tell(diagnose(divide_vjp, np.divide, a, b, names=["a", "b"], seed=seed))


@exercise.check()
def test_the_rule_of_the_square_root(sqrt_vjp, seed, budget):
    for size, rng in generators(seed, budget):
        x = numbers(rng, (size + 2,), positive=True)
        tell(diagnose(sqrt_vjp, np.sqrt, x, names=["x"], alternatives=OF_ROOT, seed=seed))


@exercise.check()
def test_the_rule_of_the_logarithm(log_vjp, seed, budget):
    for size, rng in generators(seed, budget):
        x = numbers(rng, (size + 2,), positive=True)
        tell(diagnose(log_vjp, np.log, x, names=["x"], alternatives=OF_LOG, seed=seed))


OF_LOG = {"output-for-input": ("divides by y, the logarithm of x: divide by x itself", lambda g, y, x: g / y)}
OF_ROOT = {
    "function-twice": ("takes the root of y, which is the root of x already", lambda g, y, x: g / (2 * np.sqrt(y)))
}
