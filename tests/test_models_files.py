"""Files of weights in PyTorch's old format and in llama.cpp's order: read exactly, and never believed."""

import io
import os
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from models_table import FIXTURES
from test_gguf import F32, STRING, UINT32, gguf_bytes, string

from tinygrad_lora.errors import ModelFileError
from tinygrad_lora.models.chat import TEMPLATE
from tinygrad_lora.models.files.gguf import GGUF
from tinygrad_lora.models.files.llama_cpp import chat_tokenizer, configuration, halves_apart, hugging_face_name
from tinygrad_lora.models.torch_file import read_torch

OLD = (FIXTURES / "old.bin").read_bytes()
MAGIC, LAYOUT, SYSTEM = 0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}

# --- PyTorch's old format ---


def test_an_old_file_is_read_exactly():
    found = read_torch(FIXTURES / "old.bin")
    with np.load(FIXTURES / "old.npz") as expected:
        assert set(found) == set(expected.files)
        for name, array in found.items():
            assert array.dtype == expected[name].dtype, name
            np.testing.assert_array_equal(array, expected[name], err_msg=name)
            assert array.flags.owndata and array.flags.writeable


def refused(tmp_path, data, words):
    path = tmp_path / "weights.bin"
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=words) as error:
        read_torch(path)
    assert "weights.bin" in str(error.value)


def pickles(*things, protocol=2):
    return b"".join(pickle.dumps(thing, protocol) for thing in things)


