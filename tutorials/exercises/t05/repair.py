r"""Repair five shape errors

Each function takes nodes and returns a node. Each fails on most shapes. Here `x` has one row for each sample, (n, d).

| function | should return |
|---|---|
| `scores(x, W)` | each sample times the weights `W` (d, k): shape (n, k) |
| `similarities(x)` | the products of all rows with all rows: shape (n, n) |
| `shifted(x, b)` | row i of `x` plus the number i of `b` (n,): shape (n, d) |
| `centered(x)` | each row minus its own mean: shape (n, d) |
| `squared_error(y, target)` | the mean squared error of `y` (n, 1) and `target` (n,): a number |

Run one on arrays of your own: the message says which axes do not match, and often how to repair it.
"""

import re

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.errors import ShapeError, TraceError
from tinygrad_lora.learn.authoring import (
    Diagnosis,
    Exercise,
    Wrong,
    as_array,
    example,
    generators,
    numbers,
    refuse,
    require,
    same,
    worst,
)
from tinygrad_lora.view.errors.failure import failure

HINTS = (
    "Write the shapes under each line. For a matrix product the two inner sizes must be equal; otherwise align "
    "from the right.",
    "`x.mT` is the transpose, `tl.reshape(b, (-1, 1))` makes a column, and `keepdims=True` keeps a summed axis.",
    "`x @ W`; `x @ x.mT`; `x + tl.reshape(b, (-1, 1))`; `x - tl.mean(x, 1, keepdims=True)`; "
    "`tl.mse(tl.reshape(y, target.shape), target)`",
)
ABOUT = (
    "Broadcasting aligns shapes from the right, so one number for each row needs an axis of length 1 at the end. "
    "The dangerous mistakes are those that fit: (n, 1) minus (n,) is (n, n), and nothing is raised."
)
NEXT = (
    "Call the five broken functions on a square `x`, where a wrong axis raises nothing. Which test would still notice?"
)
exercise = Exercise("05-repair", __doc__, kind="S", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def scores(x, W):
    """Each sample times the weights."""
    return x @ W


@exercise.reference
def similarities(x):
    """The products of all rows with all rows."""
    return x @ x.mT


@exercise.reference
def shifted(x, b):
    """Each row plus its own number."""
    return x + tl.reshape(b, (-1, 1))


@exercise.reference
def centered(x):
    """Each row minus its own mean."""
    return x - tl.mean(x, 1, keepdims=True)


@exercise.reference
def squared_error(y, target):
    """The mean squared error."""
    return tl.mse(tl.reshape(y, target.shape), target)


@exercise.another("shifted")
def by_turning_it(x, b):
    """Turned around, the rows are the last axis, where broadcasting wants them."""
    return tl.transpose(tl.transpose(x) + b)


@exercise.another("centered")
def by_a_matrix(x):
    """Subtracting the mean is linear, so a matrix does it: 1 - 1/d on the diagonal, -1/d elsewhere."""
    d = x.shape[1]
    return x @ tl.constant(np.eye(d) - 1 / d)


@exercise.another("squared_error")
def written_out(y, target):
    """The mean of the squares, with y made as flat as the target."""
    difference = tl.reshape(y, (-1,)) - target
    return tl.mean(difference * difference)


@exercise.starter("shape-error", name="scores")
def scores_from_the_left(x, W):
    """Each sample times the weights."""
    return W @ x


@exercise.starter("shape-error", name="similarities")
def similarities_without_a_transpose(x):
    """The products of all rows with all rows."""
    return x @ x


@exercise.starter("shape-error", name="shifted")
def shifted_by_a_row(x, b):
    """Each row plus its own number."""
    return x + b


@exercise.starter("shape-error", name="centered")
def centered_without_an_axis(x):
    """Each row minus its own mean."""
    return x - tl.mean(x, 1)


@exercise.starter("shape-error", name="squared_error")
def squared_error_of_a_column(y, target):
    """The mean squared error."""
    return tl.mse(y, target)


def with_remedy(failed, shown, shape):
    """The error in words, with the engine's remedy if that makes something of the shape that is asked for."""
    text = str(failed).split("; ")[0]
    pairs = re.findall(r"(\([\d, ]*\)) (\S) (\([\d, ]*\))", (shown and shown.remedy) or "")
    if not pairs:
        return text
    a, sign, b = pairs[-1]
    a, b = (np.empty([int(n) for n in re.findall(r"\d+", sizes)]) for sizes in (a, b))
    made = (a @ b if sign == "@" else a + b).shape
    return f"{text}; {shown.remedy}" if made == shape else f"{text}; the result must have the shape {shape}"


def judge(function, right, slips=(), **arrays):
    """The student's graph on these arrays: raise unless it has the right shape and numbers."""
    shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
    leaves = [tl.parameter(array, name) for name, array in arrays.items()]
    try:
        y = function(*leaves)
        if isinstance(y, tl.ComputationNode):  # the same without numbers: a graph must not need any
            function(*(tl.placeholder(array.shape, name=name) for name, array in arrays.items()))
    except ShapeError as failed:
        shown = failure(failed)
        text = with_remedy(failed, shown, np.shape(right(*arrays.values())))
        picture = shown.diagram if shown else None
        raise Wrong(Diagnosis("shape-error", f"with {shapes}: {text}", picture=picture)) from None
    except TraceError:
        raise refuse("left-the-graph", "your function asks for numbers (.value): then no gradient flows back") from None
    if not isinstance(y, tl.ComputationNode):
        as_array(y)  # says what is wrong with None
        raise refuse("left-the-graph", "your function gave an array: work on the nodes, so that gradients flow back")
    expected = right(*arrays.values())
    sentence = f"with {shapes} the result has shape {y.shape}; it must have {expected.shape}"
    require(y.shape == expected.shape, "wrong-shape", sentence, show=y)
    answer = as_array(y.value)
    if same(answer, expected):
        return
    compared = example(answer, expected, **arrays)
    for code, sentence, slip in slips:
        slipped = np.asarray(slip(*arrays.values()), dtype=float)
        require(not same(answer, slipped), code, f"with {shapes}: {sentence}", show=y, example=compared)
    sentence = f"with {shapes} the shape is right, but not the numbers: {worst(answer, np.asarray(expected))}"
    require(False, "wrong-value", sentence, show=y, example=compared)


def sizes(seed, budget):
    """Numbers of samples and columns: different ones first, then equal ones, where mistakes are silent."""
    for i, (_, rng) in enumerate(generators(seed, min(budget, 6))):
        yield rng, *((2, 3), (4, 2), (3, 3), (2, 2), (1, 3), (3, 4))[i]


@exercise.check()
def test_scores(scores, seed, budget):
    for rng, n, d in sizes(seed, budget):
        judge(scores, np.matmul, x=numbers(rng, (n, d)), W=numbers(rng, (d, 4)))


@exercise.check()
def test_similarities(similarities, seed, budget):
    slips = [("other-axis", "these are the products of columns, x.mT @ x", lambda x: x.T @ x)]
    for rng, n, d in sizes(seed, budget):
        judge(similarities, lambda x: x @ x.T, slips, x=numbers(rng, (n, d)))


@exercise.check()
def test_shifted(shifted, seed, budget):
    slips = [
        ("other-axis", "b was added along the columns: make it (n, 1)", lambda x, b: x + np.resize(b, x.shape)),
        ("other-mean", "one number was added to all rows", lambda x, b: x + b.mean()),
    ]
    for rng, n, d in sizes(seed, budget):
        judge(shifted, lambda x, b: x + b[:, None], slips, x=numbers(rng, (n, d)), b=numbers(rng, (n,)))


@exercise.check()
def test_centered(centered, seed, budget):
    slips = [
        ("other-mean", "the mean of all numbers was subtracted, not that of each row", lambda x: x - x.mean()),
        ("sum-for-mean", "the sum of each row was subtracted, not its mean", lambda x: x - x.sum(1, keepdims=True)),
        ("sign", "the mean was added, not subtracted", lambda x: x + x.mean(1, keepdims=True)),
        ("other-axis", "each column was centered: the rows are along axis 1", lambda x: x - x.mean(0)),
    ]
    for rng, n, d in sizes(seed, budget):
        judge(centered, lambda x: x - x.mean(1, keepdims=True), slips, x=numbers(rng, (n, d)))


@exercise.check()
def test_squared_error(squared_error, seed, budget):
    sentence = "every y was compared with every target, since (n, 1) minus (n,) is (n, n): make the shapes equal"
    slips = [
        ("accidental-broadcast", sentence, lambda y, target: ((y - target) ** 2).mean()),
        ("sum-for-mean", "this is the sum of the squares, not their mean", lambda y, t: ((y[:, 0] - t) ** 2).sum()),
        ("factor", "this is half of the mean squared error", lambda y, t: ((y[:, 0] - t) ** 2).mean() / 2),
        ("not-squared", "this is the mean of the absolute differences", lambda y, t: np.abs(y[:, 0] - t).mean()),
    ]
    for rng, n, _ in sizes(seed, budget):
        right = lambda y, target: np.asarray(((y[:, 0] - target) ** 2).mean())  # noqa: E731
        judge(squared_error, right, slips, y=numbers(rng, (n, 1)), target=numbers(rng, (n,)))
