r"""The backward rule of the matrix product

The forward is $Y = A B$. Write `matmul_vjp(g, y, a, b)`: the gradients of `a` and of `b`, from the gradient `g` of `y`.

It must work for stacks of matrices as well, such as shapes (5, 2, 3) and (5, 3, 4). There `x.T` reverses all axes;
`x.mT` transposes each matrix.
"""

import numpy as np

from tinygrad_lora.learn.authoring import Exercise, diagnose, generators, numbers, refuse, tell

HINTS = (
    "Take shapes (2, 3) and (3, 4): g is (2, 4), and the gradient of a must be (2, 3). Which product gives that?",
    "(2, 4) times (4, 3) is g times b transposed. For b you need (3, 2) times (2, 4).",
    "`return g @ b.mT, a.mT @ g`",
)
ABOUT = (
    "The gradient of each factor is g times the other factor, transposed, on the side where that one stood. The "
    "shapes leave no choice: only one such product has the shape that is needed."
)
NEXT = (
    "What changes if `a` is one matrix (2, 3) and `b` a stack (5, 3, 4)? The one matrix was broadcast, so its "
    "gradient has to be summed."
)
exercise = Exercise("05-matmul", __doc__, kind="N", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def matmul_vjp(g, y, a, b):
    """The gradients of a and b, from the gradient g of y = a @ b."""
    return g @ b.mT, a.mT @ g


@exercise.another()
def by_indices(g, y, a, b):
    """With indices: y has ik, so sum over the letter that the wanted operand lacks. No transpose to get wrong."""
    return np.einsum("...ik,...jk->...ij", g, b), np.einsum("...ij,...ik->...jk", a, g)


SLIPS = {
    "elementwise-product": (
        "is a product number by number, with *: the rule needs matrix products, with @",
        lambda g, y, a, b: (g * b, g * a),
    ),
    "order-of-factors": (
        "has its factors in the wrong order: a matrix product does not commute",
        lambda g, y, a, b: (b.mT @ g, g @ a.mT),
    ),
}


def judge_squares(rule, seed, budget):
    """Square matrices fit in any order, transposed or not, so a mistake shows in the numbers and gets its name."""
    for size, rng in generators(seed, budget):
        n = 2 + size % 2
        a, b = numbers(rng, (2, n, n))
        tell(diagnose(rule, np.matmul, a, b, names=["a", "b"], alternatives=SLIPS, seed=seed))


@exercise.check(points=2)
def test_square_matrices(matmul_vjp, seed, budget):
    judge_squares(matmul_vjp, seed, min(budget, 6))


@exercise.check(points=1)
def test_any_matrices(matmul_vjp, seed, budget):
    for _, rng in generators(seed, min(budget, 8)):
        n, k, m = (int(i) for i in rng.permutation([2, 3, 4]))
        a, b = numbers(rng, (n, k)), numbers(rng, (k, m))
        try:
            tell(diagnose(matmul_vjp, np.matmul, a, b, names=["a", "b"], seed=seed))
        except ValueError:  # the shapes do not fit: what it does where they do says more
            judge_squares(matmul_vjp, seed, 1)
            raise


@exercise.check(points=1)
def test_stacks_of_matrices(matmul_vjp, seed, budget):
    for size, rng in generators(seed, min(budget, 3)):
        a, b = numbers(rng, (2, 2 + size % 2, 2)), numbers(rng, (2, 2, 3))
        try:
            tell(diagnose(matmul_vjp, np.matmul, a, b, names=["a", "b"], seed=seed))
        except ValueError:
            judge_squares(matmul_vjp, seed, 1)
            g = np.ones((len(a[0]), 3))
            matmul_vjp(g, a[0] @ b[0], a[0], b[0])  # where this fails as well, it is something else
            sentence = f"in shape {a.shape} x.T reverses all axes, and np.dot takes each matrix with every other"
            remedy = "x.mT and @ go matrix by matrix"
            raise refuse("stack-turned", f"your rule fails for a stack: {sentence}; {remedy}") from None
