"""Known wrong answers: it sees the future."""

import numpy as np

from tinygrad_lora.learn.exercises.t14.future import exercise, keep, normalized, tokens_normed, with_other, zeroed


@exercise.mutant("masked-after-softmax")
def finds_the_first_alone(x, A, B, C):
    return with_other(mask=keep, after=zeroed)(x, A, B, C)


@exercise.mutant("mean-over-tokens")
def finds_the_second_alone(x, A, B, C):
    return with_other(tokens_normed)(x, A, B, C)


@exercise.mutant("no-mask")
def takes_the_mask_away(x, A, B, C):
    return with_other(mask=keep)(x, A, B, C)


@exercise.mutant("not-normalized")
def takes_the_norm_away(x, A, B, C):
    return with_other(keep)(x, A, B, C)


@exercise.mutant("diagonal-hidden")
def hides_too_much(x, A, B, C):
    x = normalized(x)
    scores = (x @ A) @ (x @ B).T / np.sqrt(B.shape[1])
    scores = np.where(np.tri(len(x), k=-1) == 1, scores, -np.inf)
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True) @ (x @ C)
