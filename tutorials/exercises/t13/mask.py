r"""The causal mask

A model that says what comes next must not see what comes next. So in training no token may look at a later one.

Write `masked(scores)`. `scores` is (tokens, tokens), a row for each query: the token in row i looks at the token in
column j. Return a new array in which every score of a later token is minus infinity. The others stay as they are. A
token may look at itself. Scores may have more axes in front, as in (heads, tokens, tokens).

The check puts your scores through a softmax, and looks at the weights. A number like -1e9 works as well as minus
infinity.
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
    "mask, one pass over a text trains every position at once: each one predicts from the tokens before it."
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
    ("future-visible", "No score has changed, so later tokens can be seen", lambda s: s),
    ("past-hidden", "The wrong triangle is hidden; each token sees itself and later ones, but must see earlier ones",
     hidden(lambda n: np.tri(n).T)),
    ("rows-for-columns", "Each column is masked as a row should be; the row is the token that looks",
     lambda s: np.swapaxes(right(np.swapaxes(s, -1, -2)), -1, -2)),
    ("diagonal-hidden", "A token does not see itself, and the first token sees nothing at all; keep the diagonal",
     hidden(lambda n: np.tri(n, k=-1))),
    ("one-too-far", "Each token also sees one later token; the diagonal is the last that it may see",
     hidden(lambda n: np.tri(n, k=1))),
    ("only-the-future", "Each token sees later tokens and nothing else",
     hidden(lambda n: 1 - np.tri(n))),
    ("zero-is-no-mask", "A score of 0 does not hide a token: e^0 = 1, so it still has a weight; write -np.inf",
     hidden(np.tri, 0.0)),
    ("sign", "Plus infinity is the largest score of all; a hidden token needs the smallest", hidden(np.tri, np.inf)),
    ("not-small-enough", "-1 is a score like any other, so a hidden token still has a weight; write -np.inf",
     hidden(np.tri, -1.0)),
    ("not-small-enough", "1 less is still an ordinary score, so a hidden token has a weight; write -np.inf",
     lambda s: s - np.triu(np.ones(s.shape[-2:]), 1)),
    ("zero-times-infinity", "0 times infinity is NaN; choose with np.where instead",
     lambda s: s + (1 - np.tri(s.shape[-1])) * -np.inf),
    ("zero-times-infinity", "0 times infinity is NaN; choose with np.where instead",
     lambda s: s * np.tri(s.shape[-1]) + np.triu(np.full(s.shape[-2:], -np.inf), 1) * (1 - np.tri(s.shape[-1]))),
    ("scores-lost", "The scores are gone; only the mask is left, so every visible token has the same weight",
     lambda s: np.broadcast_to(np.where(np.tri(s.shape[-1]) == 1, 0.0, -np.inf), s.shape)),
    ("scores-lost", "The scores are gone; only the mask is left, so every visible token has the same weight",
     lambda s: np.where(np.tri(s.shape[-1]) == 1, 0.0, -np.inf)),
    ("self-only", "Each token sees only itself; it must see all earlier ones as well",
     hidden(np.eye)),
    ("first-axis-for-tokens", "The mask is as long as the first axis; the tokens are the last axis",
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
