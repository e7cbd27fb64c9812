"""Known wrong answers: repair five shape errors."""

import tinygrad_lora as tl
from tinygrad_lora.learn.exercises.t05.repair import exercise


@exercise.mutant("wrong-shape", name="similarities")
def multiplies_the_columns(x):
    return x.mT @ x


@exercise.mutant("other-mean", name="centered")
def takes_the_mean_of_everything(x):
    return x - tl.mean(x)


@exercise.mutant("other-axis", name="centered")
def centers_the_columns(x):
    return x - tl.mean(x, 0)


@exercise.mutant("accidental-broadcast", name="squared_error")
def squares_without_looking(y, target):
    difference = y - target
    return tl.mean(difference * difference)


@exercise.mutant("left-the-graph", name="scores")
def works_on_the_arrays(x, W):
    return tl.constant(x.value @ W.value)
