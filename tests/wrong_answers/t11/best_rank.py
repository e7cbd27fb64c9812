"""Known wrong answers: the closest matrix of rank r."""

import numpy as np

from tinygrad_lora.learn.exercises.t11.best_rank import exercise, parts


@exercise.mutant("no-singular-values", name="low_rank")
def forgets_the_singular_values(M, r):
    U, _, Vt = parts(M)
    return U[:, :r], Vt[:r]


@exercise.mutant("scaled-twice", name="low_rank")
def scales_both(M, r):
    U, S, Vt = parts(M)
    return U[:, :r] * S[:r], S[:r, None] * Vt[:r]


@exercise.mutant("smallest-kept", name="low_rank")
def keeps_the_smallest(M, r):
    U, S, Vt = parts(M)
    return U[:, -r:] * S[-r:], Vt[-r:]


@exercise.mutant("missing-root", name="smallest_error")
def forgets_the_root(M, r):
    return (parts(M)[1][r:] ** 2).sum()


@exercise.mutant("kept-for-dropped", name="smallest_error")
def measures_what_is_kept(M, r):
    return np.sqrt((parts(M)[1][:r] ** 2).sum())


@exercise.mutant("plain-sum", name="smallest_error")
def adds_them_up(M, r):
    return parts(M)[1][r:].sum()
