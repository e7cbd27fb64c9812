"""Known wrong answers: patches as rows."""

import numpy as np

from tinygrad_lora.learn.exercises.t16.im2col import exercise


def gathered(x, size, stride, read=np.ravel):
    """What `read` makes of each patch, in the right order."""
    return [
        read(x[:, i : i + size[0], j : j + size[1]])
        for i in range(0, x.shape[1] - size[0] + 1, stride) for j in range(0, x.shape[2] - size[1] + 1, stride)
    ]  # fmt: skip


@exercise.mutant("patches-as-columns")
def stacks_patches_side_by_side(x, size, stride):
    return np.stack(gathered(x, size, stride), axis=1)


@exercise.mutant("not-flat")
def leaves_each_patch_in_its_shape(x, size, stride):
    return np.array(gathered(x, size, stride, np.array))


@exercise.mutant("channels-last")
def lets_channels_change_fastest(x, size, stride):
    return np.array(gathered(x, size, stride, lambda patch: patch.transpose(1, 2, 0).ravel()))


@exercise.mutant("last-missing")
def ends_one_start_too_early(x, size, stride):
    return np.array([
        x[:, i : i + size[0], j : j + size[1]].ravel()
        for i in range(0, x.shape[1] - size[0], stride) for j in range(0, x.shape[2] - size[1], stride)
    ])  # fmt: skip


@exercise.mutant("stride-ignored")
def moves_by_one(x, size, stride):
    return np.array(gathered(x, size, 1))


@exercise.mutant("flipped")
def turns_each_patch_around(x, size, stride):
    return np.array(gathered(x, size, stride, lambda patch: patch[:, ::-1, ::-1].ravel()))


@exercise.mutant("no-overlap")
def lays_tiles(x, size, stride):
    return np.array([
        x[:, i : i + size[0], j : j + size[1]].ravel()
        for i in range(0, x.shape[1] - size[0] + 1, size[0]) for j in range(0, x.shape[2] - size[1] + 1, size[1])
    ])  # fmt: skip
