"""The twelve questions of a study: what the tutorials are about, in other words than theirs.

They are written like predictions, so each has the mistakes that are expected. Two forms of a question differ in their
numbers alone. No tutorial asks them, and nothing is said to an answer.
"""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.predictions.prediction import prediction


@prediction("study-sharing", n=(2, 3, 4, 5, 6, 7))
def sharing(n):
    """Begin with a parameter `x`. Square it, and square the result, {n} times in all; then add `x`. How many nodes has
    the graph, `x` included?"""
    x = node = tl.parameter(1.0)
    for _ in range(n):
        node = node * node
    yield len(tl.Graph([], [node + x]).nodes), ""
    yield "written-out", 2 ** (n + 1), ""
    yield "one-missing", n + 1, ""


@prediction("study-chain", c=(2, 3, -3, 4, -4, 5), x=(2, 3, 4, 5, 6))
def chain(c, x):
    """Let `f = {c} * x * x`, at x = {x}. What is the gradient of `x`?"""
    yield 2 * c * x, ""
    yield "missing-upstream", 2 * x, ""
    yield "no-accumulate", c * x, ""
    yield "value", c * x * x, ""


@prediction("study-output", y=(0.7, 0.4, 0.5, 0.6, 0.8), g=(1, 2, -2, 3, -3, 5))
def from_the_output(y, g):
    """The output of `tanh` is {y}, and the gradient {g} flows in. What is the gradient of its input? Three digits are
    enough."""
    yield g * (1 - y * y), ""
    yield "missing-upstream", 1 - y * y, ""
    yield "input-for-output", g * (1 - np.tanh(y) ** 2), ""


@prediction("study-two-users", c=(1, 2, 3, 6, 5, 7), x=(1, 2, 3, 4, 5))
def two_users(c, x):
    """Let `a = x * x` and `f = {c} * a + a * a`, at x = {x}. What is the gradient of `a`?"""
    a = x * x
    yield c + 2 * a, ""
    yield "no-accumulate", c, ""
    yield "no-accumulate", 2 * a, ""
    yield "one-use", c + a, ""
    yield "other-node", (c + 2 * a) * 2 * x, ""


@prediction("study-broadcast", n=(2, 3, 4, 6, 7, 8), m=(2, 5, 9, 10, 11))
def broadcast(n, m):
    """A row `b` of {m} numbers is added to a matrix with {n} rows and {m} columns. The loss is the sum of all numbers
    of the result. What is the gradient of the first number in `b`?"""
    b = tl.parameter(np.zeros(m))
    tl.sum(tl.constant(np.zeros((n, m))) + b).backward()
    yield float(b.gradient[0]), ""
    yield "not-summed", 1, ""
    yield "wrong-axis", m, ""
    yield "all-summed", n * m, ""


@prediction("study-product", n=(2, 3, 4), k=(2, 5, 6), m=(2, 7, 8))
def product(n, k, m):
    """`A` has shape ({n}, {k}), `B` has shape ({k}, {m}), and `G` is the gradient of `A @ B`. Which product is the
    gradient of `B`?"""
    yield "`A.T @ G`", ""
    yield "transposed", "`G.T @ A`", ""
    yield "other-operand", "`G @ B.T`", ""
    yield "not-transposed", "`A @ G`", ""


@prediction("study-momentum", w=(1, 2, 3, 4), g=(1, 2, -2, 4, -4), m=(1, 10, -10, 20))
def momentum(w, g, m):
    """SGD with learning rate 0.1 and momentum 0.9: a weight is {w}, its memory is {m}, and now its gradient is {g}.
    What is the weight after the step?"""
    yield w - 0.1 * (0.9 * m + g), ""
    yield "no-momentum", w - 0.1 * g, ""
    yield "wrong-direction", w + 0.1 * (0.9 * m + g), ""
    yield "not-decayed", w - 0.1 * (m + g), ""


@prediction("study-softmax", n=(2, 4, 5, 8, 10, 20))
def equal_scores(n):
    """A network gives all {n} classes the same score. The loss is the cross-entropy of one sample. What is the gradient
    of the score of the right class?"""
    yield 1 / n - 1, ""
    yield "wrong-sign", 1 - 1 / n, ""
    yield "other-class", 1 / n, ""
    yield "value", -np.log(1 / n), ""


@prediction("study-duplicates", n=(2, 3, 4, 5, 6, 8))
def duplicates(n):
    """A function computes `x * y` anew {n} times, and adds the results up one after another. A compiler merges equal
    operations on equal operands, and does nothing else. How many operations are left?"""
    yield n, ""
    yield "nothing-merged", 2 * n - 1, ""
    yield "all-merged", 2, ""


@prediction("study-adapter", n=(32, 50, 60, 80), m=(32, 20, 40, 100), r=(1, 2, 4, 8))
def adapter(n, m, r):
    """A layer has {n} inputs and {m} outputs, without a bias. It is frozen, and gets an adapter of rank {r}. How many
    numbers are trained?"""
    yield r * (n + m), ""
    yield "the-change", n * m, ""
    yield "one-factor", r * n, ""
    yield "one-factor", r * m, ""
    yield "with-the-base", n * m + r * (n + m), ""


@prediction("study-first-step", r=(1, 2, 4, 8, 16, 32))
def first_step(r):
    """An adapter of rank {r} adds `s * A @ B` to a weight. `A` starts at random and `B` at zero. At the first step,
    whose gradient is zero?"""
    yield "that of `A`", ""
    yield "other-factor", "that of `B`", ""
    yield "both-zero", "both", ""
    yield "none-zero", "neither", ""


@prediction("study-cost", n=(2, 5, 10, 20), d=(8, 30, 40, 50), r=(1, 2, 3, 4))
def cost(n, d, r):
    """{n} rows go through a frozen layer with {d} inputs and {d} outputs. Beside it is an adapter of rank {r}, computed
    as `(x @ A) @ B`. How many multiplications does the adapter take?"""
    yield n * r * 2 * d, ""
    yield "one-factor", n * r * d, ""
    yield "the-change-first", r * d * d + n * d * d, ""
    yield "the-base", n * d * d, ""
