r"""ALBERT: BERT with one block that is used again and again, and word vectors that are smaller than the hidden ones.

Attribute names are those of Hugging Face, `encoder.albert_layer_groups.0.albert_layers.0.attention.query`.
Source: Lan et al. 2019 (arXiv:1909.11942).
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
class AlbertConfig:
    """The sizes of an ALBERT, by the names in its config.json."""

    vocab_size: int
    embedding_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    num_hidden_groups: int = 1
    inner_group_num: int = 1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    hidden_act: str = "gelu_new"

    def __post_init__(self) -> None:
        check_heads(self.hidden_size, self.num_attention_heads)


class AlbertAttention(Layer):
    """What the tokens tell each other, added to what they were, and normed."""

    def __init__(self, c: AlbertConfig, rng: np.random.Generator, dtype: Any) -> None:
        self.heads, n = c.num_attention_heads, c.hidden_size
        self.query, self.key, self.value, self.dense = (Linear(n, n, seed=rng, dtype=dtype) for _ in range(4))
        self.LayerNorm = LayerNorm(n, c.layer_norm_eps, dtype=dtype)

    def __call__(self, x: Node, mask: Node | None = None, attentions: list[Any] | None = None) -> Node:
        queries, keys, values = (heads(part(x), self.heads) for part in (self.query, self.key, self.value))
        y: Node = self.LayerNorm(x + self.dense(attention(queries, keys, values, mask, attentions)))
        return y


class AlbertBlock(Layer):
    """Attention between the tokens, then a small network on each token alone."""

    def __init__(self, c: AlbertConfig, rng: np.random.Generator, dtype: Any) -> None:
        self.full_layer_layer_norm = LayerNorm(c.hidden_size, c.layer_norm_eps, dtype=dtype)
        self.attention = AlbertAttention(c, rng, dtype)
        self.ffn = Linear(c.hidden_size, c.intermediate_size, seed=rng, dtype=dtype)
        self.ffn_output = Linear(c.intermediate_size, c.hidden_size, seed=rng, dtype=dtype)
        self.activation = activation(c.hidden_act)

    def __call__(self, x: Node, mask: Node | None = None, attentions: list[Any] | None = None) -> Node:
        x = self.attention(x, mask, attentions)
        y: Node = self.full_layer_layer_norm(self.ffn_output(self.activation(self.ffn(x))) + x)
        return y


class AlbertGroup(Layer):
    """A few blocks that are used together."""

    def __init__(self, c: AlbertConfig, rng: np.random.Generator, dtype: Any) -> None:
        self.albert_layers = [AlbertBlock(c, rng, dtype) for _ in range(c.inner_group_num)]

    def __call__(self, x: Node, mask: Node | None = None, attentions: list[Any] | None = None) -> Node:
        for block in self.albert_layers:
            x = block(x, mask, attentions)
        return x


class AlbertEncoder(Layer):
    """Word vectors made as wide as the hidden ones, then `num_hidden_layers` passes through the groups in turn."""

    def __init__(self, c: AlbertConfig, rng: np.random.Generator, dtype: Any) -> None:
        self.embedding_hidden_mapping_in = Linear(c.embedding_size, c.hidden_size, seed=rng, dtype=dtype)
        self.albert_layer_groups = [AlbertGroup(c, rng, dtype) for _ in range(c.num_hidden_groups)]
        self.passes = c.num_hidden_layers

    def __call__(self, x: Node, mask: Node | None = None, attentions: list[Any] | None = None) -> Node:
        x = self.embedding_hidden_mapping_in(x)
        groups = len(self.albert_layer_groups)
        for i in range(self.passes):
            x = self.albert_layer_groups[i * groups // self.passes](x, mask, attentions)
        return x


class AlbertModel(TextEncoder):
    """An ALBERT: tokens (batch, time) to vectors (batch, time, hidden_size). Made and called as a `TextEncoder`."""

    config_class, encoder_class = AlbertConfig, AlbertEncoder

    def make_pooler(self, c: AlbertConfig, rng: np.random.Generator, dtype: Any) -> Linear:
        """A matrix alone: `pool` does the rest."""
        return Linear(c.hidden_size, c.hidden_size, seed=rng, dtype=dtype)

    def pool(self, hidden: Node) -> Node:
        r"""$y = \tanh(x_0 W + b)$: the whole text in one vector, from its first token."""
        y: Node = tanh(self.pooler(hidden[:, 0]))  # type: ignore[misc]
        return y
