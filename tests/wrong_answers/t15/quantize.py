"""Known wrong answers: a block in a few bits."""

import numpy as np

from tinygrad_lora.learn.exercises.t15.quantize import exercise


@exercise.mutant("largest-without-sign", name="quantize")
def overlooks_negative_numbers(block, levels):
    scale = block.max()
    scaled = block / scale if scale > 0 else block
    return np.abs(scaled[:, None] - levels).argmin(axis=1), scale


@exercise.mutant("not-scaled", name="quantize")
def looks_for_the_number_itself(block, levels):
    return np.abs(block[:, None] - levels).argmin(axis=1), np.abs(block).max()


@exercise.mutant("even-levels", name="quantize")
def believes_in_equal_distances(block, levels):
    scale = np.abs(block).max()
    scaled = block / scale if scale > 0 else block
    return np.rint((scaled + 1) / 2 * (len(levels) - 1)).astype(int), scale


@exercise.mutant("rounded-down", name="quantize")
def takes_the_level_below(block, levels):
    scale = np.abs(block).max()
    scaled = block / scale if scale > 0 else block
    return np.searchsorted(levels, scaled, side="right") - 1, scale


@exercise.mutant("zero-block", name="quantize")
def divides_by_zero(block, levels):
    scale = np.abs(block).max()
    with np.errstate(all="ignore"):
        return np.abs((block / scale)[:, None] - levels).argmin(axis=1), scale


@exercise.mutant("scale-forgotten", name="dequantize")
def gives_levels(codes, scale, levels):
    return levels[codes]


@exercise.mutant("codes-for-levels", name="dequantize")
def multiplies_the_codes(codes, scale, levels):
    return codes * scale
