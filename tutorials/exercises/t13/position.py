r"""Where a token stands

Attention sees tokens without an order: shuffle them, and the output for each stays the same. So numbers that say where
a token stands are added to its vector. A classic choice is waves, fast ones and slow ones:

$$p_{t,\,2i} = \sin\left(t / 10000^{2i/d}\right) \qquad p_{t,\,2i+1} = \cos\left(t / 10000^{2i/d}\right)$$

Write `positions(length, width)`, an array of shape (length, width). $t$ is the row, counted from 0. $d$ is the width,
which is even. Columns 0, 2, 4 ... are sines, and columns 1, 3, 5 ... are cosines.

Source: Vaswani et al. 2017, section 3.5.
"""

import numpy as np

from tinygrad_lora.learn.authoring import Exercise, generators

from ._judge import judge

HINTS = (
    "Write the table for length 2 and width 4 by hand: row 0 is 0, 1, 0, 1, because sin 0 = 0 and cos 0 = 1.",
    "`np.arange(0, width, 2)` is 2i for all pairs. A column of t, `np.arange(length)[:, None]`, divided by a row of "
    "powers gives all angles at once.",
    "`angles = np.arange(length)[:, None] / 10_000 ** (np.arange(0, width, 2) / width)`, then fill an empty table: "
    "`table[:, 0::2] = np.sin(angles)` and `table[:, 1::2] = np.cos(angles)`",
)
ABOUT = (
    "Fast waves tell neighbors apart, and slow ones tell the beginning from the end, as the digits of a number do. "
    'A step of k places turns each pair of columns by the same angle, so attention can learn "three before me".'
)
NEXT = "Many models learn a table of positions instead, as tutorial 14 does. What can waves do that a table cannot?"
exercise = Exercise("13-position", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def positions(length, width):
    """A row for each place: sines and cosines, from fast to slow."""
    angles = np.arange(length)[:, None] / 10_000 ** (np.arange(0, width, 2) / width)
    table = np.empty((length, width))
    table[:, 0::2], table[:, 1::2] = np.sin(angles), np.cos(angles)
    return table


@exercise.another()
def as_turning_hands(length, width):
    """Each pair is the hand of a clock: the complex number e^(i angle), whose parts are cosine and sine."""
    speeds = 10_000.0 ** (-np.arange(0, width, 2) / width)
    hands = np.exp(1j * np.multiply.outer(np.arange(length), speeds))
    return np.stack([hands.imag, hands.real], axis=-1).reshape(length, width)


right = positions


def waves(first=np.sin, second=np.cos, exponent=lambda i, d: 2 * i / d, start=0, base=10_000.0, join="pairs", unit=1.0):
    """The table with something else in one place."""

    def table(length, width):
        half = np.arange(width // 2)
        angles = (start + np.arange(length))[:, None] * unit / base ** exponent(half, width)
        parts = first(angles), second(angles)
        return np.concatenate(parts, 1) if join == "halves" else np.stack(parts, -1).reshape(length, width)

    return table


def each_column_its_own(length, width):
    """The exponent counts columns in place of pairs, so a sine and its cosine have different speeds."""
    angles = np.arange(length)[:, None] / 10_000 ** (np.arange(width) / width)
    return np.where(np.arange(width) % 2, np.cos(angles), np.sin(angles))


SLIPS = (
    ("sine-and-cosine-swapped", "The even columns are cosines; they must be sines", waves(np.cos, np.sin)),
    ("sines-only", "All columns are sines; the odd ones must be cosines", waves(second=np.sin)),
    ("cosines-only", "All columns are cosines; the even ones must be sines", waves(first=np.cos)),
    ("halves", "The sines are in the first half; they must be in the even columns", waves(join="halves")),
    ("exponent-without-2", "Your exponent is i / d; for the pair of columns 2i and 2i + 1 it must be 2i / d",
     waves(exponent=lambda i, d: i / d)),
    ("exponent-doubled", "Your exponent is 4i / d; if your range counts in twos, do not double it again",
     waves(exponent=lambda i, d: 4 * i / d)),
    ("column-for-pair", "Each column has a speed of its own; the sine and the cosine of a pair must have the same",
     each_column_its_own),
    ("no-width", "Your exponent is not divided by the width", waves(exponent=lambda i, d: 2.0 * i)),
    ("counts-from-1", "Your places are counted from 1; the first place is 0", waves(start=1)),
    ("one-speed", "All waves have the same speed; divide the place by the power",
     waves(exponent=lambda i, d: 0.0 * i)),
    ("multiplied", "You multiply the place by the power; divide it", waves(exponent=lambda i, d: -2 * i / d)),
    ("base", "Your base is 1,000; it must be 10,000", waves(base=1000.0)),
    ("base", "Your base is 100,000; it must be 10,000", waves(base=100_000.0)),
    ("degrees", "You take the angles as degrees; np.sin wants radians", waves(unit=np.pi / 180)),
    ("transposed", "Rows and columns are swapped; a row must be a place", lambda length, width: right(length, width).T),
)  # fmt: skip


def tables(seed, budget):
    yield {"length": 2, "width": 4}
    yield {"length": 3, "width": 2}
    for size, rng in generators(seed, min(budget, 12)):
        yield {"length": 2 + size + int(rng.integers(3)), "width": 2 * (1 + size % 5)}


@exercise.check(points=4)
def test_each_place_has_its_waves(positions, seed, budget):
    judge(positions, right, SLIPS, tables(seed, budget), "positions(length, width)")
