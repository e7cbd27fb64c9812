"""What all tokenizers share: sentences of different lengths as one array, and special tokens in a text."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...core import ComputationNode
from ...errors import ShapeError
from ...nn.embedding import as_node


class Batch(NamedTuple):
    """Token numbers as one array (sentences, longest), and a mask of the same shape: 1 is a token, 0 is padding."""

    tokens: Any
    mask: Any


def padded(sequences: Sequence[Sequence[int]], padding: int, longest: int | None = None) -> Batch:
    """Sequences of token numbers side by side, each filled up at its end with the number `padding`.

    `longest` is the length of the rows; None takes the longest sequence. Raises ValueError if one does not fit.
    """
    width = max(map(len, sequences), default=0)
    if longest is not None:
        if width > longest:
            raise ValueError(f"a sequence of {width} tokens does not fit into rows of {longest}")
        width = longest
    tokens = np.full((len(sequences), width), padding, np.int64)
    mask = np.zeros((len(sequences), width), np.int64)
    for i, sequence in enumerate(sequences):
        tokens[i, : len(sequence)] = sequence
        mask[i, : len(sequence)] = 1
    return Batch(tokens, mask)


class SpecialTokens:
    """Tokens that are not text, such as "[SEP]": found in a text only if it is split on purpose."""

    def __init__(self, numbers: dict[str, int]) -> None:
        self.numbers = numbers
        self.names = {number: token for token, number in numbers.items()}
        longest_first = sorted(numbers, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def split(self, text: str) -> Iterator[str | int]:
        """The pieces of a text: strings, and the numbers of the special tokens between them."""
        start = 0
        for match in self._pattern.finditer(text):
            if match.start() > start:
                yield text[start : match.start()]
            yield self.numbers[match.group()]
            start = match.end()
        if start < len(text):
            yield text[start:]


def known_numbers(numbers: Iterable[int], vocabulary_size: int) -> list[int]:
    """Token numbers as a list of ints. Raises ValueError for one that the vocabulary does not have."""
    checked = [int(number) for number in numbers]
    for number in checked:
        if not 0 <= number < vocabulary_size:
            raise ValueError(f"there is no token number {number}: the vocabulary has {vocabulary_size}")
    return checked


def token_rows(tokens: Any) -> ComputationNode:
    """Tokens as a node (batch, time). Raises ShapeError for one text that is not in a batch."""
    node = as_node(tokens)
    if node.ndim != 2 or not node.size:
        raise ShapeError(f"tokens are (batch, time), and at least one, not {node.shape}: put one text into a list")
    return node
