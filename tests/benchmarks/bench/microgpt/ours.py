"""This package: the formula, from which the compiler derives the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import tinygrad_lora as tl

from . import model
from .model import Trainer

Node = tl.ComputationNode


class MicroGPT(tl.Layer):
    """Tokens of one name, (time,), to the scores of the next ones, (time, vocabulary)."""

    takes_indices = True

    def __init__(self, weights: Mapping[str, Any], heads: int) -> None:
        self.heads = heads
        parameters = [tl.parameter(weights[name], name) for name in model.WEIGHTS]
        self.tokens, self.places, self.queries, self.keys, self.values, *others = parameters
        self.mixing, self.up, self.down, self.scores = others

    def __call__(self, tokens: Node) -> Node:
        at = np.arange(tokens.shape[0])
        x = normed(tl.take(self.tokens, tokens) + tl.take(self.places, at))
        h = normed(x)
        q, k, v = (self.cut(h @ w) for w in (self.queries, self.keys, self.values))
        future = np.where(at[:, None] > at, -1e9, 0.0)  # no token sees those behind it
        looks = tl.softmax(k.mT @ q * q.shape[1] ** -0.5 + future, axis=-2)
        x = x + tl.reshape(v @ looks, x.mT.shape).mT @ self.mixing
        x = x + tl.relu(normed(x) @ self.up) @ self.down
        return x @ self.scores

    def cut(self, x: Node) -> Node:
        """x (time, heads * size) as (heads, size, time)."""
        time, width = x.shape
        return tl.reshape(x.mT, (self.heads, width // self.heads, time))


def normed(x: Node) -> Node:
    """Each row of x at mean square 1."""
    return x / tl.sqrt(tl.mean(x * x, -1, keepdims=True) + model.NORM_EPS)


def _model(weights: Mapping[str, Any], size: model.NameSize) -> tuple[MicroGPT, tl.Adam]:
    gpt = MicroGPT(weights, size.heads)
    return gpt, tl.Adam(gpt.parameters(), tl.linear(model.RATE, 0.0, model.STEPS), model.BETAS, model.EPS)


def _weights(gpt: MicroGPT) -> dict[str, Any]:
    return {name: getattr(gpt, name).value for name in model.WEIGHTS}


def compiled(weights: Mapping[str, Any], size: model.NameSize, **options: Any) -> Trainer:
    """One generated step for each length of names, with these options of the compiler."""
    gpt, adam = _model(weights, size)
    step = tl.compile_training_step(gpt, tl.cross_entropy, adam, **options)
    return Trainer(step, lambda: _weights(gpt), step)


def padded(weights: Mapping[str, Any], size: model.NameSize) -> Trainer:
    """One generated step for all names, which are filled up to the same length."""
    gpt, adam = _model(weights, size)
    step = tl.compile_training_step(gpt, lambda scores, target: tl.cross_entropy(scores, target[0], target[1]), adam)
    return Trainer(lambda *name: step(*model.padded(name, size.block)), lambda: _weights(gpt), step)


def eager(weights: Mapping[str, Any], size: model.NameSize) -> Trainer:
    """The same without the compiler."""
    gpt, adam = _model(weights, size)

    def step(inputs: Any, targets: Any) -> float:
        adam.zero_gradients()
        loss = tl.cross_entropy(gpt(tl.constant(inputs)), targets)
        loss.backward()
        adam.step()
        return float(loss.value)

    return Trainer(step, lambda: _weights(gpt))
