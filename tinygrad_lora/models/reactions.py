"""Chemical reactions, read by a network that learned their language from 1.3 million of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..core.node import ComputationNode, parameter
from ..errors import ModelError
from ..library import softmax
from ..nn.layer import Layer
from ..nn.linear import Linear
from ..nn.norms import LayerNorm
from .configured import activation
from .smiles import Smiles


class WordHead(Layer):
    r"""$y = \mathrm{norm}(f(h W + c))\,E^\top + b$: from hidden states to a score for each token of the vocabulary.

    h is (..., hidden), the scores are (..., vocabulary). E (vocabulary, embedding) is the table of the model itself,
    which stands for the tokens on their way in and out.
    """

    def __init__(self, config: Mapping[str, Any], dtype: Any = np.float32) -> None:
        vocabulary, narrow, wide = (config[k] for k in ("vocab_size", "embedding_size", "hidden_size"))
        self.dense = Linear(wide, narrow, seed=0, dtype=dtype)
        self.activation = activation(config["hidden_act"])
        self.LayerNorm = LayerNorm(narrow, config["layer_norm_eps"], dtype=dtype)
        self.bias = parameter(np.zeros(vocabulary, dtype), "bias")

    def __call__(self, hidden: ComputationNode, table: ComputationNode) -> ComputationNode:
        scores: ComputationNode = self.LayerNorm(self.activation(self.dense(hidden))) @ table.T + self.bias
        return scores


class ReactionReader:
    """`guess` fills in what is missing in a reaction; `encode` gives a vector for each reaction.

    `model` is the network: adapt it, train it. A reaction has at most `longest` tokens.
    Source: Schwaller et al. 2021, doi:10.1126/sciadv.abe4166.
    """

    def __init__(self, model: Any, head: WordHead, tokenizer: Smiles, longest: int) -> None:
        self.model, self.head, self.tokenizer, self.longest = model, head, tokenizer, longest

    def __repr__(self) -> str:
        return f"ReactionReader({self.model!r}, at most {self.longest} tokens)"

    def tokens(self, reactions: Sequence[str]) -> Any:
        """Token numbers and their mask, both (reactions, longest reaction). "[MASK]" is a token.

        Raises ValueError for what is no SMILES, ModelError for a reaction that is too long: half of it means nothing.
        """
        batch = self.tokenizer.encode_batch(reactions, special=True)
        if batch.tokens.shape[1] > self.longest:
            raise ModelError(f"a reaction has {batch.tokens.shape[1]} tokens, and the network takes {self.longest}")
        return batch

    def hidden(self, reactions: Sequence[str]) -> tuple[Any, Any]:
        """The last hidden states (reactions, tokens, width) and the mask, as arrays."""
        tokens, mask = self.tokens(reactions)
        return np.array(self.model(tokens, mask).value), mask

    def encode(self, reactions: Sequence[str]) -> Any:
        """A vector for each reaction, (reactions, width): the last hidden state of [CLS]."""
        return self.hidden(reactions)[0][:, 0]

    def guess(self, reaction: str, count: int = 3) -> list[tuple[str, float]]:
        """The most probable tokens in the place of [MASK], each with its probability.

        Raises ValueError unless [MASK] is there once.
        """
        tokens, mask = self.tokens([reaction])
        places = np.flatnonzero(tokens[0] == self.tokenizer.mask)
        if len(places) != 1:
            raise ValueError(f"[MASK] must stand for one token of the reaction, and is there {len(places)} times")
        hidden = self.model(tokens, mask)[:, int(places[0])]
        found = np.array(softmax(self.head(hidden, self.model.embeddings.word_embeddings.weight)).value)[0]
        best = np.argsort(-found, kind="stable")[:count]
        return [(self.tokenizer.vocabulary[i], float(found[i])) for i in best]
