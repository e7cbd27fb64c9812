r"""BERT: an encoder. Each token sees all others; a block is attention, then a small network, each added and normed.

Attribute names are those of Hugging Face, `encoder.layer.0.attention.self.query`, so its weights and adapters fit.
Source: Devlin et al. 2018 (arXiv:1810.04805).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..core import ComputationNode
from ..core.ops import tanh
from ..errors import ModelError, ShapeError
from ..nn import Layer, LayerNorm, Linear
from ..nn.attention import attention, heads, padding_mask
from ..nn.embedding import Embedding, as_node
from .configured import activation, name_parameters, require, settings
from .text.tokens import token_rows

Node = ComputationNode


@dataclass(frozen=True)
class BertConfig:
    """The sizes of a BERT, by the names in its config.json."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    hidden_act: str = "gelu"

    def __post_init__(self) -> None:
        size, count = self.hidden_size, self.num_attention_heads
        if size % count:
            raise ModelError(f"a hidden_size of {size} cannot be cut into {count} heads of equal size")


class Embeddings(Layer):
    """The sum of three vectors a token: for the word, for its place, for the sentence it is in; then normed."""

    takes_indices = True

    def __init__(self, c: Any, rng: np.random.Generator, dtype: Any) -> None:
        self.longest, size = c.max_position_embeddings, c.hidden_size
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
        return self.LayerNorm(self.word_embeddings(tokens) + (place + sentence))


class SelfAttention(Layer):
    r"""$V\,\mathrm{softmax}(K^\top Q / \sqrt d)$ with queries, keys and values from the same tokens."""

    def __init__(self, c: Any, rng: np.random.Generator, dtype: Any) -> None:
        self.heads, n = c.num_attention_heads, c.hidden_size
        self.query, self.key, self.value = (Linear(n, n, seed=rng, dtype=dtype) for _ in range(3))

    def __call__(self, x: Node, mask: Node | None = None, attentions: list[Any] | None = None) -> Node:
        queries, keys, values = (heads(part(x), self.heads) for part in (self.query, self.key, self.value))
        return attention(queries, keys, values, mask, attentions)


class AddedAndNormed(Layer):
    r"""$y = \mathrm{norm}(x W + b + \text{before})$: what a part of a block found, added to what came in."""

    def __init__(self, input_size: int, c: Any, rng: np.random.Generator, dtype: Any) -> None:
        self.dense = Linear(input_size, c.hidden_size, seed=rng, dtype=dtype)
        self.LayerNorm = LayerNorm(c.hidden_size, c.layer_norm_eps, dtype=dtype)

    def __call__(self, x: Node, before: Node) -> Node:
        return self.LayerNorm(self.dense(x) + before)


class Attention(Layer):
    """What the tokens tell each other, added to what they were."""

    def __init__(self, c: Any, rng: np.random.Generator, dtype: Any) -> None:
        self.self = SelfAttention(c, rng, dtype)
        self.output = AddedAndNormed(c.hidden_size, c, rng, dtype)

    def __call__(self, x: Node, mask: Node | None = None, attentions: list[Any] | None = None) -> Node:
        return self.output(self.self(x, mask, attentions), x)


class Intermediate(Layer):
    r"""$y = f(x W + b)$, wider than x."""

    def __init__(self, c: Any, rng: np.random.Generator, dtype: Any) -> None:
        self.dense = Linear(c.hidden_size, c.intermediate_size, seed=rng, dtype=dtype)
        self.activation = activation(c.hidden_act)

    def __call__(self, x: Node) -> Node:
        return self.activation(self.dense(x))


class Block(Layer):
    """One of the layers of the network: attention between the tokens, then a small network on each token alone."""

    def __init__(self, c: Any, rng: np.random.Generator, dtype: Any) -> None:
        self.attention = Attention(c, rng, dtype)
        self.intermediate = Intermediate(c, rng, dtype)
        self.output = AddedAndNormed(c.intermediate_size, c, rng, dtype)

    def __call__(self, x: Node, mask: Node | None = None, attentions: list[Any] | None = None) -> Node:
        x = self.attention(x, mask, attentions)
        return self.output(self.intermediate(x), x)


class Encoder(Layer):
    """The blocks, one after the other."""

    def __init__(self, c: Any, rng: np.random.Generator, dtype: Any) -> None:
        self.layer = [Block(c, rng, dtype) for _ in range(c.num_hidden_layers)]

    def __call__(self, x: Node, mask: Node | None = None, attentions: list[Any] | None = None) -> Node:
        for block in self.layer:
            x = block(x, mask, attentions)
        return x


class Pooler(Layer):
    r"""$y = \tanh(x_0 W + b)$: the whole text in one vector, from its first token."""

    def __init__(self, c: Any, rng: np.random.Generator, dtype: Any) -> None:
        self.dense = Linear(c.hidden_size, c.hidden_size, seed=rng, dtype=dtype)

    def __call__(self, x: Node) -> Node:
        return tanh(self.dense(x[:, 0]))


class BertModel(Layer):
    """A BERT: tokens (batch, time) to vectors (batch, time, hidden_size), each of which knows of the other tokens.

    `from_config(config)` makes one from the contents of a config.json; numbers are drawn from `seed`.
    """

    takes_indices = True

    def __init__(self, config: BertConfig, *, seed: Any = None, dtype: Any = np.float32, pooler: bool = True) -> None:
        rng, self.config = np.random.default_rng(seed), config
        self.embeddings = Embeddings(config, rng, dtype)
        self.encoder = Encoder(config, rng, dtype)
        self.pooler = Pooler(config, rng, dtype) if pooler else None
        name_parameters(self)

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], *, seed: Any = None, dtype: Any = np.float32, pooler: bool = True
    ) -> Self:
        """A network of these sizes. Raises ModelError for a configuration that says too little, or asks too much."""
        require(config, position_embedding_type="absolute", is_decoder=False, add_cross_attention=False)
        return cls(settings(BertConfig, config), seed=seed, dtype=dtype, pooler=pooler)

    def __call__(
        self, tokens: Any, attention_mask: Any = None, token_type_ids: Any = None, attentions: list[Any] | None = None
    ) -> Node:
        """attention_mask (batch, time) holds 1 for a token and 0 for padding; None: there is no padding.

        To the list `attentions` each block adds its weights, (batch, heads, queries, seen), each time it is used.
        Raises ShapeError for a mask or token_type_ids of another shape than the tokens, and for too many of them.
        """
        tokens = token_rows(tokens)
        for what, extra in (("attention_mask", attention_mask), ("token_type_ids", token_type_ids)):
            if extra is not None and as_node(extra).shape != tokens.shape:
                raise ShapeError(f"{what} has one number a token: {tokens.shape}, not {as_node(extra).shape}")
        mask = None if attention_mask is None else padding_mask(as_node(attention_mask), self.dtype)
        return self.encoder(self.embeddings(tokens, token_type_ids), mask, attentions)

    def pooled(self, hidden: Node) -> Node:
        """One vector a text, (batch, hidden_size). Raises AttributeError where the network was made without pooler."""
        if self.pooler is None:
            remedy = "take hidden[:, 0], or a mean over the tokens"
            raise AttributeError(f"this network was made with pooler=False: {remedy}")
        return self.pooler(hidden)
