"""Known wrong answers: attach and freeze."""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.exercises.t12.attach import attach, exercise


@exercise.mutant("base-trained")
def leaves_the_bases_trainable(model, rank, places, seed=0):
    model.freeze()
    for i in places:
        model.members[i] = tl.LoRALinear(model.members[i].unfreeze(), rank, seed=seed, trainable_base=True)
    return model


@exercise.mutant("others-trained")
def forgets_the_other_layers(model, rank, places, seed=0):
    for i in places:
        model.members[i] = tl.LoRALinear(model.members[i], rank, seed=seed)
    return model


@exercise.mutant("all-frozen")
def freezes_afterwards(model, rank, places, seed=0):
    return attach(model, rank, places, seed).freeze()


@exercise.mutant("wrong-places")
def adapts_every_layer(model, rank, places, seed=0):
    return tl.adapt(model, rank, seed=seed)


@exercise.mutant("changed-output")
def starts_at_random(model, rank, places, seed=0):
    attach(model, rank, places, seed)
    for layer in tl.adapters(model).values():
        layer.lora.lora_B.value = np.ones(layer.lora.lora_B.shape)
    return model
