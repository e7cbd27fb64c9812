r"""BERT: an encoder. Each token sees all others; a block is attention, then a small network, each added and normed.

Attribute names are those of Hugging Face, `encoder.layer.0.attention.self.query`, so its weights and adapters fit.
Source: Devlin et al. 2018 (arXiv:1810.04805).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.node import ComputationNode
from ..core.ops import tanh
from ..nn.attention import attention, heads
from ..nn.layer import Layer
from ..nn.linear import Linear
from ..nn.norms import LayerNorm
from .configured import activation, check_heads
from .text_encoder import TextEncoder

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
        check_heads(self.hidden_size, self.num_attention_heads)

    @property
    def embedding_size(self) -> int:
        """The vectors that go in are as wide as the hidden ones."""
        return self.hidden_size


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
        y: Node = self.LayerNorm(self.dense(x) + before)
        return y


class Attention(Layer):
    """What the tokens tell each other, added to what they were."""

    def __init__(self, c: Any, rng: np.random.Generator, dtype: Any) -> None:
        self.self = SelfAttention(c, rng, dtype)
        self.output = AddedAndNormed(c.hidden_size, c, rng, dtype)

    def __call__(self, x: Node, mask: Node | None = None, attentions: list[Any] | None = None) -> Node:
        y: Node = self.output(self.self(x, mask, attentions), x)
        return y


class Intermediate(Layer):
    r"""$y = f(x W + b)$, wider than x."""

    def __init__(self, c: Any, rng: np.random.Generator, dtype: Any) -> None:
        self.dense = Linear(c.hidden_size, c.intermediate_size, seed=rng, dtype=dtype)
        self.activation = activation(c.hidden_act)

    def __call__(self, x: Node) -> Node:
        y: Node = self.activation(self.dense(x))
        return y


class Block(Layer):
    """One of the layers of the network: attention between the tokens, then a small network on each token alone."""

    def __init__(self, c: Any, rng: np.random.Generator, dtype: Any) -> None:
        self.attention = Attention(c, rng, dtype)
        self.intermediate = Intermediate(c, rng, dtype)
        self.output = AddedAndNormed(c.intermediate_size, c, rng, dtype)

    def __call__(self, x: Node, mask: Node | None = None, attentions: list[Any] | None = None) -> Node:
        x = self.attention(x, mask, attentions)
        y: Node = self.output(self.intermediate(x), x)
        return y


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
        y: Node = tanh(self.dense(x[:, 0]))
        return y


class BertModel(TextEncoder):
    """A BERT: tokens (batch, time) to vectors (batch, time, hidden_size). Made and called as a `TextEncoder`."""

    config_class, encoder_class = BertConfig, Encoder

    def make_pooler(self, c: BertConfig, rng: np.random.Generator, dtype: Any) -> Pooler:
        """A layer of its own."""
        return Pooler(c, rng, dtype)
