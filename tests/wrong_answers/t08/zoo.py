"""Known wrong answers: tell six engines apart."""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.exercises.t08.zoo import exercise


def the_losses(first=lambda x: (x * x) * (x * x), rows=3, at=0.0, late="late"):
    x, b = tl.parameter(2.0, "x"), tl.parameter(np.zeros(2), "b")
    w = tl.parameter(2.0, late)
    bias = tl.sum(tl.constant(np.ones((rows, 2) if rows else 2)) + b)
    return [first(x), bias, tl.relu(tl.parameter(at)), w * w]


def squared(a):
    return a * a


@exercise.mutant("misses-naive-recursion")
def shares_a_leaf_only():
    return the_losses(squared)


@exercise.mutant("misses-no-unbroadcast")
def repeats_nothing():
    return the_losses(lambda x: squared(squared(x)), rows=0)


@exercise.mutant("misses-relu-at-zero")
def avoids_the_zero():
    return the_losses(lambda x: squared(squared(x)), at=0.001)


@exercise.mutant("misses-stale-graph")
def changes_nothing():
    return the_losses(lambda x: squared(squared(x)), late="w")


@exercise.mutant("not-told-apart")
def shows_two_mistakes_with_one_number():
    def cancelled(x):
        a = tl.tanh(x)
        return -1.0 * a + a

    return the_losses(cancelled)
