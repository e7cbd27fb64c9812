"""Files of named arrays: what is written can be read, by others too, and what is damaged is refused."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given, strategies as st
from strategies import examples

import tinygrad_lora as tl
from tinygrad_lora.errors import FormatError, MergedError, WeightsError
from tinygrad_lora.interop.safetensors import DTYPES, LARGEST_HEADER, load_safetensors, save_safetensors

safetensors = pytest.importorskip("safetensors", reason="safetensors is not installed")
from safetensors.numpy import load_file, save_file  # noqa: E402

ARRAYS = {
    "b.weight": np.arange(6.0).reshape(2, 3),
    "a": np.float32([1.5, -2.0]),
    "half": np.float16([[0.1]]),
    "count": np.array(7),
    "none": np.zeros((0, 4), np.float32),
    "yes": np.array([True, False]),
    "ünïcode 漢字 🙂": np.uint8([255]),
}


def entry(dtype, shape, start, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def written(path, header, data=b"", length=None):
    """A file with this header, a dict or bytes, whatever it says."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(header) if length is None else length) + header + data)
    return path


def same(result, wanted):
    assert result.keys() == wanted.keys()
    for name, array in wanted.items():
        assert result[name].dtype == array.dtype and result[name].shape == np.shape(array)
        assert np.array_equal(result[name], array)


def test_what_is_written_is_read_here_and_by_the_library(tmp_path):
    path = save_safetensors(tmp_path / "new" / "x.safetensors", ARRAYS, {"format": "pt", "about": "a test"})
    same(load_safetensors(path), ARRAYS)
    same(load_file(path), ARRAYS)


def test_what_the_library_writes_is_read(tmp_path):
    save_file(ARRAYS, tmp_path / "x.safetensors")
    same(load_safetensors(tmp_path / "x.safetensors"), ARRAYS)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_makes_the_round_trip(dtype, tmp_path):
    array = np.array([[0, 1], [1, 0]], DTYPES[dtype])
    same(load_safetensors(save_safetensors(tmp_path / "x.safetensors", {"x": array})), {"x": array})


def test_bfloat16_is_the_upper_half_of_a_float32(tmp_path):
    numbers = np.float32([0, -0.0, 1, -2.5, 3e38, 1e-40, np.inf, np.nan, 65280])
    halves = (numbers.view(np.uint32) >> 16).astype("<u2")
    path = written(tmp_path / "x.safetensors", {"x": entry("BF16", [3, 3], 0, 18)}, halves.tobytes())
    result = load_safetensors(path)["x"]
    assert result.dtype == np.float32 and result.shape == (3, 3)
    assert np.array_equal(result.ravel().view(np.uint32), halves.astype(np.uint32) << 16)
    assert result[0, 2] == 1 and result[1, 0] == -2.5 and np.isnan(result[2, 1])


def test_the_same_arrays_give_the_same_bytes_in_whatever_order_and_layout(tmp_path):
    one = save_safetensors(tmp_path / "1", ARRAYS, {"a": "1", "b": "2", "c": "3"})
    other = {name: np.asarray(ARRAYS[name], order="F") for name in reversed(ARRAYS)}
    two = save_safetensors(tmp_path / "2", other, {"c": "3", "b": "2", "a": "1"})
    assert one.read_bytes() == two.read_bytes()


def test_views_other_byte_orders_and_nodes_are_written_as_the_numbers_that_they_are(tmp_path):
    array = np.arange(12.0).reshape(3, 4)
    arrays = {"view": array.T[::2], "big": array.astype(">f4"), "node": tl.parameter(array)}
    result = load_safetensors(save_safetensors(tmp_path / "x", arrays))
    assert np.array_equal(result["view"], array.T[::2])
    assert np.array_equal(result["big"], array) and result["big"].dtype == np.float32
    assert np.array_equal(result["node"], array)


def test_what_is_read_may_be_changed(tmp_path):
    result = load_safetensors(save_safetensors(tmp_path / "x", {"x": np.zeros(3), "y": np.zeros(3)}))
    result["x"][:] = 1
    assert not result["y"].any() and not load_safetensors(tmp_path / "x")["x"].any()


