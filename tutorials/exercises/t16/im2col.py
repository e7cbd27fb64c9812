r"""Patches as rows

`x` is one image of shape (channels, height, width). A window of `size` = (rows, columns) slides over it in steps of
`stride`, without padding. The numbers that it sees at one place, in all channels, are a **patch**.

Write `im2col(x, size, stride)`. It returns a matrix with one row for each place: the numbers of its patch. Two orders
matter:

* the places come in reading order: from left to right, then down;
* the numbers of a patch come channel by channel, and in each channel in reading order, as in `patch.ravel()`.

Then a convolution is one product: `im2col(x, size, stride) @ weight.reshape(outputs, -1).T`.
"""

import numpy as np

from tinygrad_lora.learn.authoring import Exercise, as_array, example, explanation, refuse, require, same, worst

from ._patches import cases, counts, image, origins

HINTS = (
    "Which pixels does the window see at its second place? Write down that patch, for an image of 3 by 4.",
    "Two loops over the starts: `for i in range(0, height - rows + 1, stride)`, and the same for j. The patch is "
    "`x[:, i : i + rows, j : j + columns]`.",
    "Collect `patch.ravel()` in a list, and return `np.array(list)`.",
)
ABOUT = (
    "A pixel is copied into every patch that contains it; after that, a convolution is a product of two matrices. "
    "Many libraries do this, because no other computation is as well tuned as the matrix product."
)
NEXT = "How many times as large as the image is the matrix of its patches, for a kernel of 3 by 3 and stride 1?"
exercise = Exercise("16-im2col", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def im2col(x, size, stride):
    """A row for each place of the window: what it sees there."""
    _, height, width = x.shape
    patches = []
    for i in range(0, height - size[0] + 1, stride):
        for j in range(0, width - size[1] + 1, stride):
            patches.append(x[:, i : i + size[0], j : j + size[1]].ravel())
    return np.array(patches)


@exercise.another()
def as_a_view(x, size, stride):
    """NumPy can show all windows without copying one number; the copy is made when they become rows."""
    windows = np.lib.stride_tricks.sliding_window_view(x, size, axis=(1, 2))[:, ::stride, ::stride]
    return windows.transpose(1, 2, 0, 3, 4).reshape(-1, len(x) * size[0] * size[1])


def patches(x, size, stride):
    """All patches as (places down, places across, channels, rows, columns)."""
    return x.ravel()[origins(x.shape, size, stride)].reshape(*counts(x.shape, size, stride), len(x), *size)


def rows(array):
    return array.reshape(array.shape[0] * array.shape[1], int(np.prod(array.shape[2:])))


def ordered(*axes):
    """The right patches, with their axes in another order."""
    return lambda x, size, stride: rows(patches(x, size, stride).transpose(axes))


def starting(x, size, stride):
    """As many places as there should be, each one pixel after the one before it."""
    down, across = counts(x.shape, size, stride)
    return rows(patches(x, size, 1)[:down, :across])


def without_the_last(down, across):
    """`range(0, height - rows, stride)`: it ends one start too early, down, across or both."""

    def matrix(x, size, stride):
        heights = range(0, x.shape[1] - size[0] + 1 - down, stride)
        widths = range(0, x.shape[2] - size[1] + 1 - across, stride)
        return np.array([x[:, i : i + size[0], j : j + size[1]].ravel() for i in heights for j in widths])

    return matrix


def in_the_first_row(x, size, stride):
    right = rows(patches(x, size, stride))
    matrix = np.zeros(right.shape)
    matrix[:1] = right[-1:]
    return matrix


def tiles(x, size, stride):
    """Windows side by side, whatever the stride."""
    return np.array([
        x[:, i : i + size[0], j : j + size[1]].ravel()
        for i in range(0, x.shape[1] - size[0] + 1, size[0]) for j in range(0, x.shape[2] - size[1] + 1, size[1])
    ])  # fmt: skip


LAST = "The last start is missing; it is height - rows, or width - columns, and a range stops before its end"
MISTAKES = (
    ("patches-as-columns", "Each patch is a column; it must be a row", lambda *case: ordered(0, 1, 2, 3, 4)(*case).T),
    ("channels-last", "The channels change fastest; a patch goes channel by channel, so put the channels first",
     ordered(0, 1, 3, 4, 2)),
    ("column-order", "You read a patch column by column; read it row by row, as `ravel()` does",
     ordered(0, 1, 4, 3, 2)),
    ("patch-transposed", "In each patch, rows and columns are swapped", ordered(0, 1, 2, 4, 3)),
    ("places-transposed", "Your places go down first; they must go to the right first, in reading order",
     ordered(1, 0, 2, 3, 4)),
    ("flipped", "Each patch is reversed; leave it as it is",
     lambda x, size, stride: rows(patches(x, size, stride)[..., ::-1, ::-1])),
    ("stride-ignored", "The window moves by 1, not by stride", lambda x, size, stride: rows(patches(x, size, 1))),
    ("every-stride", "You skip pixels inside the window; the window moves by stride, and takes every pixel in it",
     lambda x, size, stride: rows(patches(x, size, stride)[..., ::stride, ::stride])),
    ("stride-not-in-start", "A patch starts stride pixels after the one before it, not one pixel", starting),
    ("no-overlap", "Your windows do not overlap; they must move by stride", tiles),
    ("last-missing", LAST, without_the_last(1, 1)),
    ("last-missing", LAST, without_the_last(1, 0)),
    ("last-missing", LAST, without_the_last(0, 1)),
    ("stride-one-axis", "The window moves by stride along one axis only; it must do so along both",
     lambda x, size, stride: rows(patches(x, size, 1)[::stride])),
    ("stride-one-axis", "The window moves by stride along one axis only; it must do so along both",
     lambda x, size, stride: rows(patches(x, size, 1)[:, ::stride])),
    (
        "same-array",
        "Every row is the last patch; you keep one array and change it, so keep a copy of each patch",
        lambda x, size, stride: np.broadcast_to(
            rows(patches(x, size, stride))[-1], rows(patches(x, size, stride)).shape
        ),
    ),
    ("one-row", "You write every patch into the first row; count the rows", in_the_first_row),
    ("first-places", "Only the places of the first row are there; is a `return` inside a loop?",
     lambda x, size, stride: rows(patches(x, size, stride)[:1])),
    ("channels-as-places", "Each channel has rows of its own; a patch goes through all channels, in one row",
     lambda x, size, stride: patches(x, size, stride).transpose(2, 0, 1, 3, 4).reshape(-1, size[0] * size[1])),
    (
        "reshaped",
        "The channels come before the places; a reshape does not move axes, so transpose first",
        lambda x, size, stride: (
            patches(x, size, stride).transpose(2, 0, 1, 3, 4).reshape(-1, len(x) * size[0] * size[1])
        ),
    ),
    ("reshaped", "You have a row for each number of a patch; a reshape does not transpose, but `.T` does",
     lambda x, size, stride: rows(patches(x, size, stride)).T.reshape(-1, len(x) * size[0] * size[1])),
    ("first-channel", "You take only the first channel; a patch goes through all channels",
     lambda x, size, stride: rows(patches(x, size, stride)[:, :, :1])),
    ("channels-summed", "You add up the channels; each has its own numbers in the patch",
     lambda x, size, stride: rows(patches(x, size, stride).sum(axis=2))),
    ("square-window", "You take the window's height for its width as well; size[1] is its width",
     lambda x, size, stride: rows(patches(x, (size[0], size[0]), stride))),
    ("square-window", "You take the window's width for its height as well; size[0] is its height",
     lambda x, size, stride: rows(patches(x, (size[1], size[1]), stride))),
    ("size-swapped", "The window's height and width are swapped; size is (rows, columns)",
     lambda x, size, stride: rows(patches(x, size[::-1], stride))),
)  # fmt: skip


def matrix_of(im2col, x, size, stride):
    """What the student's function gives; refused, with the reason, if patches of different sizes make no matrix."""
    try:
        answer = im2col(x, size, stride)
        return np.array(answer) if type(answer) is list else answer
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
        down, across = (n - k for n, k in zip(x.shape[1:], size, strict=True))
        sentence = (
            f"for x of shape {x.shape} and size {size} your patches are not all of the same size, because some windows"
        )
        sentence += f" stick out: the last start is {down} down and {across} across"
        raise refuse("sticks-out", sentence, example(x=x)) from None


def judge(im2col, seed, budget):
    """Raise, and name the mistake, unless every row is the patch of its place."""
    wrong = []
    for shape, size, stride, rng in cases(seed, budget):
        x = image(rng, shape)
        answer, right = as_array(matrix_of(im2col, x, size, stride), "the result"), rows(patches(x, size, stride))
        if not same(answer, right):
            wrong.append((answer, (x, size, stride)))
    if not wrong:
        return
    answer, (x, size, stride) = wrong[0]
    right, (down, across) = rows(patches(x, size, stride)), counts(x.shape, size, stride)
    sentence = f"for x of shape {x.shape}, size {size} and stride {stride}"
    if answer.shape != right.shape:
        n, k = right.shape
        sentence += f" there are {down} times {across} places with {k} numbers each, so the shape is {(n, k)}"
        sentence += f"; yours is {answer.shape}"
    else:
        sentence += f", {worst(answer, right)}"
    shown = example(answer, right, x=x)
    flat = answer.size == right.size and answer.ndim != 2 and same(answer.reshape(right.shape), right)
    require(not flat, "not-flat", f"{sentence}. The numbers are right; make each patch one row", example=shown)
    if mistake := explanation(wrong, MISTAKES):
        raise refuse(mistake[0], f"{sentence}. {mistake[1]}", shown)
    raise refuse("differs" if answer.shape == right.shape else "wrong-shape", sentence, shown)


@exercise.check(points=4)
def test_every_row_is_the_patch_of_its_place(im2col, seed, budget):
    judge(im2col, seed, budget)


@exercise.check(points=1)
def test_the_product_is_the_convolution(im2col, seed, budget):
    judge(im2col, seed, 1)
    for shape, size, stride, rng in cases(seed, budget):
        x, weight = image(rng, shape), rng.integers(-3, 4, (2, shape[0], *size)).astype(float)
        product = as_array(im2col(x, size, stride)) @ weight.reshape(2, -1).T
        right = np.einsum("ijcrs,ocrs->ijo", patches(x, size, stride), weight).reshape(-1, 2)
        if not same(product, right):
            sentence = f"for x of shape {shape}, size {size} and stride {stride} the product differs"
            raise refuse("differs", f"{sentence}, {worst(product, right)}")
