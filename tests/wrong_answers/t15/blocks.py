"""Known wrong answers: the error, and the size of a block."""

import numpy as np

from tinygrad_lora.learn.exercises.t15.blocks import exercise


def error(blocks, scales, levels):
    """The relative error of what these scales make of the blocks."""
    codes = np.abs((blocks / scales)[..., None] - levels).argmin(axis=-1)
    return np.sqrt(((levels[codes] * scales - blocks) ** 2).mean() / (blocks**2).mean())


@exercise.mutant("one-scale", name="relative_error")
def takes_one_scale_for_all(x, size, levels):
    return error(x.reshape(-1, size), np.abs(x).max(), levels)


@exercise.mutant("scale-across-blocks", name="relative_error")
def takes_the_largest_of_each_column(x, size, levels):
    blocks = x.reshape(-1, size)
    return error(blocks, np.abs(blocks).max(axis=0), levels)


@exercise.mutant("interleaved", name="relative_error")
def cuts_across(x, size, levels):
    blocks = x.reshape(size, -1)
    return error(blocks, np.abs(blocks).max(axis=0, keepdims=True), levels)


@exercise.mutant("missing-root", name="relative_error")
def forgets_the_root(x, size, levels):
    blocks = x.reshape(-1, size)
    return error(blocks, np.abs(blocks).max(axis=1, keepdims=True), levels) ** 2


@exercise.mutant("scale-forgotten", name="bits_per_number")
def counts_codes_alone(code_bits, scale_bits, size):
    return code_bits


@exercise.mutant("upside-down", name="bits_per_number")
def divides_the_wrong_way(code_bits, scale_bits, size):
    return code_bits + size / scale_bits
