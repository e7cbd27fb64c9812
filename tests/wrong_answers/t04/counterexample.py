"""Known wrong answers: where naive recursion fails, and where it does not."""

import tinygrad_lora as tl
from tinygrad_lora.learn.exercises.t04.counterexample import exercise


@exercise.mutant("not-shared", name="counterexample")
def builds_a_chain():
    x = tl.parameter(2.0, "x")
    return tl.tanh(3 * x) + 1.0


@exercise.mutant("only-leaf-shared", name="counterexample")
def shares_a_leaf_only():
    x = tl.parameter(2.0, "x")
    return 3 * x + x * x


@exercise.mutant("too-large", name="counterexample")
def builds_more_than_needed():
    x = tl.parameter(0.5, "x")
    a = tl.tanh(x)
    return 3 * a + a * x


@exercise.mutant("not-harmless", name="harmless")
def shares_a_result():
    x = tl.parameter(2.0, "x")
    a = 3 * x
    return a + tl.tanh(a)


@exercise.mutant("not-shared", name="harmless")
def shares_nothing():
    return 3 * tl.parameter(2.0, "x")
