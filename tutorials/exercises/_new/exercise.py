"""The backward rule of the square

The square of each number is $y = x^2$. Write its backward rule: `square_vjp(g, y, x)` gets the gradient `g` that
flows in, the output `y` and the input `x`, all arrays of one shape, and returns the gradient of `x`.
"""

import numpy as np

from tinygrad_lora.learn.authoring import Exercise, as_array, diagnose, generators, numbers, require, tell

HINTS = (
    "How much does y change when x = 3 changes by 0.001? Divide the change by 0.001.",
    "The derivative of x**2 is 2 * x. The chain rule multiplies it by what flows in.",
    "`return 2 * x * g`",
)
ABOUT = (
    "A backward rule is the derivative, times the gradient that flows in. For a square the derivative is 2x, so the "
    "rule needs the input, and the output would not do: it has lost the sign."
)
NEXT = "Write the rule of the cube. Can it be written with the output alone?"
exercise = Exercise("50-square", __doc__, kind="N", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def square_vjp(g, y, x):
    """The gradient of x, from the gradient g of y = x**2."""
    return 2 * x * g


@exercise.another()
def as_a_product(g, y, x):
    """The square is the product x * x, and each factor gets g times the other."""
    return g * x + g * x


def judge(square_vjp, seed, budget):
    """Raise, and name the mistake, unless the rule is right. Every check begins so, or nonsense earns its points."""
    for size, rng in generators(seed, budget):
        tell(diagnose(square_vjp, np.square, numbers(rng, (size,)), names=["x"], seed=seed))


@exercise.check(points=2)
def test_the_rule_is_the_chain_rule(square_vjp, seed, budget):
    judge(square_vjp, seed, budget)


@exercise.check()
def test_at_zero_nothing_flows(square_vjp, seed):
    judge(square_vjp, seed, 3)
    answer = as_array(square_vjp(np.ones(2), np.zeros(2), np.zeros(2)), "the gradient", (2,))
    require(not answer.any(), "not-zero-at-zero", f"at x = 0 the slope is 0; your rule gives {answer.tolist()}")


@exercise.mutant("missing-upstream")
def forgets_what_flows_in(g, y, x):
    return 2 * x


@exercise.mutant("factor")
def forgets_the_two(g, y, x):
    return x * g
