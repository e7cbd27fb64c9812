"""A network that reads upright digits, and the digits rotated by 90 degrees that it is to learn."""

from functools import cache
from itertools import pairwise

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.data import digits
from tinygrad_lora.learn.authoring import returned

SIZES, BATCH = (64, 96, 48, 10), 64
TURNED = digits(rotated=1, dtype=np.float32)
UPRIGHT = digits(dtype=np.float32)


@cache
def before():
    """The weights before fine-tuning: what pretraining gives, once for all checks."""
    model = _network()
    train(model, tl.Adam(model.parameters(), lr=0.005), UPRIGHT, 14)
    return {name: np.array(p.value) for name, p in model.named_parameters().items()}


def _network():
    rng, members = np.random.default_rng(0), []
    for n, m in pairwise(SIZES):
        members += [tl.Linear(n, m, seed=rng, dtype=np.float32), tl.relu]
    return tl.Sequential(*members[:-1])


def pretrained():
    """A new copy of the pretrained network."""
    model = _network()
    model.load_weights(before(), strict=True)
    return model


def train(model, optimizer, data, epochs):
    """A compiled step on shuffled batches, with a learning rate that falls to zero."""
    step, rng = tl.compile_training_step(model, tl.cross_entropy, optimizer), np.random.default_rng(0)
    count, rate = len(data.x_train) // BATCH, optimizer.lr
    for i in range(epochs * count):
        if i % count == 0:
            order = rng.permutation(len(data.x_train))
        rows = order[i % count * BATCH : (i % count + 1) * BATCH]
        optimizer.lr = rate * (1 + np.cos(np.pi * i / (epochs * count))) / 2
        step(data.x_train[rows], data.y_train[rows])


@cache
def _adapter():
    model = tl.adapt(pretrained(), 4, seed=0)
    train(model, tl.AdamW(model.parameters(), lr=0.01, weight_decay=0.3), TURNED, 25)
    return tl.adapter_weights(model)


def adapted():
    """A new copy of the pretrained network with a trained adapter."""
    model = tl.adapt(pretrained(), 4, seed=0)
    model.load_weights(_adapter())
    return model


def accuracy(model, data):
    return float((np.asarray(model.forward(data.x_test)).argmax(axis=1) == data.y_test).mean())


def checked_model(model, who):
    """What a student returned, if it is a model that can read digits."""
    return returned(model, tl.Layer, who, "it must give the model")


def base_weights(model):
    """The weights and biases of the linear layers, under the names that they had before there were adapters."""
    return {
        name.replace(".base.", "."): np.array(p.value)
        for name, p in model.named_parameters().items()
        if "lora" not in name
    }
