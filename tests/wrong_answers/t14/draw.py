"""Known wrong answers: draw the next letter."""

import numpy as np

from tinygrad_lora.learn.exercises.t14.draw import chosen, exercise, softmax


@exercise.mutant("highest-always")
def takes_the_best(scores, temperature, u):
    return int(np.argmax(scores))


@exercise.mutant("temperature-multiplied")
def multiplies(scores, temperature, u):
    return chosen(softmax(scores * temperature), u)


@exercise.mutant("probabilities-divided")
def divides_probabilities(scores, temperature, u):
    return chosen(softmax(scores) / temperature, u)


@exercise.mutant("no-sums")
def looks_at_each_alone(scores, temperature, u):
    return int(np.argmax(softmax(scores / temperature) > u))


@exercise.mutant("zero-temperature")
def divides_by_zero(scores, temperature, u):
    z = scores / max(temperature, 0.1)
    return chosen(softmax(z), u)


@exercise.mutant("overflow")
def writes_the_formula_down(scores, temperature, u):
    if temperature == 0:
        return int(np.argmax(scores))
    e = np.exp(scores / temperature)
    return chosen(e / e.sum(), u)
