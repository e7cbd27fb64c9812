"""Known wrong answers: sum and mean along an axis."""

import numpy as np

from tinygrad_lora.learn.exercises.t05.sum_mean import exercise


@exercise.mutant("unrepeated", name="sum_vjp")
def gives_g_back(g, y, x, axis):
    return g


@exercise.mutant("wrong-axis", name="sum_vjp")
def repeats_without_the_axis(g, y, x, axis):
    return np.broadcast_to(g, x.shape)


@exercise.mutant("missing-count", name="mean_vjp")
def forgets_to_divide(g, y, x, axis):
    return np.broadcast_to(np.expand_dims(g, axis), x.shape)


@exercise.mutant("all-elements", name="mean_vjp")
def divides_by_all(g, y, x, axis):
    return np.broadcast_to(np.expand_dims(g, axis), x.shape) / x.size


@exercise.mutant("missing-upstream", name="sum_vjp")
def gives_ones(g, y, x, axis):
    return np.ones(x.shape)
