"""Known wrong answers: a linear layer."""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.exercises.t06.linear import Linear, exercise


@exercise.mutant("missing-parameter")
class KeepsArrays(tl.Layer):
    def __init__(self, input_size, output_size, seed=0):
        rng = np.random.default_rng(seed)
        self.weight = rng.normal(size=(input_size, output_size)) / np.sqrt(input_size)
        self.bias = np.zeros(output_size)

    def __call__(self, x):
        return x @ self.weight + self.bias


@exercise.mutant("unused-parameter")
class ForgetsTheBias(Linear):
    def __call__(self, x):
        return x @ self.weight


@exercise.mutant("parameter-shape")
class TurnsTheWeight(tl.Layer):
    def __init__(self, input_size, output_size, seed=0):
        rng = np.random.default_rng(seed)
        self.weight = tl.parameter(rng.normal(size=(output_size, input_size)) / np.sqrt(input_size))
        self.bias = tl.parameter(np.zeros(output_size))

    def __call__(self, x):
        return x @ self.weight.mT + self.bias


@exercise.mutant("all-alike")
class StartsAtZero(Linear):
    def __init__(self, input_size, output_size, seed=0):
        self.weight = tl.parameter(np.zeros((input_size, output_size)))
        self.bias = tl.parameter(np.zeros(output_size))
