r"""Cut into heads, and joined again

One softmax gives one answer, and a token may need several. So its numbers are cut into parts of equal size, the
**heads**. Each head looks around on its own. With 6 numbers and 2 heads, the first head has numbers 0, 1, 2 and the
second 3, 4, 5.

Write two functions:

* `heads(x, count)`: `x` is (tokens, width); the result is (count, tokens, width / count);
* `join(parts)`: the way back, from (count, tokens, size) to (tokens, count * size).
"""

import numpy as np

from tinygrad_lora.learn.authoring import Exercise, generators

from ._judge import judge

HINTS = (
    "Cut first, then move the axis of the heads to the front. Does a reshape change the order of the numbers? "
    "No: it reads them row by row.",
    "`x.reshape(tokens, count, size)` gives each token its parts. `.transpose(1, 0, 2)` brings the heads to the front. "
    "To join, do the same backward.",
    "`return x.reshape(len(x), count, -1).transpose(1, 0, 2)` and "
    "`return parts.transpose(1, 0, 2).reshape(parts.shape[1], -1)`",
)
ABOUT = (
    "Heads are parts of the same vector, so several of them cost no more than one. A reshape never moves a number, "
    "so the axes must be swapped before the numbers of one token are side by side again."
)
NEXT = "Cut 32 numbers into 32 heads of one number each. What can a head still say with one number in its query?"
exercise = Exercise("13-heads", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def heads(x, count):
    """The parts of each token, one for each head: (count, tokens, size)."""
    return x.reshape(len(x), count, -1).transpose(1, 0, 2)


@exercise.reference
def join(parts):
    """The parts of each token side by side again: (tokens, count * size)."""
    return parts.transpose(1, 0, 2).reshape(parts.shape[1], -1)


@exercise.another("heads")
def by_cutting(x, count):
    """Cut the columns into blocks, and stack the blocks: no axis is swapped, since each block is a head already."""
    return np.stack(np.split(x, count, axis=1))


@exercise.another("join")
def side_by_side(parts):
    """A list of heads is what NumPy puts side by side."""
    return np.concatenate(list(parts), axis=1)


cut, joined = heads, join
CUTS = (
    ("tokens-mixed", "A reshape alone reads row by row, so a head gets numbers of other tokens; move the axis as well",
     lambda x, count: x.reshape(count, len(x), -1)),
    ("heads-in-the-middle", "The parts are right, but the heads are axis 1; they must be axis 0",
     lambda x, count: x.reshape(len(x), count, -1)),
    ("every-other", "The numbers are dealt out like cards; the numbers of a head must be neighbors in x",
     lambda x, count: x.reshape(len(x), -1, count).transpose(2, 0, 1)),
    ("size-for-count", "There are as many heads as a head should have numbers; count is the number of heads",
     lambda x, count: x.reshape(len(x), -1, count).transpose(1, 0, 2)),
    ("tokens-and-numbers-swapped", "In each head, rows and columns are swapped; a row must be a token",
     lambda x, count: x.reshape(len(x), count, -1).transpose(1, 2, 0)),
    ("tokens-cut", "The tokens are cut into groups; cut the numbers of each token",
     lambda x, count: np.stack(np.split(x, count, axis=0))),
    ("copied", "Each head has all numbers; it must have its part of them", lambda x, count: np.stack([x] * count)),
)  # fmt: skip
JOINS = (
    ("tokens-mixed", "A reshape alone reads head by head, so tokens are mixed; move the axis of the heads first",
     lambda parts: parts.reshape(parts.shape[1], -1)),
    ("every-other", "The numbers of the heads alternate; those of one head must stay side by side",
     lambda parts: parts.transpose(1, 2, 0).reshape(parts.shape[1], -1)),
    ("summed", "The heads are added up; put them side by side", lambda parts: parts.sum(axis=0)),
    ("averaged", "That is the mean of the heads; put them side by side", lambda parts: parts.mean(axis=0)),
    ("stacked-below", "The heads are below each other; put them side by side",
     lambda parts: parts.reshape(-1, parts.shape[2])),
    ("first-head-only", "That is the first head alone", lambda parts: parts[0]),
    ("not-joined", "The heads are axis 1 now, but not joined; reshape to (tokens, count * size)",
     lambda parts: parts.transpose(1, 0, 2)),
    ("transposed", "Rows and columns are swapped; a row must be a token", lambda parts: joined(parts).T),
)  # fmt: skip


def sizes(seed, budget):
    """Tokens, heads and numbers of a head, each different from the others; then alike ones."""
    yield 2, 2, 3
    for size, rng in generators(seed, min(budget, 12)):
        yield (3 + size % 4, 2 + size % 2, 2 + int(rng.integers(3))) if size % 4 else (4, 2, 2)


def counting(*shape):
    """Numbers that say where they stand: 0, 1, 2 ... row by row."""
    return np.arange(float(np.prod(shape))).reshape(shape)


@exercise.check(points=2)
def test_each_head_has_its_part_of_every_token(heads, seed, budget):
    cases = [{"x": counting(n, count * size), "count": count} for n, count, size in sizes(seed, budget)]
    judge(heads, cut, CUTS, cases, "heads(x, count)")


@exercise.check(points=2)
def test_joined_they_stand_side_by_side(join, seed, budget):
    cases = [{"parts": counting(count, n, size)} for n, count, size in sizes(seed, budget)]
    judge(join, joined, JOINS, cases, "join(parts)")
