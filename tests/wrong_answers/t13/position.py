"""Known wrong answers: where a token stands."""

import numpy as np

from tinygrad_lora.learn.exercises.t13.position import exercise, waves


@exercise.mutant("sine-and-cosine-swapped")
def begins_with_cosines(length, width):
    return waves(np.cos, np.sin)(length, width)


@exercise.mutant("halves")
def puts_them_side_by_side(length, width):
    angles = np.arange(length)[:, None] / 10_000 ** (np.arange(0, width, 2) / width)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


@exercise.mutant("exponent-without-2")
def counts_in_ones(length, width):
    return waves(exponent=lambda i, d: i / d)(length, width)


@exercise.mutant("column-for-pair")
def gives_each_column_a_speed(length, width):
    angles = np.arange(length)[:, None] / 10_000 ** (np.arange(width) / width)
    return np.where(np.arange(width) % 2 == 0, np.sin(angles), np.cos(angles))


@exercise.mutant("counts-from-1")
def counts_from_1(length, width):
    return waves(start=1)(length, width)
