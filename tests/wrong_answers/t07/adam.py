"""Known wrong answers: adam."""

import numpy as np

from tinygrad_lora.learn.exercises.t07.adam import exercise, variant


@exercise.mutant("no-correction")
def forgets_the_hats(parameters, lr, memory):
    return variant(hats=(False, False))(parameters, lr, memory)


@exercise.mutant("missing-root")
def forgets_the_root(parameters, lr, memory):
    return variant(root=False)(parameters, lr, memory)


@exercise.mutant("counts-parameters")
def counts_in_the_loop(parameters, lr, memory):
    for p in parameters:
        t = memory["t"] = memory.get("t", 0) + 1
        m, v = memory.get(p, (0.0, 0.0))
        m, v = memory[p] = 0.9 * m + 0.1 * p.gradient, 0.999 * v + 0.001 * p.gradient**2
        p.value = p.value - lr * m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)


@exercise.mutant("counts-from-0")
def counts_too_late(parameters, lr, memory):
    return variant(first=0)(parameters, lr, memory)
