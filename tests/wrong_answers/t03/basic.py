"""Known wrong answers: backward rules of add, multiply and negate."""

from tinygrad_lora.learn.exercises.t03.basic import exercise


@exercise.mutant("swapped-gradients", name="mul_vjp")
def gives_each_its_own_value(g, y, a, b):
    return g * a, g * b


@exercise.mutant("missing-upstream", name="mul_vjp")
def forgets_what_flows_in(g, y, a, b):
    return b, a


@exercise.mutant("sign", name="neg_vjp")
def passes_g_on(g, y, x):
    return g


@exercise.mutant("factor", name="add_vjp")
def shares_g_between_the_two(g, y, a, b):
    return g / 2, g / 2
