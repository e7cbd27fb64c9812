"""Known wrong answers: backward rules from the output."""

import numpy as np

from tinygrad_lora.learn.exercises.t03.exp_tanh import exercise


@exercise.mutant("function-twice", name="exp_vjp")
def takes_exp_of_the_output(g, y):
    return g * np.exp(y)


@exercise.mutant("missing-square", name="tanh_vjp")
def forgets_the_square(g, y):
    return g * (1 - y)


@exercise.mutant("missing-upstream", name="tanh_vjp")
def forgets_what_flows_in(g, y):
    return 1 - y * y


@exercise.mutant("sigmoid-rule", name="tanh_vjp")
def takes_the_rule_of_the_sigmoid(g, y):
    return g * y * (1 - y)
