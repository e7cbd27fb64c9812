"""Known wrong answers: two codes in a byte."""

import numpy as np

from tinygrad_lora.learn.exercises.t15.pack import exercise


@exercise.mutant("low-half-first", name="pack")
def puts_the_first_low(codes):
    return (codes[::2] + 16 * codes[1::2]).astype(np.uint8)


@exercise.mutant("halves-for-pairs", name="pack")
def pairs_the_halves(codes):
    n = len(codes) // 2
    return (16 * codes[:n] + codes[n:]).astype(np.uint8)


@exercise.mutant("not-bytes", name="pack")
def leaves_eight_bytes_each(codes):
    return (16 * codes[::2] + codes[1::2]).astype(np.int64)


@exercise.mutant("not-interleaved", name="unpack")
def gives_all_first_ones_first(packed):
    return np.concatenate([packed // 16, packed % 16])


@exercise.mutant("not-shifted", name="unpack")
def masks_and_does_not_shift(packed):
    return np.stack([packed & 240, packed & 15], axis=1).ravel()
