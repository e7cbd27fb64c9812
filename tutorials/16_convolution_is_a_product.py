# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 16 · Convolution is a product
# *Outcome: you can write a convolution as one product of matrices, with its gradient, and train with it. · 60 minutes*
#
# A network reads a 3. Somebody moves the page by one pixel. Does it still read a 3?

# %%
import time

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.blas import one_thread
from tinygrad_lora.data import digits
from tinygrad_lora.view.chart import images

one_thread()  # so that a busy machine is as fast as a quiet one

# %% instructor=true
from tinygrad_lora.learn import reference

# %%
data = digits()


def moved(x, right, down):
    """The same images, moved by so many pixels; empty paper comes in at the edge."""
    wide = np.pad(x.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    return wide[:, 1 - down : 9 - down, 1 - right : 9 - right].reshape(-1, 64)


first_of = {label: np.flatnonzero(data.y_test == label)[0] for label in range(10)}
some = data.x_test[[first_of[label] for label in (3, 0, 1, 4, 7, 8)]]
images(np.concatenate([some, moved(some, 1, 0)]).reshape(-1, 8, 8), columns=6)

# %% [markdown]
# In the second row are the same digits, one pixel further to the right. You read them as well as before. Does the dense
# network of tutorial 07?


# %%
def network(seed=0):
    return tl.Sequential(tl.Linear(64, 32, seed=seed), tl.relu, tl.Linear(32, 10, seed=seed + 1))


def train(model, epochs=10, batch=32):
    """Train on shuffled batches of the digits, with a compiled step. Returns the losses."""
    losses, rng = [], np.random.default_rng(0)
    step = tl.compile_training_step(model, tl.cross_entropy, tl.Adam(model.parameters(), lr=0.005))
    for _ in range(epochs):
        order = rng.permutation(len(data.x_train))
        for i in range(0, len(order) - batch + 1, batch):
            rows = order[i : i + batch]
            losses.append(step(data.x_train[rows], data.y_train[rows]))
    return losses


def accuracy(model, x):
    return float((model.forward(x).argmax(axis=1) == data.y_test).mean())


def accuracy_when_moved(model):
    """The mean over four directions, one pixel each."""
    return np.mean([accuracy(model, moved(data.x_test, *way)) for way in ((1, 0), (-1, 0), (0, 1), (0, -1))])


dense = network()
_ = train(dense)
print(f"as they are {accuracy(dense, data.x_test):.1%}, moved by one pixel {accuracy_when_moved(dense):.1%}")

# %% [markdown]
# It misreads more than half of the moved ones. Each weight of a dense layer belongs to one pixel. If the layer has
# learned something about a stroke at one place, it does not know it at the next place.
#
# ## One small pattern, at every place
#
# So take a small pattern of weights, and use it everywhere. Such a pattern is called a **kernel**. Lay it on the image,
# multiply number by number, add up. Then move it by one pixel, and do it again. This is a **convolution**.

# %% predict="16-edge"
tl.predict("16-edge")


# %%
def slide(image, kernel):
    """A number for each place of the kernel: the pixels there, times its weights, added up."""
    rows, columns = kernel.shape
    down, across = image.shape[0] - rows + 1, image.shape[1] - columns + 1
    result = np.zeros((down, across))
    for i in range(down):
        for j in range(across):
            result[i, j] = (image[i : i + rows, j : j + columns] * kernel).sum()
    return result


to_the_right = np.array([[-1.0, 0.0, 1.0]] * 3)
kernels = {
    "to the right": to_the_right,
    "down": to_the_right.T,
    "spots": np.full((3, 3), -1.0) + 9 * np.eye(9)[4].reshape(3, 3),
}
images(list(kernels.values()), list(kernels), colors="signed")

# %% [markdown]
# Orange is positive, blue is negative. The first kernel subtracts what is on the left from what is on the right. Here
# is a digit of 8 by 8 pixels:

# %%
digit = data.x_test[first_of[0]].reshape(8, 8)
images([digit], ["the digit"], size=110)

# %% [markdown]
# And here is what the three kernels make of it. Reading from left to right, where does the ink begin, and where does it
# end?

# %%
images([slide(digit, kernel) for kernel in kernels.values()], list(kernels), colors="signed", size=110)

# %% [markdown]
# The first two are **edge filters**. From left to right, the first map is orange where the ink begins, and blue where
# it ends. The second does the same from top to bottom. These kernels were not trained. Later a network finds its own.

# %% predict="16-moved"
tl.predict("16-moved")

# %%
before = slide(digit, to_the_right)
after = slide(moved(digit.reshape(1, 64), 1, 0).reshape(8, 8), to_the_right)
print("the map has moved, number for number:", np.array_equal(before[:, :-1], after[:, 1:]))

# %% [markdown]
# A kernel that is learned at one place works at all places. That is just what the dense network lacks.
#
# ## How many places?
#
# Our maps have 6 rows, and the digit has 8. An image may have several **channels**, such as red, green and blue. Then a
# kernel has weights for each of them, and adds everything up. And there are several kernels: each one yields a channel
# of the output.

# %% predict="16-shape"
tl.predict("16-shape")

# %% [markdown]
# Two settings change the number of places. **Padding** puts zeros around the image, so that a kernel can start earlier
# and end later. A **stride** of 2 moves it by two pixels at a time.

# %%
x, weight = np.ones((1, 1, 8, 8)), np.ones((1, 1, 3, 3))
for padding, stride in ((0, 1), (1, 1), (0, 2), (1, 2)):
    print(f"padding {padding}, stride {stride}: {tl.conv2d(x, weight, padding=padding, stride=stride).shape}")

# %% exercise="16-output-shape"
output_shape = reference("16-output-shape")

# %% [markdown]
# ## Patches as rows
#
# `slide` has two loops of Python, and they are slow. Is there a product of matrices in it?
#
# At every place the same nine weights meet another nine pixels. Write the nine pixels of each place as a row. All rows
# together are a matrix, and the weights are a column. Matrix times column computes all nine products at each place, and
# their sum.

# %% predict="16-patches"
tl.predict("16-patches")

# %% [markdown]
# Many libraries call this **im2col**, for "image to columns". In our matrix the patches are rows, as samples are in
# this course.

# %% exercise="16-im2col"
im2col = reference("16-im2col")

# %% [markdown]
# Here are the patches of our digit: one row for each of 36 places, with nine numbers in each. Look for the same pixel
# in several rows.

# %%
try:
    patches = im2col(digit[None], (3, 3), 1)
except NotImplementedError:
    print("write im2col, then run this cell again")
    patches = np.zeros((36, 9))
chart = tl.Chart("36 patches of 9 pixels", x="pixel of the patch", y="place", size=(160, 320))
chart.image(patches, colors="ink")

# %% [markdown]
# Now take one product instead of the loops. Are the numbers the same? And on a picture of three channels, with eight
# kernels, which is faster?

# %%
photo, weights = np.random.default_rng(0).random((3, 32, 32)), np.random.default_rng(1).normal(size=(8, 3, 3, 3))
try:
    product = im2col(digit[None], (3, 3), 1) @ to_the_right.ravel()
    print("the digit: largest difference", abs(product.reshape(6, 6) - before).max())
    start = time.perf_counter()
    looped = [sum(slide(channel, k) for channel, k in zip(photo, kernel, strict=True)) for kernel in weights]
    middle = time.perf_counter()
    product = (im2col(photo, (3, 3), 1) @ weights.reshape(8, -1).T).T.reshape(8, 30, 30)
    end = time.perf_counter()
    print(f"loops {middle - start:.4f} s, patches and product {end - middle:.4f} s")
    print("largest difference", abs(product - looped).max())
except NotImplementedError:
    print("write im2col, then run this cell again")

# %% [markdown]
# The matrix is almost nine times as large as the picture, and still this is faster. Most of what is left is the time to
# gather the patches. The product itself is the operation that computers do best.
#
# ## The way back
#
# You know the gradient of a product from tutorial 05. So we have the gradient of each number in the patches. But a
# pixel is in many patches. What is its gradient?

# %% predict="16-uses"
tl.predict("16-uses")

# %% exercise="16-scatter"
im2col_vjp = reference("16-scatter")

# %% [markdown]
# How many patches contain each pixel of an 8 by 8 image? Let every patch send back ones:

# %%
try:
    uses = im2col_vjp(np.ones((36, 9)), (1, 8, 8), (3, 3), 1)[0]
    print(uses.astype(int))
except NotImplementedError:
    print("write im2col_vjp, then run this cell again")

# %% [markdown]
# The corner is in only one. So if the edges of an image matter, add padding: then edge pixels are in more patches.
#
# The engine has no rule for a convolution. `tl.conv2d` is written in operations that you know, and each of them has a
# rule:

# %%
x = tl.parameter(data.x_test[:1].reshape(1, 1, 8, 8), "x")
weight = tl.parameter(to_the_right.reshape(1, 1, 3, 3), "weight")
y = tl.conv2d(x, weight)
counts = {}
for node in tl.Graph([], [y]).nodes:
    counts[str(node.op)] = counts.get(str(node.op), 0) + 1
print(", ".join(f"{count} {name}" for name, count in counts.items()))

# %% [markdown]
# There are nine slices, put side by side, and one `matmul`. A slice holds one pixel of the window at all places, so
# nine slices do the work of 36 patches. The product is the same, and so is the gradient:

# %%
seed = np.random.default_rng(0).normal(size=y.shape)
y.backward(seed=seed)
try:
    g = seed.reshape(-1, 1) @ to_the_right.reshape(1, -1)
    mine = im2col_vjp(g, (1, 8, 8), (3, 3), 1)
    print("largest difference to yours:", abs(mine - x.gradient[0]).max())
except NotImplementedError:
    print("write im2col_vjp, then run this cell again")

# %% [markdown]
# ## The largest
#
# A map says exactly where a stroke is. To read a digit, you need less: "somewhere at the upper left" is enough.
# **Pooling** takes the largest number of each window of 2 by 2. The map becomes smaller, and a stroke that moves by a
# pixel often stays in its window.

# %%
maps = [slide(np.pad(digit, 1), kernel) for kernel in kernels.values()]
pooled = [tl.max_pool(one[None, None], 2)[0, 0] for one in maps]
images(
    [*maps, *pooled],
    [*kernels, *(f"{a} by {b}" for a, b in map(np.shape, pooled))],
    columns=3,
    colors="signed",
    size=90,
)

# %% [markdown]
# And what is its gradient? Only the largest number of a window moves the output.

# %% predict="16-tie"
tl.predict("16-tie")

# %% exercise="16-max-pool"
max_pool_vjp = reference("16-max-pool")

# %% [markdown]
# Ties are not rare. The paper of these digits is 0 everywhere, and `relu` turns all negative numbers into zeros.
#
# ## What it costs
#
# A convolution has few numbers, and uses them often. How few are they?

# %% predict="16-larger-image"
tl.predict("16-larger-image")

# %% exercise="16-counts"
convolution_size, dense_size = reference("16-counts")

# %%
try:
    print(f"8 kernels of 3 by 3 on a digit: {convolution_size(1, 8, 3):,}, a dense layer {dense_size(1, 8, 8, 8, 3):,}")
    print(f"the same on a photo of 3 channels, 224 by 224: {convolution_size(3, 8, 3):,}", end="")
    print(f", a dense layer {dense_size(3, 224, 224, 8, 3):,}")
except NotImplementedError:
    print("write both functions, then run this cell again")

# %% [markdown]
# ## A small network
#
# This network has two convolutions, each with `relu` and pooling, and then one dense layer to the ten digits. It is a
# layer like those of tutorial 06.


# %%
class Reader(tl.Layer):
    """Two convolutions with pooling, 8 by 8 to 4 by 4 to 2 by 2; then a dense layer."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.first = tl.parameter(rng.normal(size=(8, 1, 3, 3)) * np.sqrt(2 / 9))
        self.first_bias = tl.parameter(np.zeros(8))
        self.second = tl.parameter(rng.normal(size=(16, 8, 3, 3)) * np.sqrt(2 / 72))
        self.second_bias = tl.parameter(np.zeros(16))
        self.out = tl.Linear(16 * 2 * 2, 10, seed=rng)

    def __call__(self, x):
        x = tl.reshape(x, (-1, 1, 8, 8))
        x = tl.max_pool(tl.relu(tl.conv2d(x, self.first, self.first_bias, padding=1)), 2)
        x = tl.max_pool(tl.relu(tl.conv2d(x, self.second, self.second_bias, padding=1)), 2)
        return self.out(tl.reshape(x, (-1, 64)))


reader = Reader()
tl.parameter_tree(reader)

# %%
losses = {"dense": train(network()), "convolutions": train(reader)}

# %%
from tinygrad_lora.view import plots

plots.loss_curves(losses, smooth=15, log=True)

# %%
print(f"{'':<14}{'parameters':>11}{'as they are':>13}{'moved':>8}")
for name, model in {"dense": dense, "convolutions": reader}.items():
    print(
        f"{name:<14}{model.parameter_count:>11,}{accuracy(model, data.x_test):>13.1%}{accuracy_when_moved(model):>8.1%}"
    )

# %% [markdown]
# With fewer numbers it reads the digits as well as the dense network, and more of those that have moved. One run proves
# little: try other starts, `Reader(1)` and `network(1)`.
#
# Why does it not read all of the moved ones? Its last layer is dense. That layer has learned what is at the upper left
# and what is at the lower right, and moving by a pixel changes that.
#
# What has the network learned to look for? These are its first eight kernels, and what they make of our digit:

# %%
images(list(reader.first.value[:, 0]), colors="signed", columns=8, size=48)

# %%
first_maps = tl.relu(tl.conv2d(digit[None, None], reader.first, reader.first_bias, padding=1)).value[0]
images(list(first_maps), columns=8, size=48)

# %% [markdown]
# Some have one side orange and the other blue: they are edge filters, most of them at a slant. Nobody told the network
# about edges. If a map is empty, `relu` has set all of it to zero: nothing in this digit suits its kernel.

# %% [markdown]
# ## What to take with you
#
# * A convolution uses the same few weights at every place. If the image moves, the map moves with it.
# * With patches as rows it is a matrix product, which takes more memory, and less time.
# * A number that is copied on the way forward gets a sum on the way back: scatter is the mirror of im2col.
# * A maximum hands the gradient to the number that it took, and at a tie to the first.
# * The number of parameters of a convolution does not depend on the size of the image.

# %% [markdown] instructor=true
# ## For the instructor
#
# | part | minutes | points |
# |---|---|---|
# | The moved digits, one small pattern | 12 | |
# | How many places?, `16-output-shape` | 8 | 4 |
# | Patches as rows, `16-im2col` | 12 | 5 |
# | The way back, `16-scatter` | 11 | 5 |
# | The largest, `16-max-pool` | 8 | 4 |
# | What it costs, `16-counts`, a small network | 9 | 4 |
#
# Twenty-two points in all. Short of time? Give `16-counts` and `16-max-pool` as homework.
#
# Likely mistakes, as diagnosis codes:
#
# * `missing-one` in `16-output-shape`: steps are counted, not starts. Five fence posts have four gaps.
# * `padding-once`: zeros are added at both ends. `channels-kept`: a kernel runs through all channels.
# * `patches-as-columns` in `16-im2col`: the name of the function says so, and the text does not.
# * `channels-last`: images in files have their channels last, and this package has them first, as PyTorch.
# * `flipped`: in a book on signals a convolution turns the kernel around. Networks do not.
# * `overwritten` in `16-scatter`: `=` in place of `+=`; or `x[places] += ...`, which adds each place only once.
# * `every-maximum` in `16-max-pool`: `x == y`. Ask how much flows back at a tie of four.
# * `one-place` in `16-counts`: the dense layer must give a number for each place.
#
# From the zoo: `no_accumulate`. In the block, let the sum of `tl.conv2d(x, np.ones((1, 1, 3, 3)))` go backward: of nine
# uses each pixel keeps one, and the last rows and columns keep none.
#
# Ask at the end: a kernel of 1 by 1, what is it good for? It is a dense layer across the channels, at every place.
