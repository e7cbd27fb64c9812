r"""Backward rules of add, multiply and negate

Write three backward rules. Each gets `g`, the gradient that flows in, then the output `y`, then the operands. All are
arrays of one shape. Each returns the gradients of its operands:

| rule | forward | returns |
|---|---|---|
| `add_vjp(g, y, a, b)` | $y = a + b$ | two arrays, for `a` and `b` |
| `mul_vjp(g, y, a, b)` | $y = a\,b$, element by element | two arrays, for `a` and `b` |
| `neg_vjp(g, y, x)` | $y = -x$ | one array, for `x` |
"""

import numpy as np

from tinygrad_lora.learn.authoring import Exercise, diagnose, generators, numbers, tell

HINTS = (
    "Move one operand by 0.001 and leave the other. By how much does y move? That factor multiplies g.",
    "In a sum y moves as much as a does. In a product it moves b times as much. In -x it moves the other way.",
    "`return g, g`, then `return g * b, g * a`, then `return -g`",
)
ABOUT = (
    "A backward rule multiplies the gradient that flows in by the slope of its own operation. A sum hands the "
    "gradient on to both operands, and a product multiplies it by the other operand."
)
NEXT = (
    "Write the rule of `y = a * a + b` as one operation, and check it: `tl.diagnose(rule, lambda a, b: a * a + b, "
    "np.ones(2), np.ones(2))`."
)
exercise = Exercise("03-basic", __doc__, kind="N", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def add_vjp(g, y, a, b):
    """The gradients of a and b, from the gradient g of y = a + b."""
    return g, g


@exercise.reference
def mul_vjp(g, y, a, b):
    """The gradients of a and b, from the gradient g of y = a * b."""
    return g * b, g * a


@exercise.reference
def neg_vjp(g, y, x):
    """The gradient of x, from the gradient g of y = -x."""
    return -g


@exercise.another("mul_vjp")
def by_a_complex_step(g, y, a, b):
    """No derivative by hand: a tiny imaginary step comes out multiplied by the slope, and nothing is rounded off."""
    h = 1e-30
    return g * np.imag((a + 1j * h) * b) / h, g * np.imag(a * (b + 1j * h)) / h


def operands(seed, budget, n):
    """Arrays of three or more numbers, so that no mistake is right by chance."""
    for size, rng in generators(seed, budget):
        yield list(numbers(rng, (n, size + 2)))


@exercise.check()
def test_the_rule_of_add(add_vjp, seed, budget):
    for a, b in operands(seed, budget, 2):
        tell(diagnose(add_vjp, np.add, a, b, names=["a", "b"], seed=seed, alternatives={"factor": HALF}))


@exercise.check()
def test_the_rule_of_multiply(mul_vjp, seed, budget):
    for a, b in operands(seed, budget, 2):
        tell(diagnose(mul_vjp, np.multiply, a, b, names=["a", "b"], seed=seed))


@exercise.check()
def test_the_rule_of_negate(neg_vjp, seed, budget):
    for (x,) in operands(seed, budget, 1):
        tell(diagnose(neg_vjp, np.negative, x, names=["x"], seed=seed, alternatives={"sign": SIGN}))


HALF = ("is half of g: nothing is shared out, both operands get all of g", lambda g, y, a, b: (g / 2, g / 2))
SIGN = ("has the wrong sign: it is g, and y falls where x rises", lambda g, y, x: g)
