"""Known wrong answers: the central difference."""

from tinygrad_lora.learn.exercises.t03.central_difference import exercise


@exercise.mutant("one-sided")
def looks_to_the_right_only(f, x, h):
    return (f(x + h) - f(x)) / h


@exercise.mutant("run-of-h")
def divides_by_h(f, x, h):
    return (f(x + h) - f(x - h)) / h


@exercise.mutant("missing-brackets")
def forgets_brackets_below(f, x, h):
    return (f(x + h) - f(x - h)) / 2 * h


@exercise.mutant("sign")
def subtracts_the_right_from_the_left(f, x, h):
    return (f(x - h) - f(x + h)) / (2 * h)
