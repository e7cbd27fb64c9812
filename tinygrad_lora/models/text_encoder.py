"""What a BERT and an ALBERT have in common: vectors for tokens on the way in, a padding mask, and one vector a text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from ..core.node import ComputationNode
from ..errors import ShapeError
from ..nn.attention import padding_mask
from ..nn.embedding import Embedding, as_node
from ..nn.layer import Layer
from ..nn.norms import LayerNorm
from .configured import name_parameters, require, settings

Node = ComputationNode


class TextEncoder(Layer):
    """Tokens (batch, time) to vectors (batch, time, hidden_size), each of which knows of the other tokens.

    `from_config(config)` makes one from the contents of a config.json; numbers are drawn from `seed`. A subclass says
    which configuration it takes, what its blocks are, and how it makes its pooler.
    """

    takes_indices = True
    config_class: ClassVar[Any]
    encoder_class: ClassVar[Any]

    def __init__(self, config: Any, *, seed: Any = None, dtype: Any = np.float32, pooler: bool = True) -> None:
        rng, self.config = np.random.default_rng(seed), config
        self.embeddings = Embeddings(config, rng, dtype)
        self.encoder = self.encoder_class(config, rng, dtype)
        self.pooler = self.make_pooler(config, rng, dtype) if pooler else None
        name_parameters(self)

    def make_pooler(self, c: Any, rng: np.random.Generator, dtype: Any) -> Any:
        """The layer that `pooled` goes through."""
        raise NotImplementedError(f"{type(self).__name__} needs a method make_pooler(self, c, rng, dtype)")

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], *, seed: Any = None, dtype: Any = np.float32, pooler: bool = True
    ) -> Self:
        """A network of these sizes. Raises ModelError for a configuration that says too little, or asks too much."""
        require(config, position_embedding_type="absolute", is_decoder=False, add_cross_attention=False)
        return cls(settings(cls.config_class, config), seed=seed, dtype=dtype, pooler=pooler)

    def __call__(
        self, tokens: Any, attention_mask: Any = None, token_type_ids: Any = None, attentions: list[Any] | None = None
    ) -> Node:
        """attention_mask (batch, time) holds 1 for a token and 0 for padding; None: there is no padding.

        To the list `attentions` each block adds its weights, (batch, heads, queries, seen), each time it is used.
        Raises ShapeError for a mask or token_type_ids of another shape than the tokens, and for too many of them.
        """
        tokens = token_rows(tokens)
        for what, given in (("attention_mask", attention_mask), ("token_type_ids", token_type_ids)):
            if given is not None and as_node(given).shape != tokens.shape:
                raise ShapeError(f"{what} has one number a token: {tokens.shape}, not {as_node(given).shape}")
        mask = None if attention_mask is None else padding_mask(as_node(attention_mask), self.dtype)
        y: Node = self.encoder(self.embeddings(tokens, token_type_ids), mask, attentions)
        return y

    def pooled(self, hidden: Node) -> Node:
        """One vector a text, (batch, hidden_size). Raises AttributeError where the network was made without pooler."""
        if self.pooler is None:
            raise AttributeError(
                "this network was made with pooler=False: take hidden[:, 0], or a mean over the tokens"
            )
        return self.pool(hidden)

    def pool(self, hidden: Node) -> Node:
        """One vector a text, by the pooler that is there."""
        y: Node = self.pooler(hidden)  # type: ignore[misc]
        return y


class Embeddings(Layer):
    """The sum of three vectors a token: for the word, for its place, for the sentence it is in; then normed."""

    takes_indices = True

    def __init__(self, c: Any, rng: np.random.Generator, dtype: Any) -> None:
        self.longest, size = c.max_position_embeddings, c.embedding_size
        self.word_embeddings = Embedding(c.vocab_size, size, seed=rng, dtype=dtype)
        self.position_embeddings = Embedding(c.max_position_embeddings, size, seed=rng, dtype=dtype)
        self.token_type_embeddings = Embedding(c.type_vocab_size, size, seed=rng, dtype=dtype)
        self.LayerNorm = LayerNorm(size, c.layer_norm_eps, dtype=dtype)

    def __call__(self, tokens: Node, token_type_ids: Any = None) -> Node:
        time = tokens.shape[1]
        if time > self.longest:
            raise ShapeError(f"{time} tokens are too many: there are {self.longest} positions; cut the text")
        place = self.position_embeddings(as_node(np.arange(time)))
        sentence = self.token_type_embeddings(as_node([0] if token_type_ids is None else token_type_ids))
        y: Node = self.LayerNorm(self.word_embeddings(tokens) + (place + sentence))
        return y


def token_rows(tokens: Any) -> Node:
    """Tokens as a node (batch, time). Raises ShapeError for one text that is not in a batch."""
    node = as_node(tokens)
    if node.ndim != 2 or not node.size:
        raise ShapeError(f"tokens are (batch, time), and at least one, not {node.shape}: put one text into a list")
    return node
