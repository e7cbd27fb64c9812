"""Known wrong answers: the smallest adapter file."""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.exercises.t12.file import exercise, filled


@exercise.mutant("base-in-file", name="pack")
def packs_everything(model):
    arrays = [*tl.adapter_weights(model).values(), *(p.value for p in model.named_parameters().values())]
    return np.concatenate([a.ravel() for a in arrays]).astype(np.float16).tobytes()


@exercise.mutant("too-coarse", name="pack")
def packs_whole_numbers(model):
    arrays = tl.adapter_weights(model).values()
    return np.concatenate([a.ravel() for a in arrays]).astype(np.int16).astype(np.float16).tobytes()


@exercise.mutant("not-filled", name="unpack")
def forgets_to_load(model, data):
    np.frombuffer(data, np.float16)
    return model


@exercise.mutant("wrong-order", name="unpack")
def fills_in_another_order(model, data):
    return filled(model, np.frombuffer(data, np.float16), reversed(tl.adapter_weights(model).items()))


def plain_pack(model):
    return np.concatenate([a.ravel() for a in tl.adapter_weights(model).values()]).astype(np.float64).tobytes()


def plain_unpack(model, data):
    return filled(model, np.frombuffer(data, np.float64), tl.adapter_weights(model).items())


exercise.wrong_answer("too-large", pack=plain_pack, unpack=plain_unpack)
