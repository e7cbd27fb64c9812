"""GGUF files: what is written is read back, and a damaged file gives a ModelFileError and nothing else."""

import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given, strategies as st

from tinygrad_lora.errors import ModelFileError
from tinygrad_lora.models.files.dequantize import F16, F32, FORMATS, Q4_1, Q8_0, dequantize
from tinygrad_lora.models.files.gguf import GGUF, read_gguf

UINT32, FLOAT32, STRING, ARRAY = 4, 6, 8, 9


def string(text):
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(raw)) + raw


def gguf_bytes(metadata=(), tensors=(), version=3, alignment=32):
    """A file with entries (name, type, bytes) and tensors (name, shape, format, bytes)."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata))
    for name, kind, raw in metadata:
        head += string(name) + struct.pack("<I", kind) + raw
    body = b""
    for name, shape, kind, raw in tensors:
        body += b"\0" * (-len(body) % alignment)
        axes = struct.pack(f"<I{len(shape)}Q", len(shape), *shape[::-1])
        head += string(name) + axes + struct.pack("<IQ", kind, len(body))
        body += raw
    return head + b"\0" * (-len(head) % alignment) + body


def q8_0(rng, blocks):
    scale, q = rng.normal(size=blocks).astype("<f2"), rng.integers(-128, 128, (blocks, 32)).astype("i1")
    raw = b"".join(scale[i].tobytes() + q[i].tobytes() for i in range(blocks))
    return raw, (scale[:, None].astype(np.float32) * q).reshape(-1)


def q4_1(rng, blocks):
    d, m = (rng.normal(size=blocks).astype("<f2") for _ in range(2))
    q = rng.integers(0, 16, (blocks, 32)).astype(np.uint8)
    pairs = q[:, :16] | q[:, 16:] << 4
    raw = b"".join(d[i].tobytes() + m[i].tobytes() + pairs[i].tobytes() for i in range(blocks))
    return raw, (d[:, None].astype(np.float32) * q + m[:, None].astype(np.float32)).reshape(-1)


def sound_file():
    rng = np.random.default_rng(0)
    floats = rng.normal(size=(3, 4)).astype("<f4")
    eight, eight_values = q8_0(rng, 4)
    four, four_values = q4_1(rng, 6)
    metadata = [
        ("general.architecture", STRING, string("llama")),
        ("llama.block_count", UINT32, struct.pack("<I", 30)),
        ("names", ARRAY, struct.pack("<IQ", STRING, 2) + string("a") + string("é")),
        ("numbers", ARRAY, struct.pack("<IQ", FLOAT32, 3) + np.array([1, 2, 3], "<f4").tobytes()),
    ]
    tensors = [
        ("plain", (3, 4), F32, floats.tobytes()),
        ("half", (5,), F16, floats.reshape(-1)[:5].astype("<f2").tobytes()),
        ("eight", (2, 64), Q8_0, eight),
        ("four", (3, 64), Q4_1, four),
    ]
    values = {"plain": floats, "half": floats.reshape(-1)[:5].astype("<f2").astype(np.float32)}
    values |= {"eight": eight_values.reshape(2, 64), "four": four_values.reshape(3, 64)}
    return gguf_bytes(metadata, tensors), values


SOUND, VALUES = sound_file()


def read_all(data):
    file = GGUF(data)
    return {name: file.array(name) for name in file.tensors}


def test_what_is_written_is_read_back(tmp_path):
    (tmp_path / "model.gguf").write_bytes(SOUND)
    with read_gguf(tmp_path / "model.gguf") as file:
        assert file.metadata["general.architecture"] == "llama"
        assert file.metadata["llama.block_count"] == 30
        assert file.metadata["names"] == ["a", "é"]
        assert file.metadata["numbers"].tolist() == [1, 2, 3]
        results = {name: file.array(name) for name in file.tensors}
    assert results.keys() == VALUES.keys()
    for name, array in VALUES.items():
        assert results[name].dtype == np.float32
        np.testing.assert_array_equal(results[name], array)  # after the file was closed: arrays are copies


def test_numbers_can_be_read_in_float64():
    assert GGUF(SOUND).array("four", np.float64).dtype == np.float64


@pytest.mark.parametrize("code", FORMATS)
def test_a_block_of_zeros_is_zero(code):
    block = FORMATS[code]
    assert not dequantize(np.zeros(3 * block.bytes, np.uint8), code).any()


def test_version_2_is_read_too():
    assert GGUF(gguf_bytes(version=2)).tensors == {}


BLOCK = b"\0" * 34
DAMAGED = {
    "nothing": (b"", "begins with"),
    "another format": (b"\x89PNG" + b"\0" * 100, "begins with"),
    "version 1": (gguf_bytes(version=1), "version 1"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
    "more tensors than bytes": (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 0), "do not fit"),
    "more entries than bytes": (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 60), "do not fit"),
    "a name of 2^60 bytes": (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 60) + b"\0" * 40, "takes"),
    "a name that is no UTF-8": (gguf_bytes([(b"\xff\xfe", UINT32, b"\0" * 4)]), "UTF-8"),
    "an entry twice": (gguf_bytes([("x", UINT32, b"\0" * 4)] * 2), "twice"),
    "an entry without a name": (gguf_bytes([("", UINT32, b"\0" * 4)]), "a name of 0"),
    "an unknown type": (gguf_bytes([("x", 99, b"\0" * 4)]), "type number 99"),
    "an array of 2^60 numbers": (gguf_bytes([("x", ARRAY, struct.pack("<IQ", FLOAT32, 1 << 60))]), "numbers takes"),
    "an array of 2^60 strings": (gguf_bytes([("x", ARRAY, struct.pack("<IQ", STRING, 1 << 60))]), "do not fit"),
    "deep arrays": (gguf_bytes([("x", ARRAY, struct.pack("<IQ", ARRAY, 1) * 9 + b"\0" * 12)]), "nested"),
    "a half-true value": (gguf_bytes([("x", 7, b"\2")]), "truth value"),
    "an alignment of 0": (gguf_bytes([("general.alignment", UINT32, b"\0" * 4)]), "alignment"),
    "an alignment in words": (gguf_bytes([("general.alignment", STRING, string("no"))]), "alignment"),
    "no axes": (gguf_bytes(tensors=[("x", (), F32, b"")]), "0 axes"),
    "an empty axis": (gguf_bytes(tensors=[("x", (0, 4), F32, b"")]), "whole blocks"),
    "half a block": (gguf_bytes(tensors=[("x", (33,), Q8_0, BLOCK * 2)]), "whole blocks"),
    "an unknown format": (gguf_bytes(tensors=[("x", (256,), 14, BLOCK * 9)]), "Q6_K"),
    "a tensor twice": (gguf_bytes(tensors=[("x", (32,), Q8_0, BLOCK)] * 2), "twice"),
    "a tensor after the end": (gguf_bytes(tensors=[("x", (1 << 40, 1 << 30), F32, b"")]), "after the file"),
    "a scale that is not finite": (gguf_bytes(tensors=[("x", (32,), Q8_0, b"\x00\x7c" + b"\1" * 32)]), "not finite"),
}  # fmt: skip


@pytest.mark.parametrize("data, words", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_refused_in_words(data, words):
    with pytest.raises(ModelFileError, match=words):
        read_all(data)


def test_tensors_must_not_overlap():
    first, second = ("x", (8,), F32, b"\0" * 32), ("y", (8,), F32, b"\0" * 32)
    data = gguf_bytes(tensors=[first, second])
    at = data.index(b"y") + 1 + 4 + 8 + 4
    assert struct.unpack_from("<Q", data, at) == (32,)
    overlapping = data[:at] + struct.pack("<Q", 0) + data[at + 8 :]
    with pytest.raises(ModelFileError, match="x and y overlap"):
        GGUF(overlapping)


def test_an_offset_must_be_aligned():
    data = gguf_bytes(tensors=[("y", (8,), F32, b"\0" * 64)])
    at = data.index(b"y") + 1 + 4 + 8 + 4
    with pytest.raises(ModelFileError, match="multiple of 32"):
        GGUF(data[:at] + struct.pack("<Q", 4) + data[at + 8 :])


def test_an_unknown_tensor_is_named():
    with pytest.raises(ModelFileError, match="no tensor called 'z'"):
        GGUF(SOUND).array("z")


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.gguf").write_bytes(b"")
    with pytest.raises(ModelFileError, match="empty"):
        read_gguf(tmp_path / "empty.gguf")


def test_a_number_that_is_not_finite_is_refused_while_the_file_is_mapped(tmp_path):
    data = gguf_bytes(tensors=[("x", (32,), Q8_0, b"\x00\x7c" + b"\1" * 32)])
    (tmp_path / "x.gguf").write_bytes(data)
    with pytest.raises(ModelFileError, match=r"x\.gguf: x holds numbers that are not finite"):  # noqa: SIM117
        with read_gguf(tmp_path / "x.gguf") as file:
            file.array("x")


def test_more_than_any_model_has_is_not_read():
    for counts in ((50_001, 0), (0, 50_001)):
        with pytest.raises(ModelFileError, match=r"50001 .* are more than any model needs"):
            GGUF(b"GGUF" + struct.pack("<IQQ", 3, *counts) + b"\0" * 2_000_000)


@given(st.integers(0, len(SOUND)))
def test_a_file_that_ends_early_is_refused(length):
    if length == len(SOUND):
        return
    with pytest.raises(ModelFileError):
        read_all(SOUND[:length])


@given(st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_are_refused_or_give_arrays_of_the_stated_shapes(changes):
    data = bytearray(SOUND)
    for at, byte in changes:
        data[at] = byte
    try:
        file = GGUF(bytes(data))
        arrays = {name: file.array(name) for name in file.tensors}
    except ModelFileError:
        return
    assert all(arrays[name].shape == info.shape for name, info in file.tensors.items())


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_read(data):
    for begin in (b"", b"GGUF\3\0\0\0", b"GGUF" + struct.pack("<IQQ", 3, 1, 1)):
        with contextlib.suppress(ModelFileError):
            read_all(begin + data)
