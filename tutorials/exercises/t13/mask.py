r"""The causal mask

A model that says what comes next must not see what comes next. So in training no token may look at a later one.

Write `masked(scores)`. `scores` is (tokens, tokens), a row for each query: the token in row i looks at the token in
column j. Give a new array in which every score of a later token is minus infinity. The others stay as they are. A token
may look at itself. Scores may have axes in front, as in (heads, tokens, tokens).

Your scores go through a softmax, and its weights are checked. A number like -1e9 does as well as minus infinity.
"""

import numpy as np

from tinygrad_lora.learn.authoring import Exercise, generators, numbers

from ._judge import judge, softmax

HINTS = (
    "Draw the matrix for three tokens. In row 0 only column 0 is allowed. Which triangle must go?",
    "`np.triu(..., k=1)` keeps what is above the diagonal, and `np.tri(n)` has ones on the diagonal and below. "
    "`np.where(condition, a, b)` chooses.",
    "`n = scores.shape[-1]`, then `return np.where(np.tri(n) == 1, scores, -np.inf)`",
)
ABOUT = (
    "Minus infinity becomes a weight of 0 under the softmax, and the rest of the row still sums to 1. Because of the "
    "mask one pass over a text trains every position at once: each one predicts from what stands before it."
)
NEXT = "Let each token see itself and the two before it, and no more. Where does a sliding window save work?"
exercise = Exercise("13-mask", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def masked(scores):
    """The scores, with minus infinity for every later token."""
    n = scores.shape[-1]
    return np.where(np.tri(n) == 1, scores, -np.inf)


@exercise.another()
def by_adding(scores):
    """Add 0 where a token may look, and minus infinity where not: then a mask is a number like any other."""
    n = scores.shape[-1]
    return scores + np.where(np.arange(n)[:, None] >= np.arange(n), 0.0, -np.inf)


right = masked


def hidden(allowed, instead=-np.inf):
    """Scores with another triangle, or with something else than minus infinity."""
    return lambda s: np.where(allowed(s.shape[-1]) == 1, s, instead)


SLIPS = (
    ("future-visible", "no score has changed: later tokens can be seen", lambda s: s),
    ("past-hidden", "the wrong triangle is hidden: each token sees itself and later ones; it must see earlier ones",
     hidden(lambda n: np.tri(n).T)),
    ("rows-for-columns", "each column is masked as a row should be: rows are those who look",
     lambda s: np.swapaxes(right(np.swapaxes(s, -1, -2)), -1, -2)),
    ("diagonal-hidden", "a token does not see itself, and the first sees nothing at all: leave the diagonal",
     hidden(lambda n: np.tri(n, k=-1))),
    ("one-too-far", "each token sees one later token as well: the diagonal is the last that it may see",
     hidden(lambda n: np.tri(n, k=1))),
    ("only-the-future", "each token sees later tokens and nothing else",
     hidden(lambda n: 1 - np.tri(n))),
    ("zero-is-no-mask", "a score of 0 is no score of a hidden token: e^0 = 1, so it has a weight; write -np.inf",
     hidden(np.tri, 0.0)),
    ("sign", "plus infinity is the largest score there is, and here it must be the smallest", hidden(np.tri, np.inf)),
    ("not-small-enough", "-1 is a score like any other, and a hidden token still has a weight: write -np.inf",
     hidden(np.tri, -1.0)),
    ("not-small-enough", "1 less is a score like any other, and a hidden token still has a weight: subtract infinity",
     lambda s: s - np.triu(np.ones(s.shape[-2:]), 1)),
    ("zero-times-infinity", "0 times infinity is NaN: choose with np.where",
     lambda s: s + (1 - np.tri(s.shape[-1])) * -np.inf),
    ("zero-times-infinity", "0 times infinity is NaN: choose with np.where",
     lambda s: s * np.tri(s.shape[-1]) + np.triu(np.full(s.shape[-2:], -np.inf), 1) * (1 - np.tri(s.shape[-1]))),
    ("scores-lost", "the scores are gone: only the mask is left, and every visible token has the same weight",
     lambda s: np.broadcast_to(np.where(np.tri(s.shape[-1]) == 1, 0.0, -np.inf), s.shape)),
    ("scores-lost", "the scores are gone: only the mask is left, and every visible token has the same weight",
     lambda s: np.where(np.tri(s.shape[-1]) == 1, 0.0, -np.inf)),
    ("self-only", "each token sees itself alone; it must see all earlier ones as well",
     hidden(np.eye)),
    ("first-axis-for-tokens", "the mask has the length of the first axis; that of the tokens is the last",
     lambda s: np.where(np.tri(len(s)) == 1, s, -np.inf)),
)  # fmt: skip


def texts(seed, budget):
    yield {"scores": np.array([[1.0, 2.0, 3.0], [3.0, 1.0, 2.0], [2.0, 3.0, 1.0]])}
    for size, rng in generators(seed, min(budget, 12)):
        yield {"scores": numbers(rng, (2 + size % 5, 2 + size % 5)) / 4}


def batches(seed, budget):
    for size, rng in generators(seed, min(budget, 6)):
        yield {"scores": numbers(rng, ((2,), (5,), (2, 4))[size % 3] + (3, 3)) / 4}


NAME = "softmax(masked(scores))"


@exercise.check(points=3)
def test_no_token_sees_a_later_one(masked, seed, budget):
    judge(masked, right, SLIPS, texts(seed, budget), NAME, softmax)


@exercise.check(points=1)
def test_several_heads_at_once(masked, seed, budget):
    judge(masked, right, SLIPS, batches(seed, budget), NAME, softmax)
