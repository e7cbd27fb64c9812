r"""A Hessian times a vector

The Hessian $H$ of a function $f$ holds its second derivatives. For a million numbers $x$ it has a million million
entries, but its product with one vector $v$ is cheap:

$$H v = \nabla_x \left( \nabla f(x) \cdot v \right)$$

Write `hessian_vector(f, x, v)`: `f` is a function of a node that gives a number, `x` and `v` are arrays of one shape,
and so is the result. Use `tl.grad` twice and never build $H$.
"""

import numpy as np

import tinygrad_lora as tl

from ...authoring import Exercise, as_array, generators, largest_difference, numbers, require, same

HINTS = (
    "`tl.grad(f)` is a function. Called on a node, it gives a node: so its result can be differentiated again.",
    "Write a function `along(x)` that gives one number: the gradient at x, times v, summed up. "
    "Then take the gradient of that.",
    "`return tl.grad(lambda x: tl.sum(tl.grad(f)(x) * v))(x)`",
)
exercise = Exercise("10-hvp", __doc__, kind="N", hints=HINTS)


@exercise.reference
def hessian_vector(f, x, v):
    """The second derivatives of f at x, times v."""
    return tl.grad(lambda x: tl.sum(tl.grad(f)(x) * v))(x)


def functions(rng, size):
    """Functions of a vector, the simplest first; all but the first have a Hessian that is not diagonal."""
    c, M = numbers(rng, (size,)), numbers(rng, (size, size)) / size
    yield "sum(x**3)", lambda x: tl.sum(x * x * x)
    yield "sum(x)**2", lambda x: tl.sum(x) * tl.sum(x)
    yield "sum(tanh(x M) * c)", lambda x: tl.sum(tl.tanh(tl.reshape(x, (1, size)) @ M) * c)
    yield "log(sum(exp(x)))", lambda x: tl.log(tl.sum(tl.exp(x)))


def measured(f, x, v, h=1e-5):
    """How the gradient changes along v: a central difference."""
    return (tl.grad(f)(x + h * v) - tl.grad(f)(x - h * v)) / (2 * h)


def near(a, b):
    return same(np.asarray(a), np.asarray(b), 1e-5, 1e-6)


def judge(answer, formula, f, x, v):
    """Raise, and say what is wrong, unless this is the product, as closely as it can be measured."""
    right, ones = measured(f, x, v), np.ones(len(x))
    if near(answer, right):
        return
    at = f"for f = {formula} the first number must be {right[0]:.4g}, and yours is {answer[0]:.4g}"
    require(not near(answer, tl.grad(f)(x) * v), "first-order", f"{at}: that is the gradient times v, not H v")
    require(not near(answer, measured(f, x, ones)), "missing-v", f"{at}: that is H times ones; v is not in it")
    rows = measured(f, x, ones) * v
    require(not near(answer, rows), "v-outside", f"{at}: v must be inside: sum(gradient * v), then the gradient")
    require(not near(answer, tl.grad(f)(x)), "first-order", f"{at}: that is the gradient; take one more")
    require(not near(answer, -right), "sign", f"{at}: the sign is wrong")
    require(False, "differs", at)


@exercise.check(points=3)
def test_it_is_how_the_gradient_changes_along_v(hessian_vector, seed, budget):
    for size, rng in generators(seed, min(budget, 12)):
        n = 2 + size % 4
        x, v = rng.normal(size=n), numbers(rng, (n,)) / 4
        for formula, f in functions(rng, n):
            judge(as_array(hessian_vector(f, x, v), "the product", (n,)), formula, f, x, v)


@exercise.check(points=1)
def test_it_is_exact(hessian_vector, seed):
    rng = np.random.default_rng([seed, 3])
    x, v = rng.normal(size=4), rng.normal(size=4)
    H, (name, f) = np.diag(6 * x), next(functions(rng, 4))
    answer = as_array(hessian_vector(f, x, v), "the product", (4,))
    judge(answer, name, f, x, v)
    error, _ = largest_difference(answer, H @ v)
    sentence = f"for sum(x**3) yours is off by {error:.1g}: a difference is rounded, tl.grad of tl.grad is exact"
    require(error < 1e-12, "rounded", sentence)


@exercise.check(points=1)
def test_the_matrix_is_not_built(hessian_vector):
    calls = []

    def f(x):
        calls.append(x)
        return tl.sum(x * x * x)

    n = 40
    as_array(hessian_vector(f, np.arange(1.0, n + 1), np.ones(n)), "the product", (n,))
    sentence = f"f ran {len(calls)} times for {n} numbers: one row of H after the other; two gradients are enough"
    require(bool(calls), "f-unused", "f was never called")
    require(len(calls) < 10, "builds-the-matrix", sentence)


@exercise.mutant("first-order")
def multiplies_the_gradient(f, x, v):
    return tl.grad(f)(x) * v


@exercise.mutant("missing-v")
def forgets_v(f, x, v):
    return tl.grad(lambda x: tl.sum(tl.grad(f)(x)))(x)


@exercise.mutant("v-outside")
def multiplies_at_the_end(f, x, v):
    return tl.grad(lambda x: tl.sum(tl.grad(f)(x)))(x) * v


@exercise.mutant("rounded")
def takes_a_difference(f, x, v):
    return measured(f, x, v, h=1e-6)


@exercise.mutant("builds-the-matrix")
def builds_it_row_by_row(f, x, v):
    rows = [tl.grad(lambda x, i=i: tl.grad(f)(x)[i])(x) for i in range(len(x))]
    return np.array(rows) @ v
