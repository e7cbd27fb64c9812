r"""Scores: who fits whom

Each token asks with a **query**, a row of `Q`. Each token offers a **key**, a row of `K`. The score says how well the
two fit. It is their dot product, divided by $\sqrt d$, where $d$ is how many numbers a query has:

$$s_{ij} = \frac{q_i \cdot k_j}{\sqrt d}$$

Write `scores(Q, K)`. `Q` is (queries, d), `K` is (keys, d), and the result is (queries, keys): a row for each query.
Both may have more axes in front, for several texts at once, as in (texts, queries, d). The result then has them, too.
"""

import numpy as np

from tinygrad_lora.learn.authoring import Exercise, generators, numbers

from ._judge import judge

HINTS = (
    "A matrix product makes all dot products at once: rows of the first with columns of the second. So the keys "
    "must become columns.",
    "`K.T` reverses all axes, also that of the texts. `K.mT` swaps only the last two. Which number is d?",
    "`return Q @ K.mT / np.sqrt(Q.shape[-1])`",
)
ABOUT = (
    "All scores are one matrix product, with a row for each query and a column for each key. The root keeps their "
    "size the same, however long the vectors are, because a sum of d random products grows as the root of d."
)
NEXT = "Divide by d and not by its root. How large is the largest weight after the softmax, for d = 4 and d = 1,024?"
exercise = Exercise("13-scores", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def scores(Q, K):
    """How well each query fits each key, (..., queries, keys)."""
    return Q @ K.mT / np.sqrt(Q.shape[-1])


@exercise.another()
def by_letters(Q, K):
    """Name the axes: i counts queries, j keys, and d disappears, because it is summed over."""
    return np.einsum("...id,...jd->...ij", Q, K) * Q.shape[-1] ** -0.5


right = scores
SLIPS = (
    ("unscaled", "These are the dot products themselves; divide them by the root of d", lambda Q, K: Q @ K.mT),
    ("no-root", "You divide by d; divide by the root of d", lambda Q, K: Q @ K.mT / Q.shape[-1]),
    ("scaled-by-keys", "You divide by the root of the number of keys; d is how many numbers a key has",
     lambda Q, K: Q @ K.mT / np.sqrt(K.shape[-2])),
    ("scaled-by-queries", "You divide by the root of the number of queries; d is how many numbers a query has",
     lambda Q, K: Q @ K.mT / np.sqrt(Q.shape[-2])),
    ("axis-counted-from-the-front", "Axis 1 has length d for one text, but not for several; write `Q.shape[-1]`",
     lambda Q, K: Q @ K.mT / np.sqrt(Q.shape[1])),
    ("first-axis-for-d", "You divide by the root of the length of the first axis; d is the length of the last",
     lambda Q, K: Q @ K.mT / np.sqrt(Q.shape[0])),
    ("multiplied", "You multiply by the root of d; divide", lambda Q, K: Q @ K.mT * np.sqrt(Q.shape[-1])),
    ("scaled-twice", "If queries and keys are both divided by the root of d, their product is divided by d",
     lambda Q, K: Q @ K.mT / Q.shape[-1]),
    ("transposed", "Rows are keys and columns are queries; a row must belong to a query",
     lambda Q, K: K @ Q.mT / np.sqrt(Q.shape[-1])),
    ("reversed-axes", "`.T` reverses all axes, also that of the texts; `.mT` swaps only the last two",
     lambda Q, K: Q @ K.T / np.sqrt(Q.shape[-1])),
    ("no-transpose", "The keys are rows, and the product needs them as columns; write `K.mT`",
     lambda Q, K: Q @ K / np.sqrt(Q.shape[-1])),
    ("columns-compared", "You compare columns of Q with columns of K; compare rows",
     lambda Q, K: Q.mT @ K / np.sqrt(Q.shape[-1])),
    ("own-key-only", "Each query meets only its own key; it must meet every key",
     lambda Q, K: (Q * K).sum(axis=-1) / np.sqrt(Q.shape[-1])),
)  # fmt: skip


def texts(seed, budget):
    """Queries and keys of one text, small at first; never as many queries as keys as numbers of each."""
    yield {"Q": np.array([[1.0, 2.0, 0.0, 1.0], [0.0, 3.0, 1.0, 0.0]]), "K": np.array([[2.0, 1.0, 0.0, 0.0]] * 2)}
    for size, rng in generators(seed, min(budget, 12)):
        n, m, d = 2 + size % 3, 3 + size % 4, (4, 9, 16)[size % 3]
        yield {"Q": numbers(rng, (n, d)), "K": numbers(rng, (m, d))}


def batches(seed, budget):
    """Several texts at once, and one axis more for heads."""
    for size, rng in generators(seed, min(budget, 8)):
        front = ((2,), (3,), (2, 3))[size % 3]
        yield {"Q": numbers(rng, (*front, 2 + size % 2, 4)), "K": numbers(rng, (*front, 5, 4))}
    for _, rng in generators(seed, 1):
        yield {"Q": numbers(rng, (4, 4, 4)), "K": numbers(rng, (4, 4, 4))}


@exercise.check(points=3)
def test_a_row_for_each_query_and_a_column_for_each_key(scores, seed, budget):
    judge(scores, right, SLIPS, texts(seed, budget), "scores(Q, K)")


@exercise.check(points=1)
def test_several_texts_at_once(scores, seed, budget):
    judge(scores, right, SLIPS, batches(seed, budget), "scores(Q, K)")
