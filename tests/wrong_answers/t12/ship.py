"""Known wrong answers: merge, compile, prove it."""

import copy

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.exercises.t12.ship import exercise


@exercise.mutant("left-merged", name="ship")
def merges_the_model_itself(model):
    tl.merge_all(model)
    return tl.compile(model)


@exercise.mutant("shared", name="ship")
def compiles_the_model_and_calls_it_a_day(model):
    return tl.compile(model)


@exercise.mutant("not-merged", name="ship")
def copies_without_merging(model):
    return tl.compile(copy.deepcopy(model))


@exercise.mutant("switched-off", name="ship")
def ships_the_base(model):
    plain = copy.deepcopy(model)
    for layer in tl.adapters(plain).values():
        layer.lora.lora_B.value = np.zeros(layer.lora.lora_B.shape)
    tl.merge_all(plain)
    return tl.compile(plain)


@exercise.mutant("not-compiled", name="ship")
def ships_a_layer(model):
    merged = copy.deepcopy(model)
    tl.merge_all(merged)
    return merged


@exercise.mutant("no-absolute-value", name="largest_difference")
def forgets_the_absolute_value(f, g, x):
    return (f(x) - g(x)).max()


@exercise.mutant("mean", name="largest_difference")
def takes_the_mean(f, g, x):
    return np.abs(f(x) - g(x)).mean()
