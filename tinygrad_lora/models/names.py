"""A language model of first names: a GPT of one block, small enough to train within seconds."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..compiler import compile_training_step
from ..core.node import ComputationNode, parameter
from ..core.ops import relu, take
from ..data import names
from ..errors import ShapeError
from ..library import log_softmax, sum
from ..nn import Adam, Embedding, Layer, Linear, RMSNorm
from ..nn.attention import attention, causal_mask, heads
from ..nn.embedding import as_node
from ..nn.schedules import linear

LETTERS = ".abcdefghijklmnopqrstuvwxyz"  # a dot begins a name, and another one ends it
PAD = len(LETTERS)  # fills up the rows of short names
LONGEST = 11  # letters of a name


def encode(words: Iterable[str]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Each name as a row of 13 numbers, its letters between two dots; what is left holds `PAD`."""
    rows = [[LETTERS.index(letter) for letter in f".{word}."] for word in words]
    return np.array([row + [PAD] * (LONGEST + 2 - len(row)) for row in rows])


class NameModel(Layer):
    """Letters (batch, time) to a score for each possible next letter, (batch, time, 27).

    An embedding of letters and one of places, a block of causal attention and a network, and a head. `width` numbers
    stand for a letter, and the attention cuts them into `heads`. The same seed draws the same weights.
    """

    takes_indices = True

    def __init__(self, width: int = 16, heads: int = 4, *, seed: int = 0, dtype: Any = np.float32) -> None:
        rng, self.heads = np.random.default_rng(seed), heads
        tables = [(0.1 * rng.normal(size=(n, width))).astype(dtype) for n in (PAD + 1, LONGEST + 1)]
        self.letters, self.places = map(Embedding.from_arrays, tables)
        sizes = [(width, width)] * 4 + [(width, 4 * width), (4 * width, width), (width, len(LETTERS))]
        layers = [Linear(n, m, bias=False, seed=rng, dtype=dtype) for n, m in sizes]
        self.q_proj, self.k_proj, self.v_proj, self.o_proj, self.up_proj, self.down_proj, self.head = layers
        self.norms = [RMSNorm(width, dtype=dtype) for _ in range(3)]

    def __call__(self, tokens: Any) -> ComputationNode:
        tokens = as_node(tokens)
        time = tokens.shape[1]
        x = self.letters(tokens) + self.places(np.arange(time))
        h = self.norms[0](x)
        q, k, v = (heads(project(h), self.heads) for project in (self.q_proj, self.k_proj, self.v_proj))
        mask = parameter(causal_mask(time, dtype=x.dtype), "mask", trainable=False)
        x = x + self.o_proj(attention(q, k, v, mask))
        x = x + self.down_proj(relu(self.up_proj(self.norms[1](x))))
        return self.head(self.norms[2](x))


def letter_loss(scores: ComputationNode, letters: Any) -> ComputationNode:
    """The cross-entropy of scores (batch, time, 27) and the letters that came next, (batch, time), without padding."""
    rows = parameter(np.eye(PAD + 1, PAD, dtype=scores.dtype), "rows", trainable=False)  # that of padding is all 0
    if scores.shape[:-1] != (letters := as_node(letters)).shape:
        raise ShapeError(f"scores {scores.shape} need a letter for each place, not letters of shape {letters.shape}")
    truth = take(rows, letters)
    return -sum(truth * log_softmax(scores)) / sum(truth)


def trained_names(steps: int = 1000, *, seed: int = 0) -> NameModel:
    """A model that has learned the names of the first part of `names()`, 16 a step. It takes about a second."""
    model, rows = NameModel(seed=seed), encode(names()[0])
    step = compile_training_step(model, letter_loss, Adam(model.parameters(), lr=linear(0.02, 0.0, steps)))
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        batch = rows[rng.integers(0, len(rows), 16)]
        step(batch[:, :-1], batch[:, 1:])
    return model
