"""Known wrong answers: sGD with momentum."""

from tinygrad_lora.learn.exercises.t07.momentum import exercise


@exercise.mutant("in-place")
def writes_into_the_array(parameters, lr, memory):
    for p in parameters:
        memory[p] = 0.9 * memory.get(p, 0.0) + p.gradient
        p.value -= lr * memory[p]
