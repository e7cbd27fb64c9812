"""What to predict in tutorial 16, in its order."""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.predictions.prediction import prediction


def convolved(x, weight, **settings):
    """The convolution of one image with one channel by one kernel, as a matrix."""
    return tl.conv2d(np.array(x, float)[None, None], np.array(weight, float)[None, None], **settings)[0, 0]


@prediction("16-edge", a=(7, 9, 12))
def at_an_edge(a):
    """A row of pixels is 2, 2, {a}, {a}. The kernel -2, 1, 1 lies on its first three. Multiply number by number, and
    add up. What is the result?"""
    yield (
        float(convolved([[2, 2, a, a]], [[-2, 1, 1]])[0, 0]),
        "Where all pixels are alike the result is 0; here the ink changes, so it is not",
    )
    yield "flipped", 4 - 2 * a, "that is with the kernel reversed; it lies on the pixels as it is"
    yield "sign-ignored", 6 + a, "the first weight is negative"
    yield "not-summed", -4, "that is the first product alone; add up all of them"


@prediction("16-moved", n=(1, 2))
def moved_image(n):
    """A kernel slides over an image and leaves a map of numbers. Move the image by {n} to the right. What happens to
    the map?"""
    image = np.zeros((8, 10))
    image[2:5, 2:5] = np.arange(1, 10).reshape(3, 3)
    kernel = np.arange(9).reshape(3, 3)
    same = np.array_equal(np.roll(convolved(image, kernel), n, 1), convolved(np.roll(image, n, 1), kernel))
    moves = f"it moves by {n}, too"
    yield moves if same else "all of it changes", "The same numbers meet the same weights, only elsewhere"
    yield "position-ignored", "it stays as it is", "the map says where something is, and now it is elsewhere"
    yield "dense-layer", "it becomes another map", "the kernel is the same at every place, so what does it see there?"


@prediction("16-shape", channels=(3, 2, 4), outputs=(5, 7, 8), size=(3, 5, 2))
def shape_of_the_output(channels, outputs, size):
    """One image has {channels} channels of 8 by 8. There are {outputs} kernels of {size} by {size}, and no padding.
    What is the shape of the output, as (batch, outputs, height, width)?"""
    shape = tl.conv2d(np.ones((1, channels, 8, 8)), np.ones((outputs, channels, size, size))).shape
    yield shape, "One channel for each kernel, and one row for each place where a kernel can start"
    yield "size-kept", (1, outputs, 8, 8), "a kernel cannot start at the last pixel: it would stick out"
    yield (
        "channels-kept",
        (1, channels, *shape[2:]),
        "each kernel sees all channels, and yields one number at each place",
    )
    yield "channels-multiplied", (1, channels * outputs, *shape[2:]), "a kernel adds up what it sees in all channels"
    yield "missing-one", (*shape[:2], 8 - size, 8 - size), "the first place counts as well"


@prediction("16-patches", size=(3, 2, 5))
def numbers_of_the_patches(size):
    """An image has 8 by 8 pixels. A window of {size} by {size} slides over it in steps of one. How many numbers do
    all its patches hold together?"""
    places = (8 - size + 1) ** 2
    yield places * size**2, "For each place, one number for each pixel of the window: most pixels are copied often"
    yield "no-overlap", 64, "that is the image, but patches overlap: a pixel is in several of them"
    yield "one-number-each", places, "that is the number of places, but each patch has several numbers"
    yield "size-kept", 64 * size**2, "not every pixel is the start of a window: some windows would stick out"


@prediction("16-uses", size=(3, 2, 4))
def uses_of_a_pixel(size):
    """A window of {size} by {size} slides over a large image in steps of one. At each place it adds up the pixels that
    it sees, and all these sums are added to one total. What is the gradient of a pixel in the middle?"""
    x = tl.parameter(np.zeros((1, 1, 16, 16)))
    tl.sum(tl.conv2d(x, np.ones((1, 1, size, size)))).backward()
    yield float(x.gradient[0, 0, 8, 8]), "The pixel is in that many windows, and each of them adds its share"
    yield "one-use", 1, "that is the share of one window, but several see this pixel"
    yield "one-axis", size, "that counts the windows in one row, but there are several rows of them"


@prediction("16-tie", g=(6, 8, 10))
def two_equal_numbers(g):
    """A window holds 4, 7 in its first row and 7, 1 in its second. The gradient {g} flows into its maximum. How much
    of it does the second 7 get?"""
    x = tl.parameter(np.array([[[[4.0, 7.0], [7.0, 1.0]]]]))
    tl.sum(tl.max_pool(x, 2) * float(g)).backward()
    yield float(x.gradient[0, 0, 1, 0]), "The first one gets all of it, by agreement: at a tie somebody has to decide"
    yield "every-maximum", g, "then both would get all of it, and twice as much would flow back as flows in"
    yield "shared", g / 2, "that would be fair, but by agreement the first one gets everything"


@prediction("16-larger-image", n=(2, 3))
def parameters_of_a_larger_image(n):
    """A convolution works on images of 8 by 8. Now the images are {n} times as high and {n} times as wide. How many
    parameters does it need?"""
    small, large = (np.ones((1, 1, 8 * k, 8 * k)) for k in (1, n))
    kernel = np.ones((4, 1, 3, 3))
    fits = tl.conv2d(small, kernel).shape[1] == tl.conv2d(large, kernel).shape[1]
    yield "as many as before" if fits else f"{n} times as many", "The same kernels are used at more places"
    yield (
        "dense-layer",
        f"{n**2} times as many",
        "the number of pixels grows that much; does a kernel depend on it?",
    )
    yield "dense-layer", f"{n} times as many", "a kernel does not know how large the image is"
