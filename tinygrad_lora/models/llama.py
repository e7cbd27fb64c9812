r"""Llama: a decoder. Each token sees those before it, and the network says what may come next.

Attribute names are those of Hugging Face, `model.layers.0.self_attn.q_proj`, so its weights and adapters fit.
Source: Touvron et al. 2023 (arXiv:2302.13971); grouped keys: Ainslie et al. 2023 (arXiv:2305.13245).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..core.node import ComputationNode, parameter
from ..core.ops import take
from ..errors import ModelError, ShapeError
from ..library import concatenate, cross_entropy
from ..nn import Layer, RMSNorm, silu
from ..nn.attention import attention, causal_mask, heads
from ..nn.embedding import Embedding, as_node
from ..nn.linear import Linear, on_rows
from ..nn.rotary import rotary_angles, rotated
from .configured import name_parameters, require, settings
from .text.tokens import token_rows

Node = ComputationNode
Pair = tuple[Node, Node]
Pairs = list[Pair] | None  # keys and values of each block


@dataclass(frozen=True)
class LlamaConfig:
    """The sizes of a Llama, by the names in its config.json."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    max_position_embeddings: int = 2048
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10_000.0
    tie_word_embeddings: bool = False

    def __post_init__(self) -> None:
        heads, of_keys = self.num_attention_heads, self.num_key_value_heads
        if heads % of_keys:
            raise ModelError(f"{heads} heads cannot share {of_keys} heads of keys equally")
        if self.head_dim % 2:
            raise ModelError(f"head_dim must be even, not {self.head_dim}: rotary positions turn pairs of numbers")


class CausalAttention(Layer):
    """Each token looks back. Several heads of queries share one head of keys and values."""

    def __init__(self, c: LlamaConfig, rng: np.random.Generator, dtype: Any) -> None:
        self.heads, self.key_heads = c.num_attention_heads, c.num_key_value_heads
        n, wide, narrow = c.hidden_size, self.heads * c.head_dim, self.key_heads * c.head_dim
        self.q_proj = Linear(n, wide, bias=False, seed=rng, dtype=dtype)
        self.k_proj = Linear(n, narrow, bias=False, seed=rng, dtype=dtype)
        self.v_proj = Linear(n, narrow, bias=False, seed=rng, dtype=dtype)
        self.o_proj = Linear(wide, n, bias=False, seed=rng, dtype=dtype)

    def __call__(self, x: Node, angles: Pair, mask: Node, past: Pair | None = None, present: Pairs = None) -> Node:
        """`past` are keys and values of earlier tokens. To the list `present` those of these tokens are added."""
        queries = rotated(heads(self.q_proj(x), self.heads), angles)
        keys, values = rotated(heads(self.k_proj(x), self.key_heads), angles), heads(self.v_proj(x), self.key_heads)
        if present is not None:
            present.append((keys, values))
        if past is not None:
            keys, values = (concatenate([old, new], axis=-1) for old, new in zip(past, (keys, values), strict=True))
        return self.o_proj(attention(queries, keys, values, mask))


class GatedNetwork(Layer):
    r"""$y = (\mathrm{silu}(x W_g) \odot x W_u)\,W_d$, called SwiGLU. Source: Shazeer 2020 (arXiv:2002.05202)."""

    def __init__(self, c: LlamaConfig, rng: np.random.Generator, dtype: Any) -> None:
        n, m = c.hidden_size, c.intermediate_size
        self.gate_proj = Linear(n, m, bias=False, seed=rng, dtype=dtype)
        self.up_proj = Linear(n, m, bias=False, seed=rng, dtype=dtype)
        self.down_proj = Linear(m, n, bias=False, seed=rng, dtype=dtype)

    def __call__(self, x: Node) -> Node:
        return self.down_proj(silu(self.gate_proj(x)) * self.up_proj(x))


class DecoderBlock(Layer):
    """One of the layers of the network. What is added to x is computed from x normed; x itself is never normed."""

    def __init__(self, c: LlamaConfig, rng: np.random.Generator, dtype: Any) -> None:
        self.self_attn = CausalAttention(c, rng, dtype)
        self.mlp = GatedNetwork(c, rng, dtype)
        self.input_layernorm = RMSNorm(c.hidden_size, c.rms_norm_eps, dtype=dtype)
        self.post_attention_layernorm = RMSNorm(c.hidden_size, c.rms_norm_eps, dtype=dtype)

    def __call__(self, x: Node, angles: Pair, mask: Node, past: Pair | None = None, present: Pairs = None) -> Node:
        x = x + self.self_attn(self.input_layernorm(x), angles, mask, past, present)
        return x + self.mlp(self.post_attention_layernorm(x))


