"""Sentences to vectors: a tokenizer, a BERT, and the mean of what it gives for each token."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .text.tokens import Batch
from .text.wordpiece import WordPiece


class SentenceEncoder:
    r"""$v = \bar h / \lVert \bar h \rVert$, where $\bar h$ is the mean of the last hidden states of the tokens.

    `encode(["a sentence", ...])` gives vectors whose products say how near sentences are in meaning. `model` is the
    network: adapt it, train it; the next vectors are those of the new weights. At most `longest` tokens of a sentence
    count.
    Source: Reimers and Gurevych 2019 (arXiv:1908.10084).
    """

    def __init__(self, model: Any, tokenizer: WordPiece, longest: int) -> None:
        self.model, self.tokenizer, self.longest = model, tokenizer, longest

    def __repr__(self) -> str:
        return f"SentenceEncoder({self.model!r}, at most {self.longest} tokens)"

    def tokens(self, texts: Iterable[str]) -> Batch:
        """Token numbers and their mask, both (sentences, longest sentence)."""
        return self.tokenizer.encode_batch(texts, self.longest)

    def hidden(self, texts: Iterable[str]) -> tuple[Any, Any]:
        """The last hidden states (sentences, tokens, width) and the mask, as arrays."""
        tokens, mask = self.tokens(texts)
        return np.array(self.model(tokens, mask).value), mask

    def encode(self, texts: Sequence[str], batch: int = 32) -> Any:
        """A vector for each sentence, (sentences, width). Sentences of like length are computed together.

        Raises ValueError for a batch that is not positive, TypeError for a text that is not in a list.
        """
        if isinstance(texts, str):
            raise TypeError("texts is a list of sentences: for one, pass [sentence]")
        if batch < 1:
            raise ValueError(f"a batch has at least one sentence, not {batch}")
        lengths = [len(self.tokenizer.encode(text, self.longest)) for text in texts]
        order = np.argsort(lengths, kind="stable")
        vectors: list[Any] = [None] * len(lengths)
        for start in range(0, len(order), batch):
            part = order[start : start + batch]
            states, mask = self.hidden([texts[i] for i in part])
            for i, vector in zip(part, pooled(states, mask), strict=True):
                vectors[i] = vector / np.linalg.norm(vector)
        return np.stack(vectors) if vectors else np.empty((0, self.model.config.hidden_size), self.model.dtype)


def pooled(states: Any, mask: Any) -> Any:
    """The mean over the tokens that are not padding: (sentences, tokens, width) to (sentences, width)."""
    weights = mask[..., None].astype(states.dtype)
    return (states * weights).sum(axis=1) / weights.sum(axis=1)
