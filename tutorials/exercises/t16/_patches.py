"""What a window sees, pixel by pixel, and the images on which that is asked for."""

import numpy as np

from tinygrad_lora.learn.authoring import generators, numbers


def origins(shape, size, stride):
    """For each place of the window a row, and in it, for each number of the patch, where in x it comes from.

    Places go row by row; a patch goes channel by channel, then row by row. x is counted along, as in `x.ravel()`.
    """
    place = np.arange(int(np.prod(shape))).reshape(shape)
    rows, columns = (range(0, n - k + 1, stride) for n, k in zip(shape[1:], size, strict=True))
    return np.array([place[:, i : i + size[0], j : j + size[1]].ravel() for i in rows for j in columns], int)


def counts(shape, size, stride):
    """How many places there are down and across."""
    return tuple(max(0, (n - k) // stride + 1) for n, k in zip(shape[1:], size, strict=True))


# One channel and one step first; then several channels, larger steps, and what no window reaches.
FIRST = (
    ((1, 3, 4), (2, 2), 1), ((2, 3, 3), (2, 2), 1), ((1, 5, 6), (2, 3), 2), ((3, 4, 5), (3, 2), 1),
    ((2, 6, 5), (2, 2), 3), ((1, 4, 4), (1, 1), 1), ((1, 2, 3), (2, 3), 1),
)  # fmt: skip


def cases(seed, budget):
    """Images as (channels, height, width), the window's size, the step, and random numbers."""
    rng = np.random.default_rng([seed, 16])
    yield from ((*case, rng) for case in FIRST)
    for _, own in generators(seed, min(budget, 12)):
        size = tuple(int(n) for n in own.integers(1, 4, 2))
        shape = (int(own.integers(1, 4)), *(k + int(own.integers(0, 5)) for k in size))
        yield shape, size, int(own.integers(1, 4)), own


def image(rng, shape):
    """An image whose numbers are all different and easy to read."""
    return numbers(rng, shape)
