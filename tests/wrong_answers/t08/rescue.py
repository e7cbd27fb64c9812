"""Known wrong answers: four planted mistakes."""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.exercises.t08.rescue import exercise


@exercise.mutant("tiny-divisor", name="prepare")
def divides_by_almost_nothing(images, like):
    return (images - like.mean(axis=0)) / (like.std(axis=0) + 1e-8)


@exercise.mutant("dead-units", name="build")
def makes_it_only_a_little_louder(seed):
    model = tl.Sequential(tl.Linear(64, 32, seed=seed), tl.relu, tl.Linear(32, 10, seed=seed + 1))
    model[0].bias.value = np.full(32, -10.0)
    return model


@exercise.mutant("no-gradient", name="step")
def forgets_too_late(model, loss, optimizer, x, target):
    value = loss(model(x), target)
    value.backward()
    optimizer.zero_gradients()
    optimizer.step()
    return float(value)
