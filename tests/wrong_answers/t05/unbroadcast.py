"""Known wrong answers: undo broadcasting."""

from tinygrad_lora.learn.exercises.t05.unbroadcast import exercise


@exercise.mutant("extra-axis")
def forgets_the_axes_on_the_left(g, shape):
    for axis, n in enumerate(shape):
        if n == 1:
            g = g.sum(axis=axis - len(shape), keepdims=True)
    return g


@exercise.mutant("stretched-axis")
def forgets_the_axes_of_length_one(g, shape):
    return g.sum(axis=tuple(range(g.ndim - len(shape))))


@exercise.mutant("reshaped")
def loses_the_axes_of_length_one(g, shape):
    extra = g.ndim - len(shape)
    ones = tuple(i + extra for i, n in enumerate(shape) if n == 1)
    return g.sum(axis=(*range(extra), *ones))


@exercise.mutant("mean-for-sum")
def takes_the_mean(g, shape):
    extra = g.ndim - len(shape)
    g = g.mean(axis=tuple(range(extra))) if extra else g
    for axis, n in enumerate(shape):
        if n == 1:
            g = g.mean(axis=axis, keepdims=True)
    return g
