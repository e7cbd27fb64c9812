"""Levels, and numbers rounded to them block by block."""

import numpy as np

NF4 = np.array([-1.0, -0.7, -0.53, -0.39, -0.28, -0.18, -0.09, 0.0, 0.08, 0.16, 0.25, 0.34, 0.44, 0.56, 0.72, 1.0])
EVEN = np.linspace(-1, 1, 5)
UNEVEN = np.array([-1.0, -0.5, 0.0, 0.25, 1.0])


def nearest(scaled, levels):
    """The index of the nearest level for each number."""
    return np.abs(np.asarray(scaled)[..., None] - levels).argmin(axis=-1)


def rounded(blocks, scales, levels):
    """The numbers read back, each block with its scale; the scales fit to the blocks."""
    return levels[nearest(blocks / np.where(scales == 0, 1, scales), levels)] * scales


def largest(blocks):
    """The largest size in each row."""
    return np.abs(blocks).max(axis=-1, keepdims=True)


def far_from_ties(block, levels):
    """Whether no number of the block is about as near to one level as to the next, where rounding would decide."""
    scale = np.abs(block).max()
    halfway = (levels[1:] + levels[:-1]) / 2
    return scale == 0 or bool((np.abs(block[:, None] / scale - halfway) > 1e-6).all())
