r"""Weights: the softmax over the right axis

`scores` is (queries, keys). Turn the scores of each query into weights: $w_{ij} = e^{s_{ij}} / \sum_k e^{s_{ik}}$.
These are shares: none is negative, and the weights of one query add up to 1.

Write `weights(scores)`. Scores may have more axes in front, as in (texts, queries, keys). They may be as large as
1,000. Some may be minus infinity: such a key has weight 0. Each query has at least one finite score.
"""

import numpy as np

from tinygrad_lora.learn.authoring import Exercise, generators, numbers

from ._judge import judge, softmax

HINTS = (
    "A query is a row. Which axis are the keys, and so which axis is summed? How can the sum fit the scores again?",
    "The keys are the last axis: `axis=-1`, with `keepdims=True`. Subtract the largest score of the row first, as in "
    "tutorial 07.",
    "`e = np.exp(scores - scores.max(axis=-1, keepdims=True))`, then `return e / e.sum(axis=-1, keepdims=True)`",
)
ABOUT = (
    "The softmax runs over the keys, so each query shares out one unit of attention. Over the queries, each key "
    "would share out one unit instead; that runs just as well, and no error tells you."
)
NEXT = "Take the softmax over the queries in your code, and look at the picture below. How can you see the mistake?"
exercise = Exercise("13-weights", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def weights(scores):
    """The share of each key in what a query sees, (..., queries, keys)."""
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@exercise.another()
def by_logarithms(scores):
    """Stay with logarithms until the end: the logarithm of a share is its score minus that of the sum."""
    return np.exp(scores - np.logaddexp.reduce(scores, axis=-1, keepdims=True))


def over(axis, keepdims=True, top=True, base=np.exp):
    """A softmax over another axis, without keeping it, or without taking the largest away."""

    def function(scores):
        e = base(scores - scores.max(axis=axis, keepdims=True) if top else scores)
        return e / e.sum(axis=axis, keepdims=keepdims)

    return function


RIGHT_AXIS = "the keys are the last axis, so sum over `axis=-1`"
SLIPS = (
    ("wrong-axis", f"Each column sums to 1, but each row must; {RIGHT_AXIS}", over(-2)),
    ("wrong-axis", f"You sum over the texts; {RIGHT_AXIS}", over(0)),
    ("axis-counted-from-the-front", f"Axis 1 is the keys for one text, but not for several; {RIGHT_AXIS}",
     over(1)),
    ("all-summed", f"All weights together sum to 1, but those of each query must; {RIGHT_AXIS}", over(None)),
    ("sum-not-kept",
     "A sum or a maximum has lost its axis, so NumPy aligns it with the columns; write `keepdims=True`",
     lambda s: np.exp(s) / np.exp(s).sum(axis=-1)),
    ("no-exponential", "These are the scores divided by their sum; take their exponentials first",
     over(-1, top=False, base=np.asarray)),
    ("exponential-only", "These are the exponentials; divide them by their sum",
     lambda s: np.exp(s - s.max(axis=-1, keepdims=True))),
    ("exponential-only", "These are the exponentials; divide them by their sum", np.exp),
    ("largest-only", "The largest score has all the weight; the others must have a share as well",
     lambda s: (s == s.max(axis=-1, keepdims=True)) * 1.0),
    ("logarithm", "These are the logarithms of the weights; take their exponentials", lambda s: np.log(softmax(s))),
    ("base-of-power", "These are powers of 2; the softmax uses powers of e", over(-1, base=np.exp2)),
)  # fmt: skip
LARGE = (
    ("overflow", "`np.exp(1000)` is infinite; first subtract the largest score of each row", over(-1, top=False)),
    ("overflow", "`np.exp(1000)` is infinite; first subtract the largest score of each row",
     lambda s: np.nan_to_num(over(-1, top=False)(s))),
    ("one-maximum", "You subtract one maximum from all rows, too much for the others; subtract from each row its own",
     lambda s: np.exp(s - s.max()) / np.exp(s - s.max()).sum(axis=-1, keepdims=True)),
    ("smallest-subtracted", "You subtract the smallest score, so the others become larger; subtract the largest",
     lambda s: np.exp(s - s.min(axis=-1, keepdims=True))
     / np.exp(s - s.min(axis=-1, keepdims=True)).sum(axis=-1, keepdims=True)),
    *SLIPS,
)  # fmt: skip


def texts(seed, budget):
    yield {"scores": np.array([[0.5, 0.5, 0.5, 0.5], [1.5, 0.5, 0.5, 0.5]])}
    for size, rng in generators(seed, min(budget, 12)):
        yield {"scores": numbers(rng, (2 + size % 3, 3 + size % 3)) / 4}


def batches(seed, budget):
    for size, rng in generators(seed, min(budget, 6)):
        yield {"scores": numbers(rng, ((2,), (4,), (2, 3))[size % 3] + (3, 4)) / 4}


NONE = -np.inf
EXTREMES = (
    {"scores": np.array([[1000.0, 999.0, 0.0], [1.0, 2.0, 3.0]])},
    {"scores": np.array([[1000.0, 999.0], [-1000.0, -1001.0]])},
    {"scores": np.array([[2.0, NONE, NONE], [1.0, 2.0, NONE], [0.0, 0.0, 1.0]])},
)


@exercise.check(points=2)
def test_the_weights_of_each_query_are_shares(weights, seed, budget):
    judge(weights, softmax, SLIPS, texts(seed, budget), "weights(scores)")


@exercise.check(points=1)
def test_several_texts_at_once(weights, seed, budget):
    judge(weights, softmax, SLIPS, batches(seed, budget), "weights(scores)")


@exercise.check(points=1)
def test_large_scores_and_scores_of_minus_infinity(weights):
    judge(weights, softmax, LARGE, EXTREMES, "weights(scores)")
