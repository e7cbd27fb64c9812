r"""Two codes in a byte

The smallest unit of memory is a byte: 8 bits, a whole number from 0 to 255. A code of four bits is a whole number from
0 to 15, so two codes fit into a byte: `16 * first + second`. The first of each pair is in the high half. Write two
functions:

* `pack(codes)` gets an array with an even number of codes. It returns an array half as long, of dtype `np.uint8`.
* `unpack(packed)` returns all the codes again, in their order.
"""

import numpy as np

from tinygrad_lora.learn.authoring import Exercise, as_array, explanation, generators, refuse, require, same, written

HINTS = (
    "Codes 3 and 10 make the byte 3 * 16 + 10 = 58. Which operations of whole numbers give 3 and 10 back?",
    "`codes[::2]` is the first of each pair, `codes[1::2]` the second. `packed // 16` and `packed % 16` undo it.",
    "`(16 * codes[::2] + codes[1::2]).astype(np.uint8)`, and `np.stack([packed // 16, packed % 16], axis=1).ravel()`",
)
ABOUT = (
    "There is no array of four-bit numbers, so two of them share a byte, and reading takes them apart again. That is "
    "the price: memory is saved, and each use of the weights costs a few operations more."
)
NEXT = "Codes of three bits: how many fit into 3 bytes, and why are weights of three bits seen so rarely?"
exercise = Exercise("15-pack", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def pack(codes):
    """Two codes in each byte, the first one in its high half."""
    return (16 * codes[::2] + codes[1::2]).astype(np.uint8)


@exercise.reference
def unpack(packed):
    """The codes, in their order."""
    return np.stack([packed // 16, packed % 16], axis=1).ravel()


@exercise.another("pack")
def with_shifts(codes):
    """Bits in place of products: shift the first by four places, and put the second where zeros are now."""
    pairs = codes.astype(np.uint8).reshape(-1, 2)
    return pairs[:, 0] << 4 | pairs[:, 1]


@exercise.another("unpack")
def by_filling(packed):
    """Every second place gets the high halves, and those between them the low halves."""
    codes = np.empty(2 * len(packed), np.uint8)
    codes[::2], codes[1::2] = packed >> 4, packed & 15
    return codes


def right_bytes(codes):
    return 16 * codes[::2] + codes[1::2]


PACKING = (
    ("low-half-first", "The first of a pair is in the high half; multiply the first by 16",
     lambda c: c[::2] + 16 * c[1::2]),
    ("halves-for-pairs", "You pair the two halves of the array; a pair is two neighbors",
     lambda c: 16 * c[: len(c) // 2] + c[len(c) // 2 :]),
    ("factor", "Four bits hold 16 values, 0 to 15, so multiply the first by 16, not by 15",
     lambda c: 15 * c[::2] + c[1::2]),
    ("factor", "A shift by four bits is a product with 16, not with 4", lambda c: 4 * c[::2] + c[1::2]),
    ("factor", "Ten is for decimal digits; with four bits it is 16", lambda c: 10 * c[::2] + c[1::2]),
    ("added", "Multiply the first by 16, or nobody can separate the two again", lambda c: c[::2] + c[1::2]),
    ("first-only", "The second code of each pair is lost", lambda c: 16 * c[::2]),
    ("multiplied", "Add the second; do not multiply by it", lambda c: 16 * c[::2] * c[1::2] % 256),
    ("overflow", "np.int8 ends at 127, but two codes in a byte go up to 255; take np.uint8",
     lambda c: right_bytes(c).astype(np.int8)),
    ("not-packed", "Those are the codes themselves; put two into each byte", lambda c: c),
)  # fmt: skip
READING = (
    ("not-interleaved", "You return all first codes, then all second ones; the two must alternate",
     lambda p: np.concatenate([p // 16, p % 16])),
    ("low-half-first", "The high half must be the first of its pair",
     lambda p: np.stack([p % 16, p // 16], axis=1).ravel()),
    ("first-only", "The low halves are lost", lambda p: p // 16),
    ("second-only", "The high halves are lost", lambda p: p % 16),
    ("not-shifted", "The high half must be divided by 16", lambda p: np.stack([p // 16 * 16, p % 16], axis=1).ravel()),
    ("factor", "Four bits hold 16 values, 0 to 15, so divide by 16, not by 15",
     lambda p: np.stack([p // 15, p % 15], axis=1).ravel()),
    ("true-division", "A code is a whole number: divide with //", lambda p: np.stack([p / 16, p % 16], axis=1).ravel()),
    ("not-flat", "The codes are in pairs; make one row of them", lambda p: np.stack([p // 16, p % 16], axis=1)),
)  # fmt: skip


def cases(seed, budget):
    """Codes, a pair first; with the smallest and the largest."""
    yield from (np.array(codes) for codes in ([3, 10], [1, 2, 15, 0], [0, 7, 8, 8, 15, 15]))
    for size, rng in generators(seed, min(budget, 12)):
        yield rng.integers(0, 16, 2 * size)


@exercise.check(points=2)
def test_a_byte_holds_two_codes(pack, seed, budget):
    wrong, answer = [], None
    for codes in cases(seed, budget):
        answer = pack(codes)
        packed, right = as_array(answer, "the result"), right_bytes(codes).astype(float)
        if not same(packed, right):
            wrong.append((packed, (codes,)))
    if wrong:
        packed, (codes,) = wrong[0]
        sentence = f"codes {written(codes)} are the bytes {written(right_bytes(codes))}; yours are {written(packed)}"
        code, why = explanation(wrong, PACKING) or (
            "differs",
            "A byte is 16 times the first of a pair, plus the second",
        )
        raise refuse(code, f"{sentence}. {why}")
    kind = getattr(answer, "dtype", None)
    sentence = f"the numbers are right, but of type {kind or type(answer).__name__}: return them with .astype(np.uint8)"
    require(kind == np.uint8, "not-bytes", sentence)


@exercise.check(points=2)
def test_the_codes_come_back(unpack, seed, budget):
    wrong = []
    for codes in cases(seed, budget):
        packed = right_bytes(codes).astype(np.uint8)
        answer = as_array(unpack(packed), "the result")
        if not same(answer, codes.astype(float)):
            wrong.append((answer, (packed.astype(int),)))
    if not wrong:
        return
    answer, (packed,) = wrong[0]
    right = np.stack([packed // 16, packed % 16], axis=1).ravel()
    sentence = f"bytes {written(packed)} hold the codes {written(right)}; yours are {written(answer)}"
    code, why = explanation(wrong, READING) or ("differs", "A byte is 16 times the first of a pair, plus the second")
    raise refuse(code, f"{sentence}. {why}")