@pytest.mark.parametrize("name", ["__metadata__", 3, None])
def test_a_name_that_the_format_cannot_keep_is_refused(name, tmp_path):
    with pytest.raises(TypeError, match="name"):
        save_safetensors(tmp_path / "x", {name: np.zeros(1)})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("array", [np.array(["text"]), np.array([None]), np.zeros(2, "M8[s]"), np.zeros(2, "c16")])
def test_a_dtype_that_the_format_does_not_have_is_refused(array, tmp_path):
    with pytest.raises(TypeError, match="cannot hold"):
        save_safetensors(tmp_path / "x", {"fine": np.zeros(1), "bad": array})
    assert not list(tmp_path.iterdir())


FOUR = b"\0" * 4
X = entry("F32", [1], 0, 4)
TWICE = b'{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'


@pytest.mark.parametrize(
    ("header", "data", "message"),
    [
        ({"x": X, "y": X}, FOUR, "offset"),
        ({"x": entry("F32", [1], 4, 8)}, FOUR * 2, "offset"),
        ({"x": X}, FOUR * 2, "not fully covered"),
        ({"x": X}, FOUR[1:], "whole"),
        ({"x": entry("F32", [2], 0, 4)}, FOUR, "whole"),
        ({"x": entry("F32", [2**40, 2**40], 0, 4)}, FOUR, "overflow"),
        ({"x": entry("F32", [-1], 0, 4)}, FOUR, "JSON"),
        ({"x": entry("F32", [1], 4, 0)}, FOUR, "offset"),
        ({"x": entry("F32", [0, 2**62], 0, 0)}, b"", "'x' has a shape that no array can have"),
        ({"x": entry("F32", [1] * 65, 0, 4)}, FOUR, "65 axes"),
        ({"x": entry("F8_E4M3", [4], 0, 4)}, FOUR, "'x' has the dtype F8_E4M3"),
        ({"x": entry("F99", [4], 0, 4)}, FOUR, "F99"),
        ({"x": entry("BOOL", [4], 0, 4)}, b"\0\1\2\1", "only 0 and 1"),
        ({"x": X, "__metadata__": {"n": 1}}, FOUR, "JSON"),
        ({"x": X | {"more": json.loads("[" * 70 + "]" * 70)}}, FOUR, "nested more than 64 deep"),
        (TWICE, FOUR, "'x' is there twice"),
        (b"[1]", b"", "JSON"),
        (b'{"x":' + b"[" * 50_000, b"", "recursion"),
        (b"\xff\xfe{}", b"", "whole"),
        (b"", b"", "whole"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_the_reason(header, data, message, tmp_path):
    path = written(tmp_path / "bad.safetensors", header, data)
    with pytest.raises(FormatError, match=message) as caught:
        load_safetensors(path)
    assert "bad.safetensors" in str(caught.value)


def test_notes_may_be_null(tmp_path):
    same(load_safetensors(written(tmp_path / "x", {"x": X, "__metadata__": None}, FOUR)), {"x": np.float32([0])})


def test_more_arrays_than_any_model_has_are_not_read(tmp_path):
    header = b"{" + b",".join(b'"%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}' % i for i in range(50_001)) + b"}"
    with pytest.raises(FormatError, match="a header with 50001 arrays"):
        load_safetensors(written(tmp_path / "x", header))


def test_every_wrong_array_is_named_at_once(tmp_path):
    header = {"good": entry("U8", [1], 0, 1), "a": entry("F8_E5M2", [1], 1, 2), "b": entry("F8_E4M3", [1], 2, 3)}
    with pytest.raises(FormatError, match=r"'a' has.*'b' has") as caught:
        load_safetensors(written(tmp_path / "x", header, b"\0" * 3))
    assert "good" not in str(caught.value)


def test_names_that_are_words_of_the_format_are_names(tmp_path):
    arrays = {"dtype": np.zeros(1), "shape": np.ones(2), "data_offsets": np.zeros(3)}
    same(load_safetensors(save_safetensors(tmp_path / "x", arrays)), arrays)


@pytest.mark.parametrize("data", [b"", b"\1\0", struct.pack("<Q", 2**60) + b"{}", struct.pack("<Q", 3) + b"{}"])
def test_a_header_that_does_not_fit_is_not_read(data, tmp_path):
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(FormatError, match="header would not fit"):
        load_safetensors(tmp_path / "x")


def test_a_header_of_unreasonable_length_is_not_read(tmp_path):
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", LARGEST_HEADER + 1))
        file.truncate(LARGEST_HEADER + 100)  # a hole in the file, so that it costs nothing
    with pytest.raises(FormatError, match=f"header of {LARGEST_HEADER + 1} bytes"):
        load_safetensors(path)


def test_what_is_not_there_or_is_a_folder_is_the_systems_own_error(tmp_path):
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(OSError):
            load_safetensors(path)


def test_a_failure_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = save_safetensors(tmp_path / "x", {"x": np.zeros(1)})
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        save_safetensors(path, {"x": np.ones(1)})
    assert load_safetensors(path)["x"] == 0 and [p.name for p in tmp_path.iterdir()] == ["x"]


@examples(300)
@given(st.data())
def test_a_damaged_file_is_refused_or_gives_arrays_no_larger_than_itself(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "x.safetensors"
    good = save_safetensors(path, ARRAYS).read_bytes()
    for _ in range(data.draw(st.integers(1, 4))):
        at, kind = data.draw(st.integers(0, len(good) - 1)), data.draw(st.sampled_from(["set", "cut", "insert"]))
        byte = bytes([data.draw(st.one_of(st.integers(0, 255), st.sampled_from(b'0129[]{}":,-BFI')))])
        good = good[:at] + (byte + good[at + 1 :] if kind == "set" else b"" if kind == "cut" else byte + good[at:])
        good = good or b"\0"
    path.write_bytes(good)
    try:
        arrays = load_safetensors(path)
    except FormatError:
        return
    assert sum(array.nbytes for array in arrays.values()) <= 2 * len(good)


# --- Whole models ---


def network(seed, dtype=np.float64):
    return tl.Sequential(tl.Linear(3, 3, seed=seed, dtype=dtype), tl.relu, tl.Linear(3, 2, seed=seed + 1, dtype=dtype))


def test_a_model_makes_the_round_trip_with_frozen_and_adapted_layers(tmp_path):
    one, two = (tl.adapt(network(seed), 2, target_modules=["2"], seed=seed) for seed in (1, 2))
    one.set_parameters(np.random.default_rng(0).normal(size=one.parameter_count))
    load_safetensors(save_safetensors(tmp_path / "x", one), two)
    x = np.ones((4, 3))
    assert np.array_equal(one.forward(x), two.forward(x))
    assert one.get_parameter_names() == two.get_parameter_names()


def test_a_linear_weight_is_written_as_pytorch_keeps_it(tmp_path):
    model = network(1)
    result = load_safetensors(save_safetensors(tmp_path / "x", model))
    assert np.array_equal(result["0.weight"], model[0].weight.value.T)  # square: a wrong orientation has the same shape
    assert not np.array_equal(result["0.weight"], model[0].weight.value)
    assert result["2.weight"].shape == (2, 3)


def test_names_can_be_mapped_and_arrays_be_skipped(tmp_path):
    one, two = network(1), network(2)
    arrays = {f"net.{name}": p.value.T for name, p in one.named_parameters().items()}
    path = save_safetensors(tmp_path / "x", {**arrays, "step": np.array(7)})
    load_safetensors(path, two, mapping=lambda name: name.removeprefix("net.") if name.startswith("net.") else None)
    assert np.array_equal(one.forward(np.eye(3)), two.forward(np.eye(3)))


def test_all_that_does_not_fit_is_named_and_the_model_is_not_changed(tmp_path):
    model = network(1, np.float32)
    before = model.get_parameters()
    arrays = {
        "0.weight": np.full((3, 3), np.nan), "0.bias": np.full(3, 1e300), "2.weight": np.zeros((3, 2)),
        "2.bais": np.zeros(2), "other": np.zeros(1),
    }  # fmt: skip
    with pytest.raises(FormatError) as caught:
        load_safetensors(save_safetensors(tmp_path / "x", arrays), model)
    for problem in (
        "0.weight holds 9 numbers that are not finite", "0.bias holds 3 numbers that are not finite float32",
        "2.weight has the shape (3, 2), not (2, 3)", "2.bias is missing", "2.bais is unexpected", "other is unexpected",
    ):  # fmt: skip
        assert problem in str(caught.value)
    assert np.array_equal(model.get_parameters(), before)


def test_numbers_that_are_not_real_and_two_arrays_for_one_parameter_are_refused(tmp_path):
    model = tl.Linear(1, 1, bias=False, seed=0)
    path = save_safetensors(tmp_path / "x", {"weight": np.zeros((1, 1), np.complex64)})
    with pytest.raises(FormatError, match="complex64"):
        load_safetensors(path, model)
    path = save_safetensors(tmp_path / "x", {"a": np.zeros((1, 1)), "b": np.zeros((1, 1))})
    with pytest.raises(WeightsError, match="the mapping sends both 'a' and 'b' to 'weight'"):
        load_safetensors(path, model, mapping={"a": "weight", "b": "weight"})


def test_a_mapping_that_would_do_nothing_is_refused(tmp_path):
    model = tl.Linear(2, 2, seed=0)
    path = save_safetensors(tmp_path / "x", model)
    with pytest.raises(TypeError, match="the mapping is to names of parameters: pass the model too"):
        load_safetensors(path, mapping={"weight": "other"})
    for load in (lambda pairs: load_safetensors(path, model, mapping=pairs), lambda p: model.load_weights({}, p)):
        with pytest.raises(TypeError, match="a mapping is a function or a dict from names to names, not list"):
            load([("weight", "bias")])


@pytest.mark.parametrize("half", ["F16", "BF16"])
def test_half_precision_fills_a_model_of_single_precision(half, tmp_path):
    model = tl.Linear(2, 2, bias=False, seed=0, dtype=np.float32)
    weight = np.float32([[1.5, -2], [0.25, 3]])
    data = weight.astype("<f2") if half == "F16" else (weight.view(np.uint32) >> 16).astype("<u2")
    load_safetensors(written(tmp_path / "x", {"weight": entry(half, [2, 2], 0, 8)}, data.tobytes()), model)
    assert np.array_equal(model.weight.value, weight.T) and model.weight.dtype == np.float32


def test_packed_weights_are_not_left_out_and_merged_ones_not_written_twice(tmp_path):
    from tinygrad_lora.nn import quantize

    with pytest.raises(TypeError, match="packed weights are no floats: 0, 2"):
        save_safetensors(tmp_path / "x", quantize(network(1)))
    adapted = tl.adapt(network(1), 2, seed=0)
    tl.merge_all(adapted)
    with pytest.raises(MergedError):
        save_safetensors(tmp_path / "x", adapted)
    assert not list(tmp_path.iterdir())


@pytest.mark.peers
def test_pytorch_reads_a_model_and_writes_one(tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from safetensors.torch import load_file as load_torch, save_file as save_torch

    ours, x = network(1), np.random.default_rng(0).normal(size=(4, 3))
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2)).double()
    theirs.load_state_dict(load_torch(save_safetensors(tmp_path / "x", ours)))
    assert np.allclose(theirs(torch.from_numpy(x)).detach().numpy(), ours.forward(x), rtol=0, atol=1e-14)
    save_torch(theirs.state_dict(), tmp_path / "y")
    other = network(9)
    load_safetensors(tmp_path / "y", other)
    assert np.array_equal(other.get_parameters(), ours.get_parameters())


def test_without_the_package_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "safetensors", None)
    with pytest.raises(ImportError, match=r'pip install "tinygrad-lora\[interop\]"'):
        load_safetensors(tmp_path / "x")
