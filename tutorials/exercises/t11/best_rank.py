r"""The closest matrix of rank r

Any matrix is a product of three: $M = U \Sigma V^\top$, with `U, S, Vt = np.linalg.svd(M, full_matrices=False)`. The
singular values in `S` come largest first. Write two functions:

* `low_rank(M, r)`: two arrays, A of shape (rows of M, r) and B of shape (r, columns of M). Their product `A @ B` must
  be as close to M as a matrix of rank r can be. Keep the r largest singular values.
* `smallest_error(M, r)`: how far away that product is, $\lVert M - A B \rVert$, the root of the sum of all squared
  differences. Find it from the singular values alone, without A and B.
"""

import numpy as np

from tinygrad_lora.learn.authoring import (
    Exercise,
    as_array,
    as_number,
    example,
    generators,
    kind_of,
    number,
    refuse,
    require,
    same,
    written,
)

HINTS = (
    "M is a sum of matrices of rank 1: a singular value times a column of U times a row of Vt. Keep the first r.",
    "The singular values belong to A or to B, once: `U[:, :r] * S[:r]` scales the columns. "
    "What was left out is the rest of the sum, and its parts are at right angles.",
    "`return U[:, :r] * S[:r], Vt[:r]` and `return np.sqrt((S[r:] ** 2).sum())`",
)
ABOUT = (
    "Singular values say how much of a matrix each rank holds, and to drop the smallest is the best that this "
    "rank can do (Eckart and Young, 1936). The distance that is left is the root of the squares that were "
    "dropped."
)
NEXT = (
    "Compare the singular values of a weight before and after a training. How many hold 90 % of the squared difference?"
)
exercise = Exercise("11-best-rank", __doc__, kind="N", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def low_rank(M, r):
    """A and B with A @ B as close to M as rank r allows."""
    U, S, Vt = np.linalg.svd(M, full_matrices=False)
    return U[:, :r] * S[:r], Vt[:r]


@exercise.reference
def smallest_error(M, r):
    """The distance from M to the closest matrix of rank r."""
    S = np.linalg.svd(M, compute_uv=False)
    return np.sqrt((S[r:] ** 2).sum())


@exercise.another("low_rank")
def by_projecting(M, r):
    """By eigenvectors of M.T M: project the rows on the r directions in which they are longest."""
    _, V = np.linalg.eigh(M.T @ M)  # the smallest first
    V = V[:, ::-1][:, :r]
    return M @ V, V.T


def matrices(seed, budget):
    """Matrices and ranks, smallest first; wide and tall ones, and one of low rank."""
    yield np.array([[3.0, 0.0], [0.0, 2.0]]), 1
    for size, rng in generators(seed, budget):
        n, m = 2 + size % 5 + int(rng.integers(3)), 3 + size % 4
        yield rng.normal(size=(n, m)).round(2), int(rng.integers(1, min(n, m)))
        column, row, other = (rng.normal(size=shape).round(1) for shape in ((n, 1), (1, m), (n, 1)))
        yield (column @ row + other @ np.ones((1, m))).round(2), 1


def parts(M):
    return np.linalg.svd(M, full_matrices=False)


def of_columns(M, r):
    """A with columns of Vt for the rows of B, where that fits."""
    U, S, Vt = parts(M)
    return (U[:, :r] * S[:r]) @ Vt[:, :r].T if len(Vt) == M.shape[1] else None


def scaled(scale, last=False):
    """The product with another scale than the singular values, or of the last vectors."""

    def product(M, r):
        U, S, Vt = parts(M)
        rows = slice(len(S) - r, len(S)) if last else slice(0, r)
        return (U[:, rows] * scale(S[rows])) @ Vt[rows]

    return product


PRODUCTS = (
    ("roots", "the roots of the singular values are in it once; put them into A and B", scaled(np.sqrt)),
    ("columns-of-vt", "B is made of columns of Vt; its first rows are wanted", of_columns),
    ("no-singular-values", "the singular values are not in it", scaled(np.ones_like)),
    ("scaled-twice", "the singular values are in A and in B", scaled(np.square)),
    ("smallest-kept", "you keep the smallest singular values; keep the largest", scaled(np.positive, last=True)),
)


def fits(product, answers):
    """Whether this mistake gives the products of all answers, wherever it gives any."""
    pairs = [(A @ B, product(M, r)) for M, r, A, B in answers]
    return all(slipped is None or same(yours, slipped) for yours, slipped in pairs) and pairs[0][1] is not None


@exercise.check(points=3)
def test_the_product_is_as_close_as_it_can_be(low_rank, seed, budget):
    wrong = []
    for M, r in matrices(seed, budget):
        factors, (n, m) = low_rank(M, r), M.shape
        if type(factors) not in (list, tuple) or len(factors) != 2:
            raise refuse("count", f"low_rank must return two arrays, A and B, not {kind_of(factors)}")
        who = f"for M of shape {(n, m)} and r = {r},"
        A, B = as_array(factors[0], f"{who} A", (n, r)), as_array(factors[1], f"{who} B", (r, m))
        if distance(M, A, B) > least(M, r) * (1 + 1e-9) + 1e-9:
            wrong.append((M, r, A, B))
    if not wrong:
        return
    M, r, A, B = wrong[0]
    sentence = f"your A B is {number(distance(M, A, B))} away from M; {number(least(M, r))} can be reached"
    shown = example(M=M, r=r, **{"your A": A, "your B": B})
    for code, why, product in PRODUCTS:
        require(not fits(product, wrong), code, f"{sentence}: {why}", example=shown)
    require(False, "not-closest", sentence, example=shown)


def distance(M, A, B):
    return float(np.linalg.norm(M - A @ B))


def least(M, r):
    """The distance from a matrix to the closest one of rank r."""
    return float(np.sqrt((parts(M)[1][r:] ** 2).sum()))


@exercise.check(points=2)
def test_the_error_from_the_singular_values(smallest_error, seed, budget):
    wrong = []
    for M, r in matrices(seed, budget):
        answer, S = as_number(smallest_error(M, r), "the error"), parts(M)[1]
        if not near(answer, least(M, r)):
            wrong.append((S, r, answer))
    if not wrong:
        return
    S, r, answer = wrong[0]
    right = float(np.sqrt((S[r:] ** 2).sum()))
    sentence = f"of the singular values {written(S)}, r = {r}, the error is {number(right)}; yours {number(answer)}"
    for code, why, error in ERRORS:
        with np.errstate(all="ignore"):
            explained = all(near(answer, error(S, r)) for S, r, answer in wrong)
        require(not explained, code, f"{sentence}: {why}")
    require(False, "differs", sentence)


ERRORS = (
    ("missing-root", "that is its square", lambda S, r: (S[r:] ** 2).sum()),
    ("kept-for-dropped", "that is the size of what is kept", lambda S, r: np.sqrt((S[:r] ** 2).sum())),
    ("plain-sum", "square them, add, and take the root", lambda S, r: S[r:].sum()),
    ("off-by-one", "one is left out; S[r:]", lambda S, r: np.sqrt((S[r + 1 :] ** 2).sum())),
    ("mean-for-sum", "that is the root of the mean; take the sum", lambda S, r: np.sqrt((S[r:] ** 2).mean())),
    ("next-value", "that is only the first one left out", lambda S, r: S[r]),
)


def near(a, b):
    return same(np.asarray(float(a)), np.asarray(float(b)), 1e-9, 1e-9)
