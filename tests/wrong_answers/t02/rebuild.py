"""Known wrong answers: rebuild a graph from its picture."""

import tinygrad_lora as tl
from tinygrad_lora.learn.exercises.t02.rebuild import exercise


@exercise.mutant("not-shared")
def computes_the_tanh_twice(x, y):
    s = x + y
    return s * tl.tanh(s) - tl.tanh(s)


@exercise.mutant("operand-order")
def subtracts_the_wrong_way(x, y):
    s = x + y
    t = tl.tanh(s)
    return t - s * t


@exercise.mutant("other-arrows")
def subtracts_the_sum(x, y):
    s = x + y
    t = tl.tanh(s)
    return s * t - s


@exercise.mutant("other-operations")
def forgets_the_product(x, y):
    s = x + y
    return s - tl.tanh(s)
