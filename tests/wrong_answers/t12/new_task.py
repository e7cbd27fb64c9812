"""Known wrong answers: learn the new task."""

import tinygrad_lora as tl
from tinygrad_lora.learn.exercises.t12._digits import TURNED, train
from tinygrad_lora.learn.exercises.t12.new_task import exercise


@exercise.mutant("no-adapter")
def trains_everything(model, x, labels):
    train(model, tl.Adam(model.parameters(), lr=0.003), TURNED, 5)
    return model


@exercise.mutant("too-many-trained")
def takes_a_large_rank(model, x, labels):
    return tl.adapt(model, rank=8, seed=0)


@exercise.mutant("below-threshold")
def stops_too_soon(model, x, labels):
    tl.adapt(model, rank=4, seed=0)
    train(model, tl.AdamW(model.parameters(), lr=0.01), TURNED, 4)
    return model


@exercise.mutant("not-trained")
def forgets_to_train(model, x, labels):
    return tl.adapt(model, rank=4, seed=0)


@exercise.mutant("base-changed")
def trains_the_base_first(model, x, labels):
    train(model, tl.Adam(model.parameters(), lr=0.003), TURNED, 5)
    return tl.adapt(model, rank=4, seed=0)
