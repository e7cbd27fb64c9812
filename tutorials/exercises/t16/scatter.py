r"""The way back of im2col

`im2col` copies each pixel into every patch that contains it. On the way back each copy has a gradient, and the pixel
gets the sum of them all.

Write `im2col_vjp(g, shape, size, stride)`: the gradient of `x`. `x` has the shape `shape`, (channels, height, width).
`g` is the gradient of `im2col(x, size, stride)`. It has one row for each place of the window, from left to right, then
down; a row holds its patch channel by channel, as `patch.ravel()` does.

To **scatter** is to add numbers at places where others may already be. A pixel that is in no window gets 0.
"""

import numpy as np

from tinygrad_lora.learn.authoring import Exercise, as_array, example, explanation, number, refuse, require, same, worst

from ._patches import cases, counts, image, origins

HINTS = (
    "Begin with zeros in the shape of x. Go through the places in the order of the rows of g.",
    "A row of g, as `row.reshape(channels, rows, columns)`, has the shape of the window. Add it where the window was.",
    "With the same two loops as in im2col: `gradient[:, i : i + size[0], j : j + size[1]] += next(rows)`, where "
    "`rows = iter(g.reshape(-1, channels, *size))`.",
)
ABOUT = (
    "Copying forward means adding backward: a window of 3 by 3 sees a pixel in the middle nine times, so nine numbers "
    "come back to it. It is the rule of tutorial 04 again, for a value with many users."
)
NEXT = (
    "Scatter a matrix of ones. What does the picture show, and why are its edges darker than its middle where the "
    "stride is 1?"
)
exercise = Exercise("16-scatter", __doc__, kind="N", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def im2col_vjp(g, shape, size, stride):
    """The gradient of x, from the gradient g of its patches."""
    channels, height, width = shape
    gradient, rows = np.zeros(shape), iter(g.reshape(-1, channels, *size))
    for i in range(0, height - size[0] + 1, stride):
        for j in range(0, width - size[1] + 1, stride):
            gradient[:, i : i + size[0], j : j + size[1]] += next(rows)
    return gradient


@exercise.another()
def by_where_each_number_came_from(g, shape, size, stride):
    """Send the numbers of the pixels through im2col: they say where each number came from. Then add all at once."""
    pixel = np.arange(np.prod(shape)).reshape(shape)
    windows = np.lib.stride_tricks.sliding_window_view(pixel, size, axis=(1, 2))[:, ::stride, ::stride]
    gradient = np.zeros(pixel.size)
    np.add.at(gradient, windows.transpose(1, 2, 0, 3, 4).ravel(), g.ravel())
    return gradient.reshape(shape)


def added(g, shape, place):
    gradient = np.zeros(int(np.prod(shape)))
    np.add.at(gradient, place.ravel(), g.ravel())
    return gradient.reshape(shape)


def right_gradient(g, shape, size, stride):
    return added(g, shape, origins(shape, size, stride))


def uses(shape, size, stride):
    """How many windows see each pixel."""
    place = origins(shape, size, stride)
    return added(np.ones(place.size), shape, place)


def replaced(backwards):
    """Only one use of each pixel is kept, the last or the first."""

    def gradient(g, shape, size, stride):
        place, result = origins(shape, size, stride).ravel(), np.zeros(int(np.prod(shape)))
        for at, value in list(zip(place, g.ravel(), strict=True))[:: -1 if backwards else 1]:
            result[at] = value
        return result.reshape(shape)

    return gradient


def ordered(*axes):
    """As right as it can be for whoever takes the axes of g (down, across, channel, row, column) in this order."""

    def gradient(g, shape, size, stride):
        lengths = (*counts(shape, size, stride), shape[0], *size)
        read = g.reshape([lengths[axis] for axis in axes]).transpose(np.argsort(axes))
        return right_gradient(read.reshape(g.shape), shape, size, stride)

    return gradient


def flipped(g, shape, size, stride):
    turned = g.reshape(-1, shape[0], *size)[..., ::-1, ::-1]
    return right_gradient(turned.reshape(g.shape), shape, size, stride)


def starting(g, shape, size, stride):
    """As many places as there are, each one pixel after the one before it."""
    down, across = counts(shape, size, stride)
    place = origins(shape, size, 1).reshape(*counts(shape, size, 1), -1)[:down, :across]
    return added(g, shape, place)


def first_channel(g, shape, size, stride):
    gradient = right_gradient(g, shape, size, stride)
    gradient[1:] = 0
    return gradient


def first_places(g, shape, size, stride):
    """What is there after the first row of places."""
    across = counts(shape, size, stride)[1]
    return added(g[:across], shape, origins(shape, size, stride)[:across])


def without_the_last(g, shape, size, stride):
    """Loops that end one start too early, and take the rows of g one after another."""
    result, rows = np.zeros(shape), iter(g.reshape(-1, shape[0], *size))
    for i in range(0, shape[1] - size[0], stride):
        for j in range(0, shape[2] - size[1], stride):
            result[:, i : i + size[0], j : j + size[1]] += next(rows)
    return result


ONE_USE = (
    "You keep one use of each pixel; add them all. `=` replaces the number that is there. So does `x[places] += ...` "
    "if a place is in the array `places` twice; `np.add.at` adds"
)
MISTAKES = (
    ("overwritten", ONE_USE, replaced(False)),
    ("overwritten", ONE_USE, replaced(True)),
    ("mean-for-sum", "You take the mean of all uses; every use counts in full, so add them up",
     lambda *case: right_gradient(*case) / np.maximum(uses(*case[1:]), 1)),
    ("missing-upstream", "You count the uses of each pixel; add up the numbers in g", lambda g, *case: uses(*case)),
    ("wrong-sign", "The sign is wrong; add the numbers of g", lambda *case: -right_gradient(*case)),
    ("flipped", "You add each patch reversed; add it as it is", flipped),
    ("channels-last", "A row of g goes channel by channel; reshape it to (channels, rows, columns)",
     ordered(0, 1, 3, 4, 2)),
    ("patch-transposed", "A patch in g goes row by row; reshape it to (channels, rows, columns)",
     ordered(0, 1, 2, 4, 3)),
    ("places-transposed", "The rows of g go through the places in reading order, to the right first",
     ordered(1, 0, 2, 3, 4)),
    ("stride-not-in-start", "A patch starts stride pixels after the one before it, not one pixel", starting),
    ("first-channel", "Only the first channel gets a gradient; a patch goes through all channels", first_channel),
    ("not-zero", "Every number is 1 too large; begin with zeros", lambda *case: right_gradient(*case) + 1),
    ("made-anew", "Only the last patch is left; make the zeros once, before the loops",
     lambda g, *case: added(g[-1:], case[0], origins(*case)[-1:])),
    ("first-places", "Only the first row of places is added; is a `return` inside a loop?", first_places),
    ("one-row", "Every place gets the first row of g; each has a row of its own",
     lambda g, *case: right_gradient(np.broadcast_to(g[0], g.shape), *case)),
    ("one-row", "Every place gets the sum of all rows of g; each has a row of its own",
     lambda g, *case: right_gradient(np.broadcast_to(g.sum(axis=0), g.shape), *case)),
    ("channels-mixed", "Every channel gets what belongs to the first one",
     lambda g, *case: right_gradient(np.tile(g[:, : g.shape[1] // case[0][0]], case[0][0]), *case)),
    (
        "last-missing",
        "The last start is missing; it is height - rows, or width - columns, and a range stops before its end",
        without_the_last,
    ),
)  # fmt: skip


def judge(im2col_vjp, seed, budget):
    """Raise, and name the mistake, unless every pixel gets the sum of its uses."""
    wrong = []
    for shape, size, stride, rng in cases(seed, budget):
        g = image(rng, origins(shape, size, stride).shape)
        answer = as_array(im2col_vjp(g, shape, size, stride), "the gradient", shape)
        if not same(answer, right_gradient(g, shape, size, stride)):
            wrong.append((answer, (g, shape, size, stride)))
    if not wrong:
        return
    answer, (g, shape, size, stride) = wrong[0]
    right = right_gradient(g, shape, size, stride)
    sentence = f"for x of shape {shape}, size {size} and stride {stride}, {worst(answer, right)}"
    shown = example(answer, right, g=g)
    if mistake := explanation(wrong, MISTAKES):
        raise refuse(mistake[0], f"{sentence}. {mistake[1]}", shown)
    unseen = (uses(shape, size, stride) == 0) & (answer != 0)
    require(not unseen.any(), "not-zero", f"{sentence}. That pixel is in no window, so it gets 0", example=shown)
    raise refuse("differs", sentence, shown)


@exercise.check(points=4)
def test_every_pixel_gets_the_sum_of_its_uses(im2col_vjp, seed, budget):
    judge(im2col_vjp, seed, budget)


@exercise.check(points=1)
def test_it_is_the_mirror_of_im2col(im2col_vjp, seed, budget):
    """The sum of g times the patches is the sum of x times your gradient."""
    judge(im2col_vjp, seed, 1)
    for shape, size, stride, rng in cases(seed, budget):
        place, x = origins(shape, size, stride), image(rng, shape)
        g = image(rng, place.shape)
        forward = float((g * x.ravel()[place]).sum())
        back = float((as_array(im2col_vjp(g, shape, size, stride), "the gradient", shape) * x).sum())
        sentence = f"for x of shape {shape}, size {size} and stride {stride} g times the patches sums to"
        sentence += f" {number(forward)}; x times your gradient to {number(back)}"
        require(same(as_array(back), as_array(forward)), "differs", f"{sentence}, and it should be the same")
