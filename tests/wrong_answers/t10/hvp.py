"""Known wrong answers: a Hessian times a vector."""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.exercises.t10.hvp import exercise, measured


@exercise.mutant("first-order")
def multiplies_the_gradient(f, x, v):
    return tl.grad(f)(x) * v


@exercise.mutant("missing-v")
def forgets_v(f, x, v):
    return tl.grad(lambda x: tl.sum(tl.grad(f)(x)))(x)


@exercise.mutant("v-outside")
def multiplies_at_the_end(f, x, v):
    return tl.grad(lambda x: tl.sum(tl.grad(f)(x)))(x) * v


@exercise.mutant("rounded")
def takes_a_difference(f, x, v):
    return measured(f, x, v, h=1e-6)


@exercise.mutant("builds-the-matrix")
def builds_it_row_by_row(f, x, v):
    rows = [tl.grad(lambda x, i=i: tl.grad(f)(x)[i])(x) for i in range(len(x))]
    return np.array(rows) @ v
