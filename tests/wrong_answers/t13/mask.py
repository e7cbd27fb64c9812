"""Known wrong answers: the causal mask."""

import numpy as np

from tinygrad_lora.learn.exercises.t13.mask import exercise


@exercise.mutant("past-hidden")
def hides_the_past(scores):
    return np.where(np.tri(scores.shape[-1]).T == 1, scores, -np.inf)


@exercise.mutant("diagonal-hidden")
def hides_the_token_itself(scores):
    return np.where(np.tri(scores.shape[-1], k=-1) == 1, scores, -np.inf)


@exercise.mutant("one-too-far")
def looks_one_too_far(scores):
    return np.where(np.tri(scores.shape[-1], k=1) == 1, scores, -np.inf)


@exercise.mutant("zero-is-no-mask")
def multiplies_by_the_triangle(scores):
    return scores * np.tri(scores.shape[-1])


@exercise.mutant("not-small-enough")
def subtracts_one(scores):
    return scores - np.triu(np.ones(scores.shape[-2:]), k=1)


@exercise.mutant("first-axis-for-tokens")
def measures_the_first_axis(scores):
    return np.where(np.tri(len(scores)) == 1, scores, -np.inf)
