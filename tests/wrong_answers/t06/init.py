"""Known wrong answers: a start that keeps the variance."""

import numpy as np

from tinygrad_lora.learn.exercises.t06.init import exercise


@exercise.mutant("missing-two")
def forgets_the_relu(rng, input_size, output_size):
    return rng.normal(size=(input_size, output_size)) / np.sqrt(input_size)


@exercise.mutant("fan-out")
def counts_the_outputs(rng, input_size, output_size):
    return rng.normal(size=(input_size, output_size)) * np.sqrt(2 / output_size)


@exercise.mutant("missing-root")
def takes_the_variance_for_the_deviation(rng, input_size, output_size):
    return rng.normal(size=(input_size, output_size)) * (2 / input_size)


@exercise.mutant("no-scale")
def draws_from_the_unit_normal(rng, input_size, output_size):
    return rng.normal(size=(input_size, output_size))
