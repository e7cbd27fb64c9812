r"""Text from a decoder, token by token: the network says what may come next, one token is chosen, and so on.

Keys and values of earlier tokens do not change, so they are kept, and each step computes those of one token. They are
kept in arrays of a fixed size: all steps have the same shapes, and run the same compiled program.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..compiler import compile
from ..core import ComputationNode
from ..errors import DtypeError, ShapeError
from ..nn.attention import causal_mask, far
from ..nn.checks import check_size
from ..nn.layer import Layer
from .llama import LlamaForCausalLM
from .sampling import sample

Node = ComputationNode


class DecodingStep(Layer):
    """Scores for the token after one of these tokens, (vocab_size,), and the keys and values of all of them.

    `past` (blocks, 2, 1, key heads, head size, capacity) has room for keys and values of earlier tokens, and `mask`
    hides what is empty. One text at a time: tokens are (1, time), and `last` (1,) says which of them is meant.
    """

    def __init__(self, network: LlamaForCausalLM) -> None:
        self.network = network

    def __call__(self, tokens: Node, last: Node, cosines: Node, sines: Node, mask: Node, past: Node) -> list[Node]:
        pairs = [(past[i, 0], past[i, 1]) for i in range(past.shape[0])]
        present: list[tuple[Node, Node]] = []
        hidden = self.network.model.attend(tokens, (cosines, sines), mask, pairs, present)
        scores = self.network.logits(self.network.at(hidden, np.zeros(1, int), last))
        return [scores[0], *(x for pair in present for x in pair)]


class CachedDecoder:
    """Generates text with a network of at most `capacity` tokens, prompt included. Keep it, and use it again.

    The prompt is read `chunk` tokens at a time. So there are two programs, for a chunk and for one token; they are
    compiled when they are first needed, and again if the network gets or loses an adapter. Each call of `generate` has
    a memory of its own.
    """

    def __init__(self, network: LlamaForCausalLM, capacity: int = 512, *, chunk: int = 16) -> None:
        config = network.config
        self.network, self.capacity = network, check_size(capacity, "the capacity")
        if self.capacity > config.max_position_embeddings:
            raise ShapeError(f"a capacity of {capacity} is too much for {config.max_position_embeddings} positions")
        self.chunk, self.dtype = min(check_size(chunk, "the chunk"), self.capacity), network.dtype
        self.step = compile(DecodingStep(network))

    def generate(
        self, prompt: Sequence[int], max_new_tokens: int = 128, *,
        temperature: float = 0.0, top_k: int | None = None, top_p: float | None = None,
        seed: int | np.random.Generator | None = None, stop: Collection[int] = (),
    ) -> Iterator[int]:  # fmt: skip
        r"""The tokens after the prompt, each as soon as it is known.

        Temperature 0 takes the token with the highest score; above, a token is drawn as by `tl.sample`, by numbers from
        `seed`. It ends after `max_new_tokens`, when the capacity is used up, or before a token that is in `stop`.

        Raises ShapeError for a prompt that is empty or too long, DtypeError or ValueError for what is no token.
        """
        tokens = np.asarray(prompt)
        if tokens.ndim != 1 or not tokens.size:
            raise ShapeError(f"a prompt is a list of at least one token, not an array of shape {tokens.shape}")
        if tokens.dtype.kind not in "iu":
            raise DtypeError(f"a prompt holds whole numbers, not {tokens.dtype}: encode the text first")
        last = self.network.config.vocab_size - 1
        if tokens.min() < 0 or tokens.max() > last:
            raise ValueError(f"the prompt holds {tokens.min()} to {tokens.max()}; tokens are 0 to {last}")
        if tokens.size > self.capacity:
            raise ShapeError(f"the prompt has {tokens.size} tokens, and the capacity is {self.capacity}")
        count = min(check_size(max_new_tokens, "max_new_tokens"), self.capacity + 1 - tokens.size)
        choose = partial(sample, temperature=temperature, top_k=top_k, top_p=top_p)
        choose(np.zeros(1), seed=0)  # what is wrong with these numbers is told now
        return self._generated(tokens, count, partial(choose, seed=np.random.default_rng(seed)), frozenset(stop))

    def _generated(self, tokens: Any, count: int, choose: Callable[[Any], int], stop: frozenset[int]) -> Iterator[int]:
        c = self.network.config
        past = np.zeros((c.num_hidden_layers, 2, 1, c.num_key_value_heads, c.head_dim, self.capacity), self.dtype)
        for start in range(0, tokens.size, self.chunk):
            scores = self._scores(tokens[start : start + self.chunk], self.chunk, start, past)
        for at in range(tokens.size, tokens.size + count):
            token = choose(scores)
            if token in stop:
                return
            yield token
            if at + 1 < tokens.size + count:
                scores = self._scores(np.array([token]), 1, at, past)

    def _scores(self, tokens: Any, width: int, start: int, past: Any) -> Any:
        """Scores for the token after these, which begin at position `start`; their keys and values go to the past."""
        time = tokens.size
        padded = np.zeros((1, width), np.int64)
        padded[0, :time] = tokens
        unseen = np.where(np.arange(self.capacity) < start, 0, far(self.dtype)).astype(self.dtype)
        now = causal_mask(width, dtype=self.dtype)
        mask = np.concatenate([np.repeat(unseen[:, None], width, axis=1), now])
        angles = self.network.model.angles(start + np.arange(width))
        scores, *present = self.step(padded, np.array([time - 1]), *angles, mask, past)
        for i, new in enumerate(present):
            past[i // 2, i % 2, ..., start : start + time] = new[..., :time]
        return scores
