r"""A block in a few bits

A block of numbers is stored as one **scale** and, for each number, a small whole number, its **code**. `levels` is an
array of numbers from -1 to 1, smallest first. A code is an index into it. Write two functions:

* `quantize(block, levels)` returns the codes and the scale, in this order. The scale is the largest absolute value in
  the block. A number divided by the scale is between -1 and 1; its code is the index of the nearest level. In a block
  of zeros the scale is 0, and each code is the index of the level nearest to 0.
* `dequantize(codes, scale, levels)` returns the numbers that the codes and the scale stand for.
"""

import numpy as np

from tinygrad_lora.learn.authoring import (
    Exercise,
    as_array,
    as_number,
    example,
    explanation,
    generators,
    kind_of,
    number,
    numbers,
    refuse,
    require,
    same,
    worst,
    written,
)

from ._levels import EVEN, NF4, UNEVEN, far_from_ties, largest, nearest

HINTS = (
    "The scale is `np.abs(block).max()`. How far is the first number, divided by it, from each of the levels?",
    "`scaled[:, None] - levels` has a row for each number and a column for each level. In which column is the absolute "
    "value smallest?",
    "`np.abs(scaled[:, None] - levels).argmin(axis=1)` are the codes; divide only where the scale is not 0. "
    "The way back is `levels[codes] * scale`.",
)
ABOUT = (
    "Four bits tell 16 levels apart, and one scale makes them fit a whole block. A number is off by at most half the "
    "distance between two levels, times the scale."
)
NEXT = "Let the scale be the largest number of a whole matrix. What happens to a row whose numbers are all small?"
exercise = Exercise("15-quantize", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def quantize(block, levels):
    """The codes of the numbers, and their scale."""
    scale = np.abs(block).max()
    scaled = block / scale if scale > 0 else block
    return np.abs(scaled[:, None] - levels).argmin(axis=1), scale


@exercise.reference
def dequantize(codes, scale, levels):
    """The numbers that the codes stand for."""
    return levels[codes] * scale


@exercise.another("quantize")
def by_the_middles(block, levels):
    """Halfway between two levels the nearest one changes: count how many of these places lie below a number."""
    scale = np.abs(block).max()
    middles = (levels[1:] + levels[:-1]) / 2
    return np.searchsorted(middles * (scale or 1.0), block), scale


@exercise.another("dequantize")
def by_picking(codes, scale, levels):
    """Scale the few levels first, then pick: fewer products than numbers."""
    return np.take(levels * scale, codes)


SCALES = (
    ("largest-without-sign", "The absolute value of -3 is larger than that of 2; take absolute values first",
     lambda b: b.max()),
    ("range", "That is the distance from the smallest to the largest number; take the largest absolute value",
     lambda b: b.max() - b.min()),
    ("mean-for-largest", "That is the mean of the absolute values; take the largest", lambda b: np.abs(b).mean()),
    ("spread-for-largest", "That is the standard deviation; take the largest absolute value", lambda b: b.std()),
    ("scale-inverted", "That is 1 / scale; later, a level times the scale gives the number back",
     lambda b: 1 / np.abs(b).max()),
    ("scale-with-sign", "That is the largest number with its sign; take its absolute value",
     lambda b: b[np.abs(b).argmax()]),
    ("sum-for-largest", "That is the sum of the absolute values; take the largest", lambda b: np.abs(b).sum()),
)  # fmt: skip


def even_codes(b, levels):
    """What whoever believes that the levels have equal distances computes."""
    return np.rint((b / np.abs(b).max() + 1) / 2 * (len(levels) - 1))


def code_of_size(b, levels):
    return nearest(np.abs(b) / np.abs(b).max(), levels)


CODES = (
    ("not-scaled", "That is the level nearest to the number itself; divide by the scale first", nearest),
    ("rounded-down", "That is the last level below; the one above may be nearer",
     lambda b, levels: np.searchsorted(levels, b / np.abs(b).max(), side="right") - 1),
    ("rounded-up", "That is the first level above; the one below may be nearer",
     lambda b, levels: np.searchsorted(levels, b / np.abs(b).max())),
    ("even-levels", "The distances between levels are not equal; look for the nearest one in `levels`", even_codes),
    ("levels-for-codes", "That is the level itself; the code is its index",
     lambda b, levels: levels[nearest(b / np.abs(b).max(), levels)]),
    ("sign-lost", "A distance has no sign; take the absolute value of each difference, then the smallest",
     lambda b, levels: (b[:, None] / np.abs(b).max() - levels).argmin(axis=1)),
    ("sign-lost", "A distance has no sign; take the absolute value of each difference, then the smallest",
     lambda b, levels: (levels - b[:, None] / np.abs(b).max()).argmin(axis=1)),
    ("sign-of-number", "The sign of the number is lost", code_of_size),
    ("farthest", "That is the level farthest away; take the nearest",
     lambda b, levels: np.abs(b[:, None] / np.abs(b).max() - levels).argmax(axis=1)),
    ("multiplied", "You multiply by the scale; divide by it", lambda b, levels: nearest(b * np.abs(b).max(), levels)),
    ("distance-for-code", "That is the distance to the nearest level; the code is its index, from argmin",
     lambda b, levels: np.abs(b[:, None] / np.abs(b).max() - levels).min(axis=1)),
    ("counted-from-1", "You count levels from 1; the first one has the code 0",
     lambda b, levels: nearest(b / np.abs(b).max(), levels) + 1),
)  # fmt: skip


def blocks(seed, budget):
    """Blocks and levels: the largest in size positive first, then negative; levels of equal distances, then others."""
    yield np.array([0.6, -1.1, 2.0, 0.1]), EVEN
    yield np.array([1.2, -4.0, 1.6, 0.3]), EVEN
    yield np.array([2.0, 0.5, -0.3, 0.8]), UNEVEN
    yield np.array([0.02, -0.1, 0.06, 0.03]), NF4
    for i, (size, rng) in enumerate(generators(seed, min(budget, 16))):
        levels = (NF4, UNEVEN, EVEN)[i % 3]
        block = numbers(rng, (2 + size,)) * (1.0, 0.125, 4.0)[i % 3]
        if far_from_ties(block, levels):
            yield block, levels


def taken_apart(answer):
    """Codes and scale of what quantize returned."""
    if type(answer) not in (tuple, list) or len(answer) != 2:
        given = kind_of(answer) if type(answer) not in (tuple, list) else f"{len(answer)} values"
        raise refuse("count" if answer is not None else "no-return", f"quantize returns {given}; return codes, scale")
    return answer


def judge(quantize, seed, budget):
    """Raise, and name the mistake, unless scales and codes are right."""
    bad_scales, bad_codes = [], []
    for block, levels in blocks(seed, budget):
        codes, scale = taken_apart(quantize(block, levels))
        whole = np.asarray(codes).dtype.kind in "iu"
        swapped = np.ndim(codes) == 0 and np.ndim(scale) == 1
        require(not swapped, "order", "quantize returns the scale first; return codes, scale in this order")
        scale, codes = as_number(scale, "the scale"), as_array(codes, "codes", block.shape)
        if not same(np.asarray(scale), np.abs(block).max()):
            bad_scales.append((scale, (block,)))
        if not same(codes, nearest(block / np.abs(block).max(), levels).astype(float)):
            bad_codes.append((codes, (block, levels)))
        elif not whole:
            floats = f"the codes {written(codes)} are right, but floats; an index must be a whole number: .astype(int)"
            raise refuse("not-whole", floats)
    if bad_scales:
        scale, (block,) = bad_scales[0]
        sentence = f"the scale of the block {written(block)} is {number(np.abs(block).max())}; yours is {number(scale)}"
        code, why = explanation(bad_scales, SCALES) or ("differs", "It must be the largest absolute value")
        raise refuse(code, f"{sentence}. {why}")
    if bad_codes:
        codes, (block, levels) = bad_codes[0]
        right = nearest(block / np.abs(block).max(), levels).astype(float)
        i = int(np.flatnonzero(codes != right)[0])
        sentence = f"{number(block[i])} in a block of scale {number(np.abs(block).max())} is"
        sentence += (
            f" {number(block[i] / np.abs(block).max())} of it; the nearest of the levels {written(levels, 3)} is"
        )
        sentence += (
            f" {number(levels[int(right[i])], 3)}, so its code is {number(right[i])}; yours is {number(codes[i])}"
        )
        code, why = explanation(bad_codes, CODES) or ("differs", "Look for the nearest level, and return its index")
        raise refuse(code, f"{sentence}. {why}", example(codes, right, block=block))


@exercise.check(points=3)
def test_each_number_gets_the_nearest_level(quantize, seed, budget):
    judge(quantize, seed, budget)


@exercise.check(points=1)
def test_a_block_of_zeros_is_stored_as_well(quantize, seed):
    judge(quantize, seed, 1)
    for levels in (NF4, UNEVEN):
        codes, scale = taken_apart(quantize(np.zeros(4), levels))
        codes, scale = as_array(codes, "codes", (4,)), as_number(scale, "the scale")
        zero = int(np.abs(levels).argmin())
        sentence = f"for a block of four zeros the scale is 0 and each code {zero}; yours are {number(scale)} and"
        sentence += f" {written(codes)}. Divide by the scale only where it is not 0"
        require(scale == 0 and bool((codes == zero).all()), "zero-block", sentence)


READING = (
    ("scale-forgotten", "Multiply by the scale", lambda codes, scale, levels: levels[codes]),
    ("codes-for-levels", "A code is an index; look up its level", lambda codes, scale, levels: codes * scale),
    ("divided", "You divide by the scale; multiply by it", lambda codes, scale, levels: levels[codes] / scale),
    ("even-levels", "The distances between levels are not equal; look up each code in `levels`",
     lambda codes, scale, levels: (2 * codes / (len(levels) - 1) - 1) * scale),
    ("scale-twice", "You multiply by the scale twice", lambda codes, scale, levels: levels[codes] * scale**2),
    ("scale-added", "You add the scale; multiply by it", lambda codes, scale, levels: levels[codes] + scale),
)  # fmt: skip


@exercise.check(points=2)
def test_codes_and_scale_give_the_numbers_back(dequantize, seed, budget):
    wrong = []
    for block, levels in [*blocks(seed, budget), (np.array([0.0, -0.4]), UNEVEN)]:
        codes, scale = nearest(block / largest(block), levels), float(np.abs(block).max())
        answer = as_array(dequantize(codes, scale, levels), "the result", block.shape)
        if not same(answer, levels[codes] * scale):
            wrong.append((answer, (codes, scale, levels)))
    if not wrong:
        return
    answer, (codes, scale, levels) = wrong[0]
    right = levels[codes] * scale
    sentence = (
        f"for codes {written(codes)}, scale {number(scale)} and levels {written(levels, 3)}, {worst(answer, right)}"
    )
    code, why = explanation(wrong, READING) or (
        "differs",
        "Look up the level of each code, and multiply it by the scale",
    )
    raise refuse(code, f"{sentence}. {why}", example(answer, right))
