"""Known wrong answers: the softmax over the right axis."""

import numpy as np

from tinygrad_lora.learn.exercises.t13.weights import exercise


@exercise.mutant("wrong-axis")
def shares_out_the_queries(scores):
    e = np.exp(scores - scores.max(axis=-2, keepdims=True))
    return e / e.sum(axis=-2, keepdims=True)


@exercise.mutant("all-summed")
def sums_everything(scores):
    e = np.exp(scores - scores.max())
    return e / e.sum()


@exercise.mutant("axis-counted-from-the-front")
def counts_from_the_front(scores):
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@exercise.mutant("sum-not-kept")
def loses_the_axis(scores):
    e = np.exp(scores)
    return e / e.sum(axis=-1)


@exercise.mutant("overflow")
def writes_the_formula_down(scores):
    e = np.exp(scores)
    return e / e.sum(axis=-1, keepdims=True)


@exercise.mutant("one-maximum")
def subtracts_one_maximum(scores):
    e = np.exp(scores - scores.max())
    return e / e.sum(axis=-1, keepdims=True)
