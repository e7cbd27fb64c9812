"""Known wrong answers: the backward rule of the matrix product."""

from tinygrad_lora.learn.exercises.t05.matmul import exercise


@exercise.mutant("transposed-operand")
def forgets_to_transpose(g, y, a, b):
    return g @ b, a @ g


@exercise.mutant("swapped-gradients")
def gives_them_in_the_other_order(g, y, a, b):
    return a.mT @ g, g @ b.mT


@exercise.mutant("order-of-factors")
def multiplies_from_the_other_side(g, y, a, b):
    return b.mT @ g, g @ a.mT


@exercise.mutant("stack-turned")
def turns_all_axes(g, y, a, b):
    return g @ b.T, a.T @ g


@exercise.mutant("transposed")
def transposes_the_gradient_of_b(g, y, a, b):
    return g @ b.mT, g.mT @ a
