"""What all of them train: the sizes, the starting weights, the names, and how the learning rate falls.

A GPT as small as it can be: one layer, four heads, width 16, at most 16 tokens, no biases. Token and position vectors
are added and normed; then come attention and a ReLU network, each after a norm without weights and around a residual;
then the scores of the next token. A name is read between two marks, and the loss is the mean over its tokens.
Source: microgpt, Andrej Karpathy, 2026.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np


class NameSize(NamedTuple):
    """A GPT: tokens are vectors of `width` numbers, `heads` heads, at most `block` tokens; and a name's length."""

    letters: int
    width: int = 16
    heads: int = 4
    block: int = 16

    @property
    def tokens(self) -> int:
        """Inputs of a step: the mark and the letters. What follows each is learned, and the mark follows the last."""
        return self.letters + 1


LETTERS = "abcdefghijklmnopqrstuvwxyz"
MARK = len(LETTERS)  # before and after a name
VOCABULARY = len(LETTERS) + 1
SHORTEST, LONGEST = 2, 15

STEPS = 1000  # in which the learning rate falls to 0 in a straight line
RATE, BETAS, EPS = 0.01, (0.85, 0.99), 1e-8
NORM_EPS = 1e-5
DEVIATION = 0.08

Name = tuple[Any, Any]  # inputs and targets, whole numbers, one for each token
WEIGHTS = ("tokens", "places", "queries", "keys", "values", "mixing", "up", "down", "scores")


class Trainer(NamedTuple):
    """A GPT in training: `step(inputs, targets)` gives the loss of a name and learns it, `weights()` are arrays."""

    step: Callable[[Any, Any], Any]
    weights: Callable[[], dict[str, Any]]
    compiled: Any = None  # our compiled step, where there is one


def shapes(size: NameSize) -> dict[str, tuple[int, int]]:
    """The shape of each weight: a vector times a matrix, (inputs, outputs)."""
    n = size.width
    square, table = (n, n), (VOCABULARY, n)
    each = table, (size.block, n), square, square, square, square, (n, 4 * n), (4 * n, n), (n, VOCABULARY)
    return dict(zip(WEIGHTS, each, strict=True))


def weights(rng: np.random.Generator, size: NameSize) -> dict[str, Any]:
    """The weights at the start."""
    return {name: rng.normal(0, DEVIATION, shape) for name, shape in shapes(size).items()}


def rate(step: int) -> float:
    """The learning rate of step 0, 1, 2, ..."""
    return RATE * max(0.0, 1 - step / STEPS)


def encoded(name: str) -> Name:
    """A name as inputs and targets."""
    tokens = [MARK, *map(LETTERS.index, name), MARK]
    return np.array(tokens[:-1]), np.array(tokens[1:])


def padded(name: Name, block: int) -> Name:
    """The name filled up to `block` tokens: inputs (block,), and (2, block), the targets and a 1 for each that counts.

    No token sees those behind it, so the padding changes nothing but the mean, in which it does not count.
    """
    inputs, targets = np.full(block, MARK), np.zeros((2, block), int)
    time = len(name[0])
    inputs[:time], targets[0, :time], targets[1, :time] = *name, 1
    return inputs, targets


def name_of_length(rng: np.random.Generator, letters: int) -> str:
    """A name that can be spoken: consonants and vowels take turns, mostly."""
    vowel, name = bool(rng.integers(2)), ""
    for _ in range(letters):
        name += str(rng.choice(list("aaaeeeiioou" if vowel else "bcdfghjklllmmnnnnpqrrrsstvwxyz")))
        vowel = rng.random() < (0.15 if vowel else 0.9)
    return name


def names(count: int, seed: int) -> list[str]:
    """Names of all lengths, most of five to seven letters. The first ones have different lengths, one of each."""
    rng = np.random.default_rng(seed)
    lengths = list(rng.permutation(np.arange(SHORTEST, LONGEST + 1)))
    names = []
    for i in range(count):
        letters = lengths[i] if i < len(lengths) else SHORTEST + rng.binomial(LONGEST - SHORTEST, 0.32)
        names.append(name_of_length(rng, int(letters)))
    return names


def parts(vector: Any, shape_of: dict[str, tuple[int, int]]) -> dict[str, Any]:
    """Views of one vector that holds all weights, one after another."""
    ends = np.cumsum([rows * columns for rows, columns in shape_of.values()])
    pieces: Sequence[Any] = np.split(vector, ends[:-1])
    return {name: piece.reshape(shape) for (name, shape), piece in zip(shape_of.items(), pieces, strict=True)}
