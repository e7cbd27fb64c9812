"""What a window sees, pixel by pixel, and the search for the mistake that explains every wrong answer."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_lora.learn.authoring import generators, number, numbers, same

Mistakes = Sequence[tuple[str, str, Callable[..., Any]]]


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


def explanation(wrong, mistakes: Mistakes):
    """The code and the sentence of the first mistake that gives all wrong answers, or None.

    `wrong` holds (answer, arguments) for each of them.
    """
    for code, why, mistake in mistakes:
        if all(_gives(mistake, answer, arguments) for answer, arguments in wrong):
            return code, why
    return None


def _gives(mistake, answer, arguments):
    try:
        given, made = np.asarray(answer, float), np.asarray(mistake(*arguments), float)
        return same(given, made) or given.size == made.size == 0
    except (ValueError, IndexError):  # where the mistake fits nothing, it explains nothing
        return False


def first_difference(answer, right):
    """The index of the first number that is wrong, what it is, and what it should be."""
    place = tuple(int(i) for i in np.argwhere(~(np.abs(answer - right) <= 1e-9 + 1e-6 * np.abs(right).max()))[0])
    return f"at {list(place)} yours is {number(answer[place])}; it should be {number(right[place])}"
