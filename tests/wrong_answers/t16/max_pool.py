"""Known wrong answers: the gradient of the largest."""

import numpy as np

from tinygrad_lora.learn.exercises.t16.max_pool import by_window, chosen, exercise, first


@exercise.mutant("every-maximum")
def gives_it_to_whoever_equals_the_output(g, y, x, size):
    n, m = y.shape
    gradient, ones = np.zeros(x.shape), np.ones((size, size))
    inside = x[: n * size, : m * size]
    gradient[: n * size, : m * size] = (inside == np.kron(y, ones)) * np.kron(g, ones)
    return gradient


@exercise.mutant("shared")
def divides_it_among_the_largest(g, y, x, size):
    return by_window(lambda g, w: g * (w == w.max()) / (w == w.max()).sum())(g, y, x, size)


@exercise.mutant("last-maximum")
def keeps_the_last_of_the_largest(g, y, x, size):
    def rule(g, window):
        best, place = -np.inf, 0
        for i, value in enumerate(window.ravel()):
            if value >= best:
                best, place = value, i
        return g * chosen(window, place)

    return by_window(rule)(g, y, x, size)


@exercise.mutant("missing-upstream")
def marks_the_largest(g, y, x, size):
    return by_window(lambda g, w: first(w))(g, y, x, size)


@exercise.mutant("mean-for-max")
def treats_all_alike(g, y, x, size):
    return by_window(lambda g, w: np.full(w.shape, g / w.size))(g, y, x, size)


@exercise.mutant("starts-at-zero")
def begins_with_zero(g, y, x, size):
    def rule(g, window):
        best, place = 0.0, None
        for i, value in enumerate(window.ravel()):
            if value > best:
                best, place = value, i
        return np.zeros(window.shape) if place is None else g * chosen(window, place)

    return by_window(rule)(g, y, x, size)
