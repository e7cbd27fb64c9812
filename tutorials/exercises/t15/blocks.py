r"""The error, and the size of a block

A vector `x` is cut into blocks of `size` numbers, one after another; its length is a multiple of that. Each block has
a scale of its own, the largest absolute value in it. Each number is divided by the scale, and stored as the nearest of
the `levels`. Reading it back gives slightly different numbers, $\hat x$. Write two functions:

* `relative_error(x, size, levels)`: the root of the mean square of $\hat x - x$, divided by the root of the mean square
  of $x$. No block of `x` is all zeros.
* `bits_per_number(code_bits, scale_bits, size)`: how many bits each number takes. A code has `code_bits` bits. A block
  of `size` numbers shares one scale, which has `scale_bits`.
"""

import numpy as np

from tinygrad_lora.learn.authoring import (
    Exercise,
    as_number,
    example,
    explanation,
    generators,
    number,
    numbers,
    refuse,
    same,
    written,
)

from ._levels import EVEN, NF4, UNEVEN, far_from_ties, largest, nearest, rounded

HINTS = (
    "`x.reshape(-1, size)` has a block in each row. Over which axis do you take the largest absolute value?",
    "With `keepdims=True` the scales are a column: then `blocks / scales` divides each row by its own.",
    "`levels[np.abs((blocks / scales)[..., None] - levels).argmin(axis=-1)] * scales` are the numbers read back. For "
    "the bits: a block takes `size * code_bits + scale_bits`.",
)
ABOUT = (
    "In small blocks the scale fits better, so the error is smaller, but every scale takes memory. A block of 64 with "
    "a scale of 32 bits turns 4 bits into 4.5."
)
NEXT = "QLoRA stores the scales in 8 bits, and 256 of them share one more scale of 32 bits. How many bits is that?"
exercise = Exercise("15-blocks", __doc__, kind="N", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def relative_error(x, size, levels):
    """How far the numbers that are read back lie from x, relative to x."""
    blocks = x.reshape(-1, size)
    scales = np.abs(blocks).max(axis=1, keepdims=True)
    codes = np.abs((blocks / scales)[..., None] - levels).argmin(axis=-1)
    error = levels[codes] * scales - blocks
    return np.sqrt((error**2).mean() / (blocks**2).mean())


@exercise.reference
def bits_per_number(code_bits, scale_bits, size):
    """The bits of a code, and its share of the scale."""
    return code_bits + scale_bits / size


@exercise.another("relative_error")
def block_by_block(x, size, levels):
    """A loop over the blocks, and the distances as lengths of vectors: the means have the same count, so it cancels."""
    back = []
    for start in range(0, len(x), size):
        block = x[start : start + size]
        scale = np.abs(block).max()
        for value in block:
            distances = [abs(level - value / scale) for level in levels]
            back.append(scale * levels[distances.index(min(distances))])
    return np.linalg.norm(back - x) / np.linalg.norm(x)


@exercise.another("bits_per_number")
def of_a_whole_block(code_bits, scale_bits, size):
    """Count for a whole block, then divide by its numbers."""
    return (size * code_bits + scale_bits) / size


def rms(x):
    return np.sqrt((x**2).mean())


def error_of(blocks, scales, levels):
    return rms(rounded(blocks, scales, levels) - blocks) / rms(blocks)


def right_error(x, size, levels):
    blocks = x.reshape(-1, size)
    return error_of(blocks, largest(blocks), levels)


def of_blocks(measure):
    """What is measured of the blocks, and of what is read back."""

    def error(x, size, levels):
        blocks = x.reshape(-1, size)
        return measure(blocks, rounded(blocks, largest(blocks), levels) - blocks)

    return error


def with_scales(scales):
    """The error with other scales."""

    def error(x, size, levels):
        blocks = x.reshape(-1, size)
        return error_of(blocks, scales(blocks), levels)

    return error


def interleaved(x, size, levels):
    blocks = x.reshape(size, -1).T
    return error_of(blocks, largest(blocks), levels)


def rounded_down(x, size, levels):
    blocks = x.reshape(-1, size)
    scales = largest(blocks)
    return rms(levels[np.searchsorted(levels, blocks / scales, side="right") - 1] * scales - blocks) / rms(blocks)


def unscaled(x, size, levels):
    blocks = x.reshape(-1, size)
    return rms(levels[nearest(blocks / largest(blocks), levels)] - blocks) / rms(blocks)


def error_with_codes(blocks, levels):
    return rms(nearest(blocks / largest(blocks), levels) * largest(blocks) - blocks) / rms(blocks)


def not_scaled(x, size, levels):
    blocks = x.reshape(-1, size)
    return rms(levels[nearest(blocks, levels)] * largest(blocks) - blocks) / rms(blocks)


ERRORS = (
    ("one-scale", "You have one scale for all of x; each block must have its own",
     with_scales(lambda b: np.abs(b).max())),
    ("scale-across-blocks", "You take the scale across the blocks; take the largest of each row, axis=1",
     with_scales(lambda b: np.abs(b).max(axis=0, keepdims=True))),
    ("interleaved", "A block must be a run of neighbors; reshape(-1, size) has one in each row", interleaved),
    ("largest-without-sign", "The scale must be the largest absolute value; you took the sign into account",
     with_scales(lambda b: b.max(axis=1, keepdims=True))),
    ("mean-for-largest", "The scale must be the largest absolute value, not the mean one",
     with_scales(lambda b: np.abs(b).mean(axis=1, keepdims=True))),
    ("scale-forgotten", "Multiply the levels by the scale of their block", unscaled),
    ("missing-root", "That is the square of the error; take the root",
     of_blocks(lambda b, e: (e**2).mean() / (b**2).mean())),
    ("not-relative", "Divide by the root of the mean square of x", of_blocks(lambda b, e: rms(e))),
    ("sum-for-mean", "One of your two squares is a sum, and the other a mean; take two means",
     of_blocks(lambda b, e: np.sqrt((e**2).sum()) / rms(b))),
    ("absolute-for-square", "You take means of absolute values; square, take the mean, then the root",
     of_blocks(lambda b, e: np.abs(e).mean() / np.abs(b).mean())),
    ("number-by-number", "You divide each error by its own number; divide once, at the end",
     of_blocks(lambda b, e: rms(e / b))),
    ("number-by-number", "You divide each error by its own number; divide once, at the end",
     of_blocks(lambda b, e: np.abs(e / b).mean())),
    ("mean-of-blocks", "You take the mean of the relative errors of the blocks; divide once, at the end",
     of_blocks(lambda b, e: np.mean([rms(x) / rms(y) for x, y in zip(e, b, strict=True)]))),
    ("largest-for-mean", "That is the largest error; take the root of the mean square",
     of_blocks(lambda b, e: np.abs(e).max() / np.abs(b).max())),
    ("rounded-down", "You round down; a number goes to the nearest level, not to the next one below", rounded_down),
    ("number-of-blocks", "`size` is how long a block is, not how many blocks there are; reshape(-1, size)",
     lambda x, size, levels: right_error(x, len(x) // size, levels)),
    ("not-scaled", "Divide by the scale before you look for the nearest level", not_scaled),
    ("first-block", "That is the error of the first block; is a `return` inside the loop?",
     lambda x, size, levels: right_error(x[:size], size, levels)),
    ("mean-before-square", "Errors of both signs cancel; square them, then take the mean",
     of_blocks(lambda b, e: abs(e.mean()) / rms(b))),
    ("codes-for-levels", "A code is an index; look up its level",
     lambda x, size, levels: error_with_codes(x.reshape(-1, size), levels)),
    ("percent", "That is in percent; do not multiply by 100", lambda *case: 100 * right_error(*case)),
    ("upside-down", "You divide x by the error; divide the error by x", of_blocks(lambda b, e: rms(b) / rms(e))),
)  # fmt: skip


def vectors(seed, budget):
    """Vectors, block sizes and levels: two small blocks first, of different size."""
    yield np.array([0.6, -1.1, 2.0, 0.1, 12.0, -8.0, -4.5, 20.0]), 4, EVEN
    yield np.array([0.6, -4.0, 1.6, 0.3, 0.7, -0.2]), 3, UNEVEN
    yield np.array([1.0, -7.0, 2.0, 0.3, 0.7, -0.2]), 6, NF4
    for i, (size, rng) in enumerate(generators(seed, min(budget, 12))):
        levels, n = (NF4, UNEVEN)[i % 2], 2 + size % 4
        blocks = numbers(rng, (2 + i % 3, n)) * (1 + np.arange(2 + i % 3))[:, None]
        if all(far_from_ties(block, levels) for block in blocks):
            yield blocks.ravel(), n, levels


@exercise.check(points=3)
def test_the_error_of_blocks(relative_error, seed, budget):
    wrong = []
    for x, size, levels in vectors(seed, budget):
        answer = as_number(relative_error(x, size, levels), "the error")
        if not same(np.asarray(answer), np.asarray(right_error(x, size, levels))):
            wrong.append((answer, (x, size, levels)))
    if not wrong:
        return
    answer, (x, size, levels) = wrong[0]
    blocks = x.reshape(-1, size)
    sentence = f"for {written(x)} in blocks of {size}, with levels {written(levels, 3)}, the error is"
    sentence += f" {number(right_error(x, size, levels))}; yours is {number(answer)}"
    shown = example(
        x=x, scales=largest(blocks).ravel(), **{"read back": rounded(blocks, largest(blocks), levels).ravel()}
    )
    code, why = explanation(wrong, ERRORS) or ("differs", "Compare the numbers read back with x, one by one")
    raise refuse(code, f"{sentence}. {why}", shown)


BITS = (
    ("scale-forgotten", "That is the code alone; the scale takes memory, too", lambda c, s, n: c),
    ("scale-for-each", "The numbers of a block share one scale", lambda c, s, n: c + s),
    ("upside-down", "The numbers of a block share its scale, so each has a part of it: scale_bits / size",
     lambda c, s, n: c + n / s),
    ("whole-block", "That is a whole block; divide by its numbers", lambda c, s, n: n * c + s),
    ("scale-multiplied", "Each number has only a part of the scale; divide by size", lambda c, s, n: c + s * n),
    ("rounded", "Parts of a bit count; divide with /", lambda c, s, n: c + s // n),
    ("code-divided", "Each number has a whole code; only the scale is shared", lambda c, s, n: (c + s) / n),
    ("scale-alone", "That is the scale alone; the code takes memory, too", lambda c, s, n: s / n),
    ("bits-for-bytes", "That is in bytes; a byte has 8 bits", lambda c, s, n: (c + s / n) / 8),
)  # fmt: skip


@exercise.check(points=1)
def test_the_bits_of_a_number(bits_per_number, seed, budget):
    wrong = []
    cases = [(4, 32, 64), (8, 32, 32), (4, 16, 128), (2, 24, 16)]
    cases += [(int(c), int(s), int(n)) for _, rng in generators(seed, budget) for c, s, n in [rng.integers(1, 33, 3)]]
    for case in cases:
        answer = as_number(bits_per_number(*case), "the bits")
        if not same(np.asarray(answer), np.asarray(case[0] + case[1] / case[2])):
            wrong.append((answer, case))
    if not wrong:
        return
    answer, (c, s, n) = wrong[0]
    sentence = f"with codes of {c} bits, and a scale of {s} bits for {n} numbers, it is {number(c + s / n)}"
    code, why = explanation(wrong, BITS) or ("differs", f"A block has {n} codes and one scale: {n * c + s} bits")
    raise refuse(code, f"{sentence}; yours is {number(answer)}. {why}")
