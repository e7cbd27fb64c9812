r"""A Hessian times a vector

The Hessian $H$ of a function $f$ holds its second derivatives. For a million numbers $x$ it has a million million
entries, but its product with one vector $v$ is cheap:

$$H v = \nabla_x \left( \nabla f(x) \cdot v \right)$$

Write `hessian_vector(f, x, v)`: `f` is a function of a node that gives a number, `x` and `v` are arrays of one shape,
and so is the result. Use `tl.grad` twice and never build $H$.
"""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import (
    Exercise,
    as_array,
    generators,
    largest_difference,
    numbers,
    require,
    same,
    worst,
    written,
)

HINTS = (
    "`tl.grad(f)` is a function. Called on a node, it gives a node: so its result can be differentiated again.",
    "Write a function `along(x)` that gives one number: the gradient at x, times v, summed up. "
    "Then take the gradient of that.",
    "`return tl.grad(lambda x: tl.sum(tl.grad(f)(x) * v))(x)`",
)
ABOUT = (
    "A gradient is a graph, so it can be differentiated again; its product with v is one number, and the gradient "
    "of that is the Hessian times v. It costs a few times as much as f itself, and no matrix is ever built."
)
NEXT = "Solve H d = -g with products H v alone, by conjugate gradients: that is Newton's method for a million numbers."
exercise = Exercise("10-hvp", __doc__, kind="N", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def hessian_vector(f, x, v):
    """The second derivatives of f at x, times v."""
    return tl.grad(lambda x: tl.sum(tl.grad(f)(x) * v))(x)


@exercise.another()
def with_nodes(f, x, v):
    """On nodes: build the graph of the gradient, and ask for the gradient of a number in it."""
    p = tl.parameter(x)
    slope = tl.gradients(f(p), p)
    return np.array(tl.gradients(tl.sum(slope * v), p).value)


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


def slips(f, x, v):
    """What comes out of the usual mistakes, each with its code and what it is."""
    ones, slope = np.ones(len(x)), tl.grad(f)
    yield "first-order", "that is the gradient times v, not H v", slope(x) * v
    yield "first-order", "that is the gradient; take one more", slope(x)
    yield "missing-v", "that is H times ones: v makes no difference", measured(f, x, ones)
    yield "v-outside", "v must be inside: sum(gradient * v), then the gradient", measured(f, x, ones) * v
    yield "squared-v", "that is H times v squared; v stands once in the sum", measured(f, x, v * v)
    yield "wrong-place", "that is H at v, times x: the second derivatives are wanted at x", measured(f, v, x)
    yield "sign", "the sign is wrong", -measured(f, x, v)


def judge(hessian_vector, cases):
    """Raise, and say what is wrong, unless these are the products, as closely as they can be measured.

    A mistake has a name if it explains all of them: for one function alone two mistakes may give the same.
    """
    answers = [as_array(hessian_vector(f, x, v), "the product", x.shape) for _, f, x, v in cases]
    wrong = [i for i, (_, f, x, v) in enumerate(cases) if not near(answers[i], measured(f, x, v))]
    if not wrong:
        return
    formula, f, x, v = cases[wrong[0]]
    right = measured(f, x, v).round(8)
    at = f"for f = {formula}, x = {written(x)} and v = {written(v)} {worst(answers[wrong[0]], right)}"
    for found in zip(*(slips(f, x, v) for _, f, x, v in cases), strict=True):
        explained = all(near(answer, slip) for answer, (_, _, slip) in zip(answers, found, strict=True))
        require(not explained, found[0][0], f"{at}: {found[0][1]}")
    require(False, "differs", at)


@exercise.check(points=3)
def test_it_is_how_the_gradient_changes_along_v(hessian_vector, seed, budget):
    for size, rng in generators(seed, min(budget, 12)):
        n = 2 + size % 4
        x, v = rng.normal(size=n).round(2), numbers(rng, (n,)) / 4
        judge(hessian_vector, [(formula, f, x, v) for formula, f in functions(rng, n)])


@exercise.check(points=1)
def test_it_is_exact(hessian_vector, seed):
    rng = np.random.default_rng([seed, 3])
    for x, v in rng.normal(size=(2, 2, 4)):
        H, (name, f) = np.diag(6 * x), next(functions(rng, 4))
        answer = as_array(hessian_vector(f, x, v), "the product", (4,))
        judge(hessian_vector, [(name, f, x, v)])
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
    x, v = np.arange(1.0, n + 1), np.ones(n)
    as_array(hessian_vector(f, x, v), "the product", (n,))
    sentence = f"f ran {len(calls)} times for {n} numbers: one row of H after the other; two gradients are enough"
    require(bool(calls), "f-unused", "f was never called")
    require(len(calls) < 10, "builds-the-matrix", sentence)
    judge(hessian_vector, [("sum(x**3)", f, x, v)])
