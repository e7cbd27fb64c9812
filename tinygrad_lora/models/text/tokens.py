"""What all tokenizers share: sentences of different lengths as one array, and special tokens in a text."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from ...errors import ModelFileError


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
        for found in self._pattern.finditer(text):
            if found.start() > start:
                yield text[start : found.start()]
            yield self.numbers[found.group()]
            start = found.end()
        if start < len(text):
            yield text[start:]


def known_numbers(numbers: Iterable[int], vocabulary_size: int) -> list[int]:
    """Token numbers as a list of ints. Raises ValueError for one that the vocabulary does not have."""
    found = [int(number) for number in numbers]
    for number in found:
        if not 0 <= number < vocabulary_size:
            raise ValueError(f"there is no token number {number}: the vocabulary has {vocabulary_size}")
    return found


class BertTokenizer:
    """A vocabulary of pieces, one to a number, and sentences that begin with [CLS] and end with [SEP].

    A subclass writes `numbers_of`, the numbers of a text without special tokens, and `decode`.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = list(vocabulary)
        self.numbers = {piece: number for number, piece in enumerate(self.vocabulary)}
        special = {token: self.numbers[token] for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")}
        self.special = SpecialTokens(special)
        self.padding, self.unknown, self.begin, self.end, self.mask = special.values()

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """The tokenizer of a file `vocab.txt`, one piece a line. Raises ModelFileError if it is none."""
        try:
            return cls(Path(path).read_text(encoding="utf-8").removesuffix("\n").split("\n"))
        except KeyError as missing:
            raise ModelFileError(f"{path}: a BERT vocabulary has a line {missing}, and this one does not") from None
        except UnicodeDecodeError:
            raise ModelFileError(f"{path}: a vocabulary is a text in UTF-8, and this is not") from None

    def __len__(self) -> int:
        return len(self.vocabulary)

    def numbers_of(self, text: str) -> list[int]:
        """The token numbers of a text, without special tokens."""
        raise NotImplementedError(f"{type(self).__name__} needs a method numbers_of(self, text)")

    def decode(self, numbers: Iterable[int], *, special: bool = False) -> str:
        """The text of token numbers; special tokens are left out, unless `special` is True."""
        raise NotImplementedError(f"{type(self).__name__} needs a method decode(self, numbers)")

    def tokenize(self, text: str) -> list[str]:
        """The pieces of a text, without special tokens."""
        return [self.vocabulary[number] for number in self.numbers_of(text)]

    def encode(self, text: str, longest: int | None = None, *, special: bool = False) -> list[int]:
        """The token numbers of a sentence, between [CLS] and [SEP].

        At most `longest` numbers, those two included: what is more is cut off at the end. The text "[MASK]" in a
        sentence is text, unless `special` is True; then it is the token.
        """
        if not isinstance(text, str):
            raise TypeError(f"a sentence is a string, not {type(text).__name__}")
        pieces = self.special.split(text) if special else [text]
        numbers = [n for piece in pieces for n in ([piece] if isinstance(piece, int) else self.numbers_of(piece))]
        if longest is not None:
            if longest < 2:
                raise ValueError(f"longest is {longest}, and [CLS] and [SEP] alone are 2 tokens")
            numbers = numbers[: longest - 2]
        return [self.begin, *numbers, self.end]

    def encode_batch(self, texts: Iterable[str], longest: int | None = None, *, special: bool = False) -> Batch:
        """Token numbers (sentences, longest sentence) and their mask, for many sentences at once."""
        if isinstance(texts, str):
            raise TypeError("texts is a list of sentences: for one, pass [sentence]")
        return padded([self.encode(text, longest, special=special) for text in texts], self.padding)
