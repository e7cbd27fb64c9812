r"""The closest matrix of rank r

Any matrix is a product of three: $M = U \Sigma V^\top$, with `U, S, Vt = np.linalg.svd(M, full_matrices=False)`. The
singular values in `S` come largest first. Write two functions:

* `low_rank(M, r)`: two arrays, A of shape (rows of M, r) and B of shape (r, columns of M). Their product `A @ B` must
  be as close to M as a matrix of rank r can be. Keep the r largest singular values.
* `smallest_error(M, r)`: how far away that product is, $\lVert M - A B \rVert$, the root of the sum of all squared
  differences. Find it from the singular values alone, without A and B.
"""

import numpy as np

from tinygrad_lora.learn.authoring import Exercise, as_array, as_number, generators, kind_of, refuse, require, same

HINTS = (
    "M is a sum of matrices of rank 1: a singular value times a column of U times a row of Vt. Keep the first r.",
    "The singular values belong to A or to B, once: `U[:, :r] * S[:r]` scales the columns. "
    "What was left out is the rest of the sum, and its parts stand at right angles.",
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
        yield rng.normal(size=(n, m)), int(rng.integers(1, min(n, m)))
        yield rng.normal(size=(n, 1)) @ rng.normal(size=(1, m)) + rng.normal(size=(n, 1)) @ np.ones((1, m)), 1


def parts(M):
    return np.linalg.svd(M, full_matrices=False)


@exercise.check(points=3)
def test_the_product_is_as_close_as_it_can_be(low_rank, seed, budget):
    for M, r in matrices(seed, budget):
        factors, (n, m) = low_rank(M, r), M.shape
        if type(factors) not in (list, tuple) or len(factors) != 2:
            raise refuse("count", f"low_rank must return two arrays, A and B, not {kind_of(factors)}")
        A, B = as_array(factors[0], "A", (n, r)), as_array(factors[1], "B", (r, m))
        U, S, Vt = parts(M)
        least, off = float(np.sqrt((S[r:] ** 2).sum())), float(np.linalg.norm(M - A @ B))
        if off <= least * (1 + 1e-9) + 1e-9:
            continue
        sentence = f"for a {n} x {m} matrix and r = {r}, A B is {off:.4g} away; {least:.4g} can be reached"

        def like(scale, rows, product=A @ B, U=U, Vt=Vt):
            return same(product, (U[:, rows] * scale) @ Vt[rows])

        roots = same(A @ B, (U[:, :r] * np.sqrt(S[:r])) @ Vt[:r])
        require(
            not roots, "roots", f"{sentence}: the roots of the singular values are in it once; put them into A and B"
        )
        columns = same(A @ B, (U[:, :r] * S[:r]) @ parts(M)[2][:, :r].T) if len(Vt) == m else False
        require(not columns, "columns-of-vt", f"{sentence}: B is made of columns of Vt; its first rows are wanted")
        first, smallest = slice(0, r), slice(len(S) - r, len(S))
        require(not like(1.0, first), "no-singular-values", f"{sentence}: the singular values are not in it")
        require(not like(S[first] ** 2, first), "scaled-twice", f"{sentence}: the singular values are in A and in B")
        few = not like(S[smallest], smallest)
        require(few, "smallest-kept", f"{sentence}: you keep the smallest singular values; keep the largest")
        require(False, "not-closest", sentence)


@exercise.check(points=2)
def test_the_error_from_the_singular_values(smallest_error, seed, budget):
    for M, r in matrices(seed, budget):
        answer = as_number(smallest_error(M, r), "the error")
        S = parts(M)[1]
        right = float(np.sqrt((S[r:] ** 2).sum()))
        if near(answer, right):
            continue
        case = f"of the singular values {np.round(S, 3).tolist()}, r = {r},"
        sentence = f"{case} the error is {right:.4g}; yours {answer:.4g}"
        kept = float(np.sqrt((S[:r] ** 2).sum()))
        require(not near(answer, right**2), "missing-root", f"{sentence}: that is its square")
        require(not near(answer, kept), "kept-for-dropped", f"{sentence}: that is the size of what is kept")
        require(not near(answer, S[r:].sum()), "plain-sum", f"{sentence}: square them, add, and take the root")
        require(not near(answer, np.sqrt((S[r + 1 :] ** 2).sum())), "off-by-one", f"{sentence}: one is left out; S[r:]")
        mean = np.sqrt((S[r:] ** 2).mean()) if len(S) > r else right
        require(not near(answer, mean), "mean-for-sum", f"{sentence}: that is the root of the mean; take the sum")
        require(not near(answer, S[r]), "next-value", f"{sentence}: that is only the first one left out")
        require(False, "differs", sentence)


def near(a, b):
    return same(np.asarray(float(a)), np.asarray(float(b)), 1e-9, 1e-9)