class LlamaModel(Layer):
    """Tokens (batch, time) to vectors (batch, time, hidden_size): what is needed to say the next token."""

    takes_indices = True

    def __init__(self, config: LlamaConfig, rng: np.random.Generator, dtype: Any) -> None:
        self.config = config
        self.embed_tokens = Embedding(config.vocab_size, config.hidden_size, seed=rng, dtype=dtype)
        self.layers = [DecoderBlock(config, rng, dtype) for _ in range(config.num_hidden_layers)]
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps, dtype=dtype)

    def __call__(self, tokens: Any) -> Node:
        tokens = token_rows(tokens)
        time, longest = tokens.shape[1], self.config.max_position_embeddings
        if time > longest:
            raise ShapeError(f"{time} tokens are too many: this network was made for {longest}; cut the text")
        # Frozen parameters, which a compiled program is given: constants it would print, number by number.
        cosines, sines = (parameter(a, "angles", trainable=False) for a in self.angles(np.arange(time)))
        mask = parameter(causal_mask(time, dtype=self.dtype), "mask", trainable=False)
        return self.attend(tokens, (cosines, sines), mask)

    def angles(self, positions: Any) -> tuple[Any, Any]:
        """Cosines and sines for tokens at these positions, as `rotary_angles` has them: two arrays."""
        c = self.config
        return rotary_angles(positions, c.head_dim, c.rope_theta, dtype=self.norm.weight.dtype)

    def attend(self, tokens: Node, angles: Pair, mask: Node, past: Pairs = None, present: Pairs = None) -> Node:
        """The same for tokens anywhere: `angles` for their positions, and a `mask` (seen, time) added to the scores.

        `past` has the keys and values of earlier tokens, (batch, key heads, head size, tokens) each, a pair for each
        block; what is seen is the past and then the tokens. To the list `present` each block adds its own pair.
        """
        x = self.embed_tokens(tokens)
        for i, block in enumerate(self.layers):
            x = block(x, angles, mask, past[i] if past else None, present)
        return self.norm(x)


class LlamaForCausalLM(Layer):
    """Tokens (batch, time) to a score for each possible next token, (batch, time, vocab_size).

    `LlamaForCausalLM.from_config(config)` makes one from the contents of a config.json; numbers are drawn from `seed`.
    The last product is the largest by far. Where few scores are wanted, call `logits` on the rows that `at` gives.
    No mask is needed for texts of different lengths that are padded at the end: a token sees only those before it.
    """

    takes_indices = True
    output_layers = ("lm_head",)  # "all-linear" does not mean these

    def __init__(self, config: LlamaConfig, *, seed: Any = None, dtype: Any = np.float32) -> None:
        rng, self.config = np.random.default_rng(seed), config
        self.model = LlamaModel(config, rng, dtype)
        n, m = config.hidden_size, config.vocab_size
        tied = config.tie_word_embeddings
        self.lm_head = None if tied else Linear(n, m, bias=False, seed=rng, dtype=dtype)
        self.tied_head = self.model.embed_tokens.weight if tied else None  # an adapter of the table is not the head's
        name_parameters(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], *, seed: Any = None, dtype: Any = np.float32) -> Self:
        """A network of these sizes. Raises ModelError for a configuration that says too little, or asks too much."""
        require(config, hidden_act="silu", attention_bias=False, mlp_bias=False, rope_scaling=None)
        rope = config.get("rope_parameters") or {}
        require(rope, rope_type="default")
        size: Any = config.get("hidden_size")
        heads: Any = config.get("num_attention_heads")
        divisible = type(size) is int and type(heads) is int and heads > 0  # if not, `settings` says what is wrong
        supplied = {
            "num_key_value_heads": heads, "head_dim": size // heads if divisible else None,
            "rope_theta": rope.get("rope_theta"),
        }  # fmt: skip
        complete = {**config, **{k: v for k, v in supplied.items() if config.get(k) is None}}
        return cls(settings(LlamaConfig, complete), seed=seed, dtype=dtype)

    def __call__(self, tokens: Any) -> Node:
        return self.logits(self.model(tokens))

    def logits(self, hidden: Node) -> Node:
        """The score of each possible next token, (..., vocab_size), for vectors of `model` (..., hidden_size)."""
        if (table := self.tied_head) is not None:
            return on_rows(lambda rows: rows @ table.mT, hidden)
        return self.lm_head(hidden)  # type: ignore[misc]

    def at(self, hidden: Node, samples: Any, positions: Any) -> Node:
        """Some of the vectors (batch, time, hidden_size) as rows (n, hidden_size): one for each sample and position."""
        return take(hidden, as_node(samples), as_node(positions))

    def answer_loss(self, hidden: Node, wanted: Any) -> Node:
        """The mean cross-entropy of chosen tokens: `wanted` (n, 3) has a sample, a position and the token after it.

        So `compile_training_step(llama.model, llama.answer_loss, optimizer)` computes scores for these alone.
        """
        rows = as_node(wanted)
        if rows.ndim != 2 or rows.shape[1] != 3:
            raise ShapeError(f"wanted must be (n, 3), sample, position and next token, not {rows.shape}")
        return cross_entropy(self.logits(self.at(hidden, rows[:, 0], rows[:, 1])), rows[:, 2])
