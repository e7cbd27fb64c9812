"""Known wrong answers: the way back of im2col."""

import numpy as np

from tinygrad_lora.learn.exercises.t16.scatter import exercise


def windows(shape, size, stride):
    """Where the window stands, in the order of the rows of g."""
    for i in range(0, shape[1] - size[0] + 1, stride):
        for j in range(0, shape[2] - size[1] + 1, stride):
            yield slice(None), slice(i, i + size[0]), slice(j, j + size[1])


@exercise.mutant("overwritten")
def replaces_what_is_there(g, shape, size, stride):
    gradient = np.zeros(shape)
    for row, place in zip(g, windows(shape, size, stride), strict=True):
        gradient[place] = row.reshape(shape[0], *size)
    return gradient


@exercise.mutant("overwritten")
def adds_at_an_array_of_places(g, shape, size, stride):
    pixel, gradient = np.arange(np.prod(shape)).reshape(shape), np.zeros(int(np.prod(shape)))
    gradient[[pixel[place].ravel() for place in windows(shape, size, stride)]] += g
    return gradient.reshape(shape)


@exercise.mutant("mean-for-sum")
def takes_the_mean_of_the_uses(g, shape, size, stride):
    gradient, uses = np.zeros(shape), np.zeros(shape)
    for row, place in zip(g, windows(shape, size, stride), strict=True):
        gradient[place] += row.reshape(shape[0], *size)
        uses[place] += 1
    return gradient / np.maximum(uses, 1)


@exercise.mutant("missing-upstream")
def counts_the_uses(g, shape, size, stride):
    gradient = np.zeros(shape)
    for place in windows(shape, size, stride):
        gradient[place] += 1
    return gradient


@exercise.mutant("channels-last")
def reads_a_row_with_channels_last(g, shape, size, stride):
    gradient = np.zeros(shape)
    for row, place in zip(g, windows(shape, size, stride), strict=True):
        gradient[place] += row.reshape(*size, shape[0]).transpose(2, 0, 1)
    return gradient


@exercise.mutant("stride-not-in-start")
def starts_at_the_number_of_the_place(g, shape, size, stride):
    gradient, rows = np.zeros(shape), iter(g.reshape(-1, shape[0], *size))
    for i in range((shape[1] - size[0]) // stride + 1):
        for j in range((shape[2] - size[1]) // stride + 1):
            gradient[:, i : i + size[0], j : j + size[1]] += next(rows)
    return gradient