class Calling:
    """Pickled, it asks for a call when it is loaded."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def test_a_file_that_would_run_a_command_is_refused_and_nothing_runs(tmp_path):
    mark = tmp_path / "ran"
    evil = pickles(MAGIC, LAYOUT, SYSTEM, {"weight": Calling(os.mkdir, str(mark))})
    refused(tmp_path, evil, r"a call of posix\.mkdir|a call of nt\.mkdir")
    assert not mark.exists()
    pickle.loads(pickle.dumps(Calling(os.mkdir, str(mark)), 2))  # what would have happened
    assert mark.exists()


STRANGE = {
    "nothing": (b"", "damaged"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, "weights.bin"),
    "a new file": (b"PK\x03\x04" + b"\0" * 50, "PyTorch 1.6 or later"),
    "another magic number": (pickles(7, LAYOUT), "not a file of PyTorch's old format"),
    "another layout": (pickles(MAGIC, 1002), "not a file of PyTorch's old format"),
    "big-endian": (pickles(MAGIC, LAYOUT, {"little_endian": False}, {}, []), "little-endian"),
    "no dict": (pickles(MAGIC, LAYOUT, SYSTEM, [1, 2], []), "state dict"),
    "no tensors": (pickles(MAGIC, LAYOUT, SYSTEM, {"a": 1}, []), "state dict"),
    "a name that is a number": (pickles(MAGIC, LAYOUT, SYSTEM, {1: None}, []), "a name is a string"),
    "storages of nothing": (pickles(MAGIC, LAYOUT, SYSTEM, {}, ["1"]), "list of storages"),
    "bytes after the end": (pickles(MAGIC, LAYOUT, SYSTEM, {}, []) + b"\0", "after the last"),
    "a newer instruction": (pickles(MAGIC, protocol=5), "it is not done"),
    "a class": (pickles(MAGIC, LAYOUT, SYSTEM, {"a": Calling(io.BytesIO)}, []), r"_io\.BytesIO|io\.BytesIO"),
    "an object without a mark": (b"\x80\x02t.", "mark is missing"),
    "an empty stack": (b"\x80\x02.", "damaged"),
    "a memory that is not there": (b"\x80\x02h\x07.", "damaged"),
}


@pytest.mark.parametrize("data, words", STRANGE.values(), ids=STRANGE)
def test_what_is_no_such_file_is_refused_in_words(tmp_path, data, words):
    refused(tmp_path, data, words)


def tensor_file(shape, strides, count, start=0, storage="torch\nFloatStorage", stated=None, copies=1):
    """A file with one tensor under one or more names, written instruction by instruction."""

    def number(n):
        raw = n.to_bytes((n.bit_length() + 8) // 8, "little", signed=True)
        return b"\x8a" + bytes([len(raw)]) + raw

    def word(text):
        return b"X" + struct.pack("<I", len(text)) + text.encode()

    kind = b"c" + storage.encode() + b"\n"
    described = b"(" + word("storage") + kind + word("0") + word("cpu") + number(count) + b"NtQ"
    sizes = b"".join(b"(" + b"".join(map(number, ns)) + b"t" for ns in (shape, strides))
    call = b"ctorch._utils\n_rebuild_tensor_v2\n(" + described + number(start) + sizes + b"\x89}tR"
    body = b"\x80\x02}" + b"".join(word("w" * i) + call + b"s" for i in range(1, copies + 1)) + b"."
    numbers = struct.pack("<Q", count if stated is None else stated) + b"\0" * (4 * min(count, 64))
    return pickles(MAGIC, LAYOUT, SYSTEM) + body + pickles(["0"]) + numbers


WRONG = {
    "beyond its storage": (tensor_file([3, 3], [3, 1], 8), "reaches beyond"),
    "a start beyond its storage": (tensor_file([2], [1], 4, start=3), "reaches beyond"),
    "huge, of one number": (tensor_file([1 << 40], [0], 1), "repeats"),
    "backwards": (tensor_file([2], [-1], 4), "not described"),
    "many axes": (tensor_file([1] * 65, [1] * 65, 4), "reaches beyond"),
    "axes without strides": (tensor_file([2, 2], [1], 4), "damaged"),
    "a storage larger than the file": (tensor_file([1 << 30], [1], 1 << 30), "not whole"),
    "shared very often": (tensor_file([64], [1], 64, copies=9), "share their numbers so often"),
    "another count": (tensor_file([2], [1], 4, stated=5), "not whole"),
    "quantized": (tensor_file([2], [1], 4, storage="torch\nQInt8Storage"), "torch.QInt8Storage"),
}  # fmt: skip


@pytest.mark.parametrize("data, words", WRONG.values(), ids=WRONG)
def test_a_tensor_that_does_not_fit_its_storage_is_refused(tmp_path, data, words):
    refused(tmp_path, data, words)


def test_the_file_of_the_tests_above_is_sound_otherwise(tmp_path):
    (tmp_path / "w.bin").write_bytes(tensor_file([2, 2], [2, 1], 4))
    assert read_torch(tmp_path / "w.bin")["w"].tolist() == [[0, 0], [0, 0]]


def read_or_refuse(path, data):
    path.write_bytes(data)
    try:
        read_torch(path)
    except ModelFileError:
        return False
    return True


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "weights.bin"


@given(length=st.integers(0, len(OLD) - 1))
def test_an_old_file_that_ends_early_is_refused(file, length):
    assert not read_or_refuse(file, OLD[:length])


@given(changes=st.lists(st.tuples(st.integers(0, len(OLD) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_changed_bytes_of_an_old_file_are_refused_or_read(file, changes):
    data = bytearray(OLD)
    for at, byte in changes:
        data[at] = byte
    read_or_refuse(file, bytes(data))


@given(data=st.binary(max_size=200))
def test_any_program_is_refused_or_read(file, data):
    read_or_refuse(file, data)
    read_or_refuse(file, pickles(MAGIC, LAYOUT, SYSTEM) + b"\x80\x02" + data)


# --- llama.cpp's order ---


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


def tokenizer_file(model="gpt2", pre="smollm", template=TEMPLATE, types=(3, 1), tokens=("<|im_end|>", "a")):
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
    tokenizer = chat_tokenizer(tokenizer_file())
    assert tokenizer.encode("a<|im_end|>", special=True) == [1, 0]


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"model": "llama"}, "tokenizer"),
        ({"pre": "qwen2"}, "'qwen2'"),
        ({"types": (3,)}, "lists"),
        ({"template": "{{ evil }}"}, "chat template"),
    ],
)
def test_another_tokenizer_is_refused(changes, words):
    with pytest.raises(ModelFileError, match=words):
        chat_tokenizer(tokenizer_file(**changes))
