"""Files of weights in llama.cpp's order: read exactly, and never believed."""

import struct

import numpy as np
import pytest
from test_gguf import F32, STRING, UINT32, gguf_bytes, string

from tinygrad_lora.errors import ModelError, ModelFileError
from tinygrad_lora.models.chat import TEMPLATE
from tinygrad_lora.models.configured import check_plausible
from tinygrad_lora.models.files.gguf import GGUF
from tinygrad_lora.models.files.llama_cpp import chat_tokenizer, configuration, halves_apart, hugging_face_name
from tinygrad_lora.models.llama import LlamaForCausalLM


def test_the_order_of_llama_cpp_is_undone():
    rng = np.random.default_rng(0)
    heads, size, width = 3, 8, 5
    original = rng.normal(size=(heads * size, width))
    # As convert_hf_to_gguf.py does it.
    permuted = original.reshape(heads, 2, size // 2, width).swapaxes(1, 2).reshape(original.shape)
    assert not np.array_equal(permuted, original)
    np.testing.assert_array_equal(halves_apart(permuted, heads), original)
    with pytest.raises(ModelFileError, match="7 heads of pairs"):
        halves_apart(original, 7)


def test_tensors_get_the_names_of_hugging_face():
    assert hugging_face_name("token_embd.weight") == "model.embed_tokens.weight"
    assert hugging_face_name("blk.12.ffn_down.weight") == "model.layers.12.mlp.down_proj.weight"
    for stranger in ("blk.0.attn_q.bias", "blk.x.attn_q.weight", "rope_freqs.weight", "blk.0.ffn_gate_exps.weight"):
        with pytest.raises(ModelFileError, match=stranger):
            hugging_face_name(stranger)


NUMBERS = {
    "vocab_size": 3, "embedding_length": 8, "feed_forward_length": 16, "block_count": 1, "attention.head_count": 2,
    "attention.head_count_kv": 1, "context_length": 32, "rope.freq_base": 10000,
    "attention.layer_norm_rms_epsilon": 1,
}  # fmt: skip


def llama_file(architecture="llama", **changes):
    numbers = NUMBERS | changes
    entries = [(f"llama.{key}", UINT32, struct.pack("<I", n)) for key, n in numbers.items() if n is not None]
    tensors = [("output.weight", (3, 8), F32, b"\0" * 96)]
    return GGUF(gguf_bytes([("general.architecture", STRING, string(architecture)), *entries], tensors))


def test_a_configuration_is_read():
    config = configuration(llama_file())
    assert (config["hidden_size"], config["num_key_value_heads"], config["tie_word_embeddings"]) == (8, 1, False)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"architecture": "gemma"}, "'gemma'"),
        ({"block_count": None}, "no number called llama.block_count"),
        ({"attention.head_count": 3}, "3 heads do not fit"),
        ({"rope.dimension_count": 2}, "turned by position"),
    ],
)
def test_another_network_is_refused(changes, words):
    with pytest.raises(ModelFileError, match=words):
        configuration(llama_file(**changes))


@pytest.mark.parametrize("wrong", [float("inf"), float("nan"), 0.0, 10**400])
def test_a_number_that_no_float_is_and_one_that_is_not_positive_are_refused(wrong):
    config = configuration(llama_file()) | {"rms_norm_eps": wrong}
    with pytest.raises(ModelError, match="rms_norm_eps must be a positive number"):
        LlamaForCausalLM.from_config(config)


def test_sizes_that_are_axes_but_need_more_weights_than_there_are_are_refused():
    sizes = {"vocab_size": 50_000, "hidden_size": 8, "intermediate_size": 50_000, "num_hidden_layers": 2}
    shapes = [(50_000, 8), (8, 8), (8,)]
    with pytest.raises(ModelFileError, match="2 times 8 times 50000 numbers are more than its 400072 weights"):
        check_plausible("x.gguf", sizes | {"type_vocab_size": 8}, shapes)
    check_plausible("x.gguf", sizes | {"intermediate_size": 8, "type_vocab_size": 8}, shapes)


def tokenizer_file(
    model="gpt2", pre="smollm", template=TEMPLATE, types=(3, 1, 3), tokens=("<|im_end|>", "a", "<|im_start|>")
):
    listed = struct.pack("<IQ", STRING, len(tokens)) + b"".join(map(string, tokens))
    entries = [
        ("tokenizer.ggml.model", STRING, string(model)),
        ("tokenizer.ggml.pre", STRING, string(pre)),
        ("tokenizer.ggml.tokens", 9, listed),
        ("tokenizer.ggml.merges", 9, struct.pack("<IQ", STRING, 0)),
        ("tokenizer.ggml.token_type", 9, struct.pack("<IQ", 5, len(types)) + np.array(types, "<i4").tobytes()),
        ("tokenizer.chat_template", STRING, string(template)),
    ]
    return GGUF(gguf_bytes(entries))


def test_a_tokenizer_is_read():
    tokenizer = chat_tokenizer(tokenizer_file(), 3)
    assert tokenizer.encode("a<|im_end|>", special=True) == [1, 0]


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"model": "llama"}, "tokenizer"),
        ({"pre": "qwen2"}, "'qwen2'"),
        ({"types": (3,)}, "lists"),
        ({"types": (3, 1, 1)}, r"special tokens lack <\|im_start\|>"),
        ({"tokens": ("<|im_end|>", "<|im_end|>", "<|im_start|>")}, "3 tokens, 2 of them different"),
        ({"tokens": ("<|im_end|>", "a b", "<|im_start|>")}, "'a b' has the character ' '"),
        ({"template": "{{ evil }}"}, "chat template"),
    ],
)
def test_another_tokenizer_is_refused(changes, words):
    with pytest.raises(ModelFileError, match=words):
        chat_tokenizer(tokenizer_file(**changes), 3)
