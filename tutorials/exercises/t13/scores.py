r"""Scores: who fits whom

Each token asks with a **query**, a row of `Q`. Each token offers a **key**, a row of `K`. How well the two fit is their
dot product, divided by $\sqrt d$, where $d$ is how many numbers a query has:

$$s_{ij} = \frac{q_i \cdot k_j}{\sqrt d}$$

Write `scores(Q, K)`. `Q` is (queries, d), `K` is (keys, d), and the result is (queries, keys): a row for each query.
Both may have axes in front, for several texts at once, as in (texts, queries, d). The result then has them, too.
"""

import numpy as np

from tinygrad_lora.learn.authoring import Exercise, generators, numbers

from ._judge import judge

HINTS = (
    "A product of matrices makes all dot products at once: rows of the first with columns of the second. So the keys "
    "must become columns.",
    "`K.T` turns around all axes, also that of the texts. `K.mT` swaps the last two alone. Which number is d?",
    "`return Q @ K.mT / np.sqrt(Q.shape[-1])`",
)
ABOUT = (
    "All scores are one product of matrices, a row for each query and a column for each key. The root keeps their size "
    "the same however long the vectors are, because a sum of d random products grows as the root of d."
)
NEXT = (
    "Divide by d in place of its root. What becomes of the largest weight after the softmax, for d = 4 and d = 1,024?"
)
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
    ("unscaled", "that is the dot product itself; divide it by the root of d", lambda Q, K: Q @ K.mT),
    ("no-root", "it is divided by d; divide by the root of d", lambda Q, K: Q @ K.mT / Q.shape[-1]),
    ("scaled-by-keys", "it is divided by the root of the number of keys; d is how many numbers a key has",
     lambda Q, K: Q @ K.mT / np.sqrt(K.shape[-2])),
    ("scaled-by-queries", "it is divided by the root of the number of queries; d is how many numbers a query has",
     lambda Q, K: Q @ K.mT / np.sqrt(Q.shape[-2])),
    ("axis-counted-from-the-front", "axis 1 has the length d for one text, and not for several: `Q.shape[-1]`",
     lambda Q, K: Q @ K.mT / np.sqrt(Q.shape[1])),
    ("first-axis-for-d", "it is divided by the root of the length of the first axis, and d is that of the last",
     lambda Q, K: Q @ K.mT / np.sqrt(Q.shape[0])),
    ("multiplied", "it is multiplied by the root of d; divide", lambda Q, K: Q @ K.mT * np.sqrt(Q.shape[-1])),
    ("scaled-twice", "queries and keys are both divided by the root, so the product is divided by d",
     lambda Q, K: Q @ K.mT / Q.shape[-1]),
    ("transposed", "rows are keys and columns are queries; a row must be a query's",
     lambda Q, K: K @ Q.mT / np.sqrt(Q.shape[-1])),
    ("reversed-axes", "`.T` turns around all axes, also that of the texts; `.mT` swaps the last two alone",
     lambda Q, K: Q @ K.T / np.sqrt(Q.shape[-1])),
    ("no-transpose", "the keys are rows, and a product needs them as columns: `K.mT`",
     lambda Q, K: Q @ K / np.sqrt(Q.shape[-1])),
    ("columns-compared", "that compares columns of Q with columns of K; compare rows",
     lambda Q, K: Q.mT @ K / np.sqrt(Q.shape[-1])),
    ("own-key-only", "each query meets its own key alone; it must meet every key",
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
