"""Known wrong answers: build a polynomial."""

import tinygrad_lora as tl
from tinygrad_lora.learn.exercises.t01.build import exercise


@exercise.mutant("square-of-product")
def squares_three_x(x, y):
    return (3 * x) ** 2 + 2 * y


@exercise.mutant("doubled-not-squared")
def doubles_x(x, y):
    return 3 * (2 * x) + 2 * y


@exercise.mutant("left-the-graph")
def computes_with_values(x, y):
    return tl.parameter(3 * x.value**2 + 2 * y.value, "z")


@exercise.mutant("too-many-nodes")
def adds_instead_of_scaling(x, y):
    return x * x + x * x + x * x + y + y
