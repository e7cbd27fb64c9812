"""How llama.cpp writes a Llama: other names than Hugging Face's, and the rows of queries and keys in another order.

Source: convert_hf_to_gguf.py in the repository ggml-org/llama.cpp.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import ModelFileError
from ..chat import END, START, TEMPLATE
from ..text.bpe import BytePairEncoding
from .gguf import GGUF

_SETTINGS = {
    "vocab_size": "llama.vocab_size", "hidden_size": "llama.embedding_length",
    "intermediate_size": "llama.feed_forward_length", "num_hidden_layers": "llama.block_count",
    "num_attention_heads": "llama.attention.head_count", "num_key_value_heads": "llama.attention.head_count_kv",
    "max_position_embeddings": "llama.context_length", "rope_theta": "llama.rope.freq_base",
    "rms_norm_eps": "llama.attention.layer_norm_rms_epsilon",
}  # fmt: skip
_WHOLE = {
    "token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}  # fmt: skip
_IN_A_LAYER = {
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}  # fmt: skip
_LAYER = re.compile(r"blk\.(\d+)\.(\w+)\.weight")
_CONTROL = 3  # the type of tokens that are not text


def configuration(file: GGUF) -> dict[str, Any]:
    """The metadata as a configuration of Hugging Face. Raises ModelFileError if it is not that of a Llama."""
    metadata = file.metadata
    if (architecture := metadata.get("general.architecture")) != "llama":
        raise ModelFileError(f"{file.name}: its architecture is {architecture!r}, and not 'llama'")
    if missing := [key for key in _SETTINGS.values() if type(metadata.get(key)) not in (int, float)]:
        raise ModelFileError(f"{file.name}: the metadata has no number called {', '.join(missing)}")
    config = {name: metadata[key] for name, key in _SETTINGS.items()}
    config["rms_norm_eps"] = float(np.format_float_positional(np.float32(config["rms_norm_eps"]), unique=True))
    config["tie_word_embeddings"] = "output.weight" not in file.tensors
    heads, width = config["num_attention_heads"], config["hidden_size"]
    if not heads or width % heads or metadata.get("llama.rope.dimension_count", width // heads) != width // heads:
        raise ModelFileError(f"{file.name}: {heads} heads do not fit a width of {width}, all of it turned by position")
    return config


def hugging_face_tensors(file: GGUF, config: Mapping[str, Any], dtype: Any = np.float32) -> dict[str, Any]:
    """All tensors as Hugging Face names, shapes and orders them. Raises ModelFileError for one that has no place."""
    return {hugging_face_name(name, file.name): _in_order(file, name, config, dtype) for name in file.tensors}


def hugging_face_name(name: str, file: str = "the file") -> str:
    """What Hugging Face calls a tensor.

    >>> hugging_face_name("blk.0.attn_q.weight")
    'model.layers.0.self_attn.q_proj.weight'
    """
    if name in _WHOLE:
        return _WHOLE[name]
    match = _LAYER.fullmatch(name)
    if not match or match[2] not in _IN_A_LAYER:
        raise ModelFileError(f"{file}: a tensor is called {name!r}, which no part of a Llama is")
    return f"model.layers.{match[1]}.{_IN_A_LAYER[match[2]]}.weight"


def _in_order(file: GGUF, name: str, config: Mapping[str, Any], dtype: Any) -> Any:
    array = file.array(name, dtype)
    for part, heads in (("attn_q", "num_attention_heads"), ("attn_k", "num_key_value_heads")):
        if f".{part}." in name:
            return halves_apart(array, config[heads], f"{file.name}: {name}")
    return array


def halves_apart(weight: Any, heads: int, name: str = "a weight") -> Any:
    """Undo the order in which llama.cpp keeps the rows of queries and keys, (heads * size, in).

    A rotary position turns pairs of rows. Hugging Face pairs row i of a head with row i + size / 2; llama.cpp lays the
    two of a pair side by side.
    """
    rows = weight.shape[0]
    if weight.ndim != 2 or rows % (2 * heads):
        raise ModelFileError(f"{name} has the shape {weight.shape}: the rows are not {heads} heads of pairs")
    pairs = weight.reshape(heads, rows // heads // 2, 2, -1)
    return pairs.swapaxes(1, 2).reshape(weight.shape)


def chat_tokenizer(file: GGUF, size: int) -> BytePairEncoding:
    """The tokenizer of `size` tokens in the metadata.

    Raises ModelFileError if it, or the way to write a chat, is another than known.
    """
    metadata, key = file.metadata, "tokenizer.ggml."
    kind = metadata.get(f"{key}model"), metadata.get(f"{key}pre")
    if kind != ("gpt2", "smollm"):
        raise ModelFileError(f"{file.name}: its tokenizer is {kind}, and only ('gpt2', 'smollm') is known")
    tokens, joins, types = (metadata.get(f"{key}{part}", ()) for part in ("tokens", "merges", "token_type"))
    if not _are_strings(tokens) or not _are_strings(joins) or np.shape(types) != np.shape(tokens):
        raise ModelFileError(f"{file.name}: tokens, joins and types must be lists of strings, strings and numbers")
    if len(tokens) != size or len(set(tokens)) != size:
        raise ModelFileError(f"{file.name}: {len(tokens)} tokens, {len(set(tokens))} of them different, not {size}")
    if metadata.get("tokenizer.chat_template") != TEMPLATE:
        raise ModelFileError(f"{file.name}: its chat template is not that of SmolLM2, the only one that is known")
    special = np.flatnonzero(np.asarray(types) == _CONTROL).tolist()
    if missing := {START, END} - {tokens[number] for number in special}:
        raise ModelFileError(f"{file.name}: its special tokens lack {', '.join(sorted(missing))}")
    return BytePairEncoding(tokens, joins, special)


def _are_strings(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)
