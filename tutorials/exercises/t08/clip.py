r"""Clip the gradient

One batch with a huge gradient can undo a thousand good steps. So a gradient that is too long is made shorter. Its
length is the norm over *all* arrays together:

$$\lVert g \rVert = \sqrt{\sum_k \sum_i g_{k,i}^2}$$

Write `clip(gradients, max_norm)`. It gets a list of arrays, and returns a list of new arrays in the same order. If the
norm is above `max_norm`, all are scaled by the same factor, so that the norm becomes `max_norm`. Otherwise they stay
as they are. The arrays that came in must not change.
"""

import numpy as np

from tinygrad_lora.learn.authoring import (
    Exercise,
    all_same,
    as_array,
    counted,
    example,
    generators,
    number,
    numbers,
    refuse,
    require,
    written,
)

HINTS = (
    "The direction must stay: so there is one factor for all numbers of all arrays.",
    "Sum the squares of all arrays, then take one root. The factor is max_norm / norm, but never above 1.",
    "`norm = np.sqrt(sum((g**2).sum() for g in gradients))`. The factor is `max_norm / norm` if `norm > max_norm`, "
    "else 1. Then `return [g * factor for g in gradients]`.",
)
ABOUT = (
    "All arrays are scaled by one factor, so the step keeps its direction and only its length is limited. Clipping "
    "each array by its own norm would change the direction."
)
NEXT = (
    "Log the norm of each step of a training, and choose `max_norm` so that one step in twenty is clipped. Does "
    "the loss curve change?"
)
exercise = Exercise("08-clip", __doc__, kind="N", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def clip(gradients, max_norm):
    """The gradients, scaled down together where their norm is above max_norm."""
    norm = np.sqrt(sum((g**2).sum() for g in gradients))
    factor = max_norm / norm if norm > max_norm else 1.0
    return [g * factor for g in gradients]


@exercise.another()
def with_one_long_vector(gradients, max_norm):
    """One long vector has one norm; and `max` takes the place of the branch, so that nothing is divided by 0."""
    norm = np.linalg.norm(np.concatenate([g.ravel() for g in gradients]))
    return [g * (max_norm / max(norm, max_norm)) for g in gradients]


right = clip


@exercise.mutant("each-alone")
def clips_each_array_alone(gradients, max_norm):
    return [g * min(1.0, max_norm / np.sqrt((g**2).sum())) for g in gradients]


@exercise.mutant("each-number")
def clips_each_number(gradients, max_norm):
    return [np.clip(g, -max_norm, max_norm) for g in gradients]


@exercise.mutant("scaled-up")
def makes_short_ones_longer(gradients, max_norm):
    norm = np.sqrt(sum((g**2).sum() for g in gradients))
    return [g * (max_norm / norm) for g in gradients]


@exercise.mutant("missing-root")
def forgets_the_root(gradients, max_norm):
    norm = sum((g**2).sum() for g in gradients)
    return [g * min(1.0, max_norm / norm) for g in gradients]


def sum_of_norms(gradients, max_norm):
    norm = sum(np.sqrt((g**2).sum()) for g in gradients)
    return [g * min(1.0, max_norm / norm) for g in gradients]


def with_norm(norm):
    """A clip that measures something else than the norm."""

    def clip(gradients, max_norm):
        length = norm(gradients)
        return [g * min(1.0, max_norm / length) for g in gradients]

    return clip


def clips_nothing(gradients, max_norm):
    return gradients


def throws_away(gradients, max_norm):
    return [g if length(gradients) <= max_norm else 0.0 * g for g in gradients]


SLIPS = {
    "each-alone": ("you clip each array by its own norm, which changes the direction: take one norm for all",
                   clips_each_array_alone),
    "each-number": ("you clip each number, which changes the direction: scale all by one factor", clips_each_number),
    "scaled-up": ("a gradient that is short enough must stay as it is", makes_short_ones_longer),
    "missing-root": ("the norm is the root of the sum of squares", forgets_the_root),
    "sum-of-norms": ("you add the norms of the arrays: add the squares of all, then take one root", sum_of_norms),
    "largest-number": ("you measure the largest number; the norm is the root of the sum of all squares",
                       with_norm(lambda gradients: max(np.abs(g).max() for g in gradients))),
    "sum-of-sizes": ("you add the sizes of the numbers: add their squares, then take the root",
                     with_norm(lambda gradients: sum(np.abs(g).sum() for g in gradients))),
    "mean-of-squares": ("you take a mean over the arrays: add the squares of all of them",
                        with_norm(lambda gradients: np.sqrt(np.mean([(g**2).sum() for g in gradients])))),
    "not-clipped": ("what is too long stays as it is; where the norm is above max_norm, each array is multiplied by "
                    "max_norm / norm", clips_nothing),
    "zeroed": ("a long gradient is made shorter, not thrown away", throws_away),
}  # fmt: skip


def length(arrays):
    return float(np.sqrt(sum((np.asarray(a) ** 2).sum() for a in arrays)))


# What a slip must explain as well before it is named.
OTHERS = (
    ([np.array([3.0, 4.0])], 1.0),
    ([np.array([1.0, -2.0]), np.array([[2.0, 0.5]])], 1.5),
    ([np.array([0.25]), np.array([-0.5])], 1.0),
)


def does_the_same(clip, slip):
    """Whether a slip explains other gradients too, positive and negative, long and short."""
    try:
        return all(
            all_same(
                [np.asarray(a, float) for a in clip([g.copy() for g in gradients], most)], slip(gradients, most), 1e-5
            )
            for gradients, most in OTHERS
        )
    except Exception:  # whatever the answer does with these: then the slip does not explain it
        return False


def judge(clip, gradients, max_norm):
    """One list of gradients: raise, and say what is wrong, unless it is clipped as it should be."""
    clipped = clip(gradients, max_norm)
    require(clipped is not None, "no-return", "clip gave None: does every path of your function end with `return`?")
    if type(clipped) not in (list, tuple) or len(clipped) != len(gradients):
        raise refuse("count", f"clip must give a list of {counted(len(gradients), 'array')}, as many as it got")
    answer = [as_array(c, f"array {i}", g.shape) for i, (c, g) in enumerate(zip(clipped, gradients, strict=True))]
    expected = right(gradients, max_norm)
    if all_same(answer, expected, 1e-5):
        return
    message = f"the norm of {counted(len(gradients), 'array')} is {number(length(gradients))}, max_norm is "
    message += f"{number(max_norm)}, and the norm of yours is {number(length(answer))}"
    given, yours, wanted = (", ".join(map(written, arrays)) for arrays in (gradients, answer, expected))
    shown = example(yours, wanted, gradients=given, max_norm=max_norm)
    finite = all(np.isfinite(f).all() for f in answer)
    require(finite, "nan", f"{message}: do not divide by a norm of 0", example=shown)
    for code, (sentence, slip) in SLIPS.items():
        with np.errstate(all="ignore"):
            slipped = all_same(answer, slip(gradients, max_norm), 1e-5) and does_the_same(clip, slip)
            require(not slipped, code, f"{message}: {sentence}", example=shown)
    close = 0.9 < length(answer) / length(expected) < 1 - 1e-5
    factors = [float(np.vdot(a, b) / np.vdot(b, b)) for a, b in zip(answer, expected, strict=True) if b.any()]
    shorter = close and all_same(answer, [b * factors[0] for b in expected], 1e-5)
    short = f"{message}: all are a little too short; is something added to the norm?"
    require(not shorter, "approximate", short, example=shown)
    direction = f"{message}: the length is right, the direction is not"
    require(abs(length(answer) / length(expected) - 1) > 1e-4, "other-direction", direction, example=shown)
    require(False, "differs", message, example=shown)


def lists(seed, budget):
    """Lists of arrays with their norms."""
    for size, rng in generators(seed, min(budget, 12)):
        shapes = [(2,), (), (2, 3), (4, 1)][: 1 + size % 4 + (size > 1)]
        yield [np.asarray(numbers(rng, shape)) for shape in shapes]


@exercise.check(points=2)
def test_a_long_gradient_gets_the_largest_norm(clip, seed, budget):
    for gradients in lists(seed, budget):
        judge(clip, gradients, length(gradients) / 4)
        judge(clip, gradients, 1.5)


@exercise.check(points=1)
def test_a_short_one_stays_as_it_is(clip, seed, budget):
    for gradients in lists(seed, budget):
        judge(clip, gradients, length(gradients) * 2)
        judge(clip, [g / 100 for g in gradients], 5.0)
    judge(clip, [np.full(3, 2.0), np.full(2, 2.0)], 1.0)


@exercise.check(points=1)
def test_a_gradient_of_zeros_stays_zero(clip):
    judge(clip, [np.zeros(2), np.zeros((2, 2))], 1.0)
    judge(clip, [np.zeros(2), np.array([3.0, 4.0])], 1.0)
