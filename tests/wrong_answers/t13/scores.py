"""Known wrong answers: who fits whom."""

import numpy as np

from tinygrad_lora.learn.exercises.t13.scores import exercise


@exercise.mutant("unscaled")
def forgets_the_root(Q, K):
    return Q @ K.mT


@exercise.mutant("no-root")
def divides_by_d(Q, K):
    return Q @ K.mT / Q.shape[-1]


@exercise.mutant("scaled-by-keys")
def takes_the_number_of_keys(Q, K):
    return Q @ K.mT / np.sqrt(K.shape[-2])


@exercise.mutant("transposed")
def asks_with_the_keys(Q, K):
    return K @ Q.mT / np.sqrt(Q.shape[-1])


@exercise.mutant("reversed-axes")
def turns_all_axes_around(Q, K):
    return Q @ K.T / np.sqrt(Q.shape[-1])


@exercise.mutant("no-transpose")
def multiplies_rows_by_rows(Q, K):
    return Q @ K / np.sqrt(Q.shape[-1])
