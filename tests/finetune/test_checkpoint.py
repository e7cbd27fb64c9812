"""Checkpoints: what is whole is taken up; anything else is refused before it takes memory or changes a number."""

import io
import struct
import zipfile

import numpy as np
import pytest

import tinygrad_lora as tl
from tinygrad_lora.errors import ModelError, ModelFileError
from tinygrad_lora.finetune.checkpoint import load_checkpoint, save_checkpoint

FINGERPRINT = "f" * 64


def training(seed):
    layer = tl.Linear(3, 2, seed=seed)
    return layer, tl.AdamW(list(layer.named_parameters().values()), lr=0.1)


def arrays_of(start):
    layer, optimizer = start
    return [np.array(p.value) for p in layer.named_parameters().values()] + [np.array(n.value) for n in optimizer.state]


def load(path, start, fingerprint=FINGERPRINT):
    layer, optimizer = start
    return load_checkpoint(path, fingerprint, layer.named_parameters(), optimizer)


@pytest.fixture
def path(tmp_path):
    layer, optimizer = training(0)
    return save_checkpoint(tmp_path / "checkpoint.npz", FINGERPRINT, layer.named_parameters(), optimizer, [0.5, 0.25])


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, content, **how):
    with zipfile.ZipFile(path, "w", **how) as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def npy(array):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=True)
    return buffer.getvalue()


def head(shape):
    text = repr({"descr": "<f8", "fortran_order": False, "shape": shape}).ljust(100).encode() + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text


def test_a_checkpoint_is_taken_up_exactly(path):
    start = training(1)
    assert load(path, start) == [0.5, 0.25] and start[1].steps == 2
    for mine, saved in zip(arrays_of(start), arrays_of(training(0)), strict=True):
        assert mine.dtype == saved.dtype and np.array_equal(mine, saved)


def spoil(name, data):
    return lambda content: content | {name: data}


HUGE = np.zeros(2**20)
SPOILT = {
    "a shape of 10**13": spoil("parameter weight.npy", head((10**13,))),
    "losses of 10**13": spoil("losses.npy", head((10**13,))),
    "another shape": spoil("parameter weight.npy", npy(np.zeros((2, 3)))),
    "another dtype": spoil("parameter weight.npy", npy(np.zeros((3, 2), np.float32))),
    "objects": spoil("parameter weight.npy", npy(np.array([[None]]))),
    "losses that are NaN": spoil("losses.npy", npy([0.5, np.nan])),
    "losses that are infinite": spoil("losses.npy", npy([np.inf])),
    "losses that are texts": spoil("losses.npy", npy(["a", "b"])),
    "losses that are whole": spoil("losses.npy", npy([1, 2])),
    "losses in rows": spoil("losses.npy", npy([[0.5]])),
    "losses that are one number": spoil("losses.npy", npy(0.5)),
    "no losses": lambda content: {n: x for n, x in content.items() if n != "losses.npy"},
    "no parameter": lambda content: {n: x for n, x in content.items() if n != "parameter bias.npy"},
    "no fingerprint": lambda content: {n: x for n, x in content.items() if n != "fingerprint.npy"},
    "one more": spoil("x" * 60_000, b""),
    "a path": spoil("../../x", b""),
    "the same with another ending": lambda content: content | {"losses": content["losses.npy"]},
}


@pytest.mark.parametrize("change", SPOILT.values(), ids=SPOILT)
def test_what_is_spoilt_is_refused_and_changes_nothing(path, change):
    write(path, change(members(path)))
    refused(path)


def refused(path):
    start = training(1)
    before = arrays_of(start)
    with pytest.raises(ModelFileError, match=r"checkpoint\.npz: .*--restart"):
        load(path, start)
    assert all(map(np.array_equal, arrays_of(start), before)) and start[1].steps == 0


@pytest.mark.parametrize(("method", "module"), [("DEFLATED", "zlib"), ("LZMA", "lzma"), ("BZIP2", "bz2")])
def test_nothing_is_unpacked(path, method, module):
    """Three megabytes can hold three gigabytes of zeros; here a few hundred bytes hold eight megabytes."""
    pytest.importorskip(module)
    write(path, members(path) | {"losses.npy": npy(HUGE)}, compression=getattr(zipfile, f"ZIP_{method}"))
    refused(path)


def test_what_is_encrypted_is_refused(path):
    data = bytearray(path.read_bytes())
    for mark, place in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        at = data.find(mark)
        while at >= 0:
            data[at + place] |= 1
            at = data.find(mark, at + 4)
    path.write_bytes(data)
    refused(path)


def test_more_bytes_than_the_training_needs_are_not_read(path):
    with path.open("ab") as file:
        file.truncate(2**30)
    refused(path)


def test_a_checkpoint_of_another_training_is_no_damage(path):
    with pytest.raises(ModelError, match="belongs to a training with other settings") as caught:
        load(path, training(1), "e" * 64)
    assert not isinstance(caught.value, ModelFileError)
