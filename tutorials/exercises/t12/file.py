r"""The smallest adapter file

The base is known to everybody, so only the adapter has to be sent. Write two functions:

* `pack(model)`: the trained adapters of a model as `bytes`, as few as you can. The check wants at most 3,000 bytes for
  1,448 numbers.
* `unpack(model, data)`: `model` is the pretrained network with fresh adapters of the same ranks. Fill in the numbers
  that `pack` gave, and return the model. It must read as many rotated digits as before, give or take two of the 359.

`tl.adapter_weights(model)` gives the arrays by name, always in the same order, and `model.load_weights(arrays)` takes
them back. An array has `.tobytes()`, and `np.frombuffer(data, dtype)` reads them. Which dtype is good enough?
"""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import Exercise, have, require, returned, same

from ._digits import TURNED, accuracy, adapted, base_weights, before, checked_model, pretrained

HINTS = (
    "How many bytes does a number of the model take? How many does it need? Try, and look at the accuracy.",
    "float16 has two bytes a number and is exact to three digits. Join all arrays to one vector before you write.",
    "`np.concatenate([a.ravel() for a in tl.adapter_weights(model).values()]).astype(np.float16).tobytes()`, and "
    "in `unpack` cut the vector into pieces of the sizes of the fresh arrays, in the same order.",
)
ABOUT = (
    "The receiver has the base, so only the adapter travels. Half precision is good enough: its rounding is far "
    "smaller than the differences that decide between two digits."
)
NEXT = (
    "Go below eight bits: two numbers of four bits fit into one byte. Plot the bytes against the digits that are read."
)
exercise = Exercise(
    "12-file",
    __doc__,
    kind="T",
    hints=HINTS,
    about=ABOUT,
    next_step=NEXT,
    slow=True,
    limit=30.0,
    changes={"unpack": ["model"]},
)

MOST, LOST = 3000, 2 / 359


@exercise.reference
def pack(model):
    """The adapters of a model as bytes."""
    arrays = tl.adapter_weights(model).values()
    return np.concatenate([array.ravel() for array in arrays]).astype(np.float16).tobytes()


@exercise.reference
def unpack(model, data):
    """Fill the adapters of a model with what pack gave."""
    vector, filled = np.frombuffer(data, np.float16), {}
    for name, array in tl.adapter_weights(model).items():
        filled[name] = vector[: array.size].reshape(array.shape).astype(array.dtype)
        vector = vector[array.size :]
    model.load_weights(filled)
    return model


@exercise.another("pack")
def pack_in_bytes(model):
    """One byte a number: each array is divided by its largest entry, whose size goes first."""
    data = b""
    for array in tl.adapter_weights(model).values():
        largest = np.float32(np.abs(array).max())
        data += largest.tobytes() + np.round(array / (largest or 1) * 127).astype(np.int8).tobytes()
    return data


@exercise.another("unpack")
def unpack_from_bytes(model, data):
    """The way back: first the size, then the bytes."""
    filled = {}
    for name, array in tl.adapter_weights(model).items():
        largest, levels = np.frombuffer(data[:4], np.float32)[0], np.frombuffer(data[4 : 4 + array.size], np.int8)
        filled[name] = (levels * (largest / 127)).reshape(array.shape).astype(array.dtype)
        data = data[4 + array.size :]
    model.load_weights(filled)
    return model


def packed(pack, sign=1):
    """The student's bytes, for the trained adapters or for those with the other sign."""
    model = adapted()
    model.load_weights({name: sign * array for name, array in tl.adapter_weights(model).items()})
    return bytes(returned(pack(model), (bytes, bytearray), "pack", "it must give bytes, such as array.tobytes()"))


@exercise.check(points=3)
def test_the_skill_arrives(pack, unpack):
    data, sent = packed(pack), adapted()
    fresh = tl.adapt(pretrained(), 4, seed=99)
    blank = {name: np.array(a) for name, a in tl.adapter_weights(fresh).items()}
    model = checked_model(unpack(fresh, data), "unpack")
    require(bool(tl.adapters(model)), "no-adapter", "the model that unpack gave has no adapters")
    changed = [name for name, array in base_weights(model).items() if not same(array, before()[name], 0, 0)]
    require(not changed, "base-changed", f"{', '.join(changed)} of the base {have(changed)} changed")
    right, was = accuracy(model, TURNED), accuracy(sent, TURNED)
    if right >= was - LOST - 1e-9:
        return
    judge_size(pack)  # it may say what is wrong with the bytes
    sentence = f"{was:.1%} of the rotated digits were read where the adapter comes from, {right:.1%} where it arrives"
    arrived, expected = tl.adapter_weights(model), tl.adapter_weights(sent)
    broken = [name for name, a in arrived.items() if not np.isfinite(a).all()]
    require(not broken, "not-finite", f"{sentence}: numbers of {', '.join(broken)} are not finite")
    as_it_was = all(same(arrived[name], array, 0, 0) for name, array in blank.items())
    require(not as_it_was, "not-filled", f"{sentence}: the adapters are as fresh as before")
    elsewhere = same(joined(arrived), joined(expected), 0.01, 0.0)
    require(not elsewhere, "wrong-order", f"{sentence}: the numbers have arrived, but in other places")
    different = len(np.unique(joined(arrived)))
    few = f"{sentence}: of {joined(expected).size:,} numbers only {different} different ones arrive, so too much was "
    require(different >= 256, "too-coarse", f"{few}rounded")
    require(False, "lost", sentence)


def joined(arrays):
    """All numbers in one array, in ascending order."""
    return np.sort(np.concatenate([np.asarray(a).ravel() for a in arrays.values()]))


def judge_size(pack):
    """Raise, and say what is wrong, unless the bytes hold all numbers of the adapters, and no others."""
    size = len(data := packed(pack))
    sentence = f"the same {size:,} bytes come out when all numbers of the adapters change their sign: are they in it?"
    require(packed(pack, sign=-1) != data, "numbers-missing", sentence)
    numbers, total = sum(a.size for a in tl.adapter_weights(adapted()).values()), pretrained().parameter_count
    sentence = f"{size:,} bytes for {numbers:,} numbers; at most {MOST:,} are allowed"
    require(size >= numbers / 2, "too-small", f"{sentence}: so few bytes cannot hold them")
    require(size < 2 * total, "base-in-file", f"{sentence}: is the base in it? The other side has it already")
    require(size <= MOST, "too-large", f"{sentence}: a smaller dtype, and one vector instead of a file for each array")


@exercise.check(points=3)
def test_the_file_is_small(pack):
    judge_size(pack)


def filled(model, vector, arrays):
    """The model with the numbers of the vector in its adapters, array by array in this order."""
    weights = {}
    for name, array in arrays:
        weights[name] = vector[: array.size].reshape(array.shape).astype(array.dtype)
        vector = vector[array.size :]
    model.load_weights(weights)
    return model
