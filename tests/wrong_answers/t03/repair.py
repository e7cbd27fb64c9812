"""Known wrong answers: repair three rules."""

from tinygrad_lora.learn.exercises.t03.repair import exercise


@exercise.mutant("factor", name="sqrt_vjp")
def forgets_the_two(g, y, x):
    return g / y
