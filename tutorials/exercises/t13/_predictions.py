"""What to predict in tutorial 13, in its order."""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.predictions.prediction import prediction


@prediction("13-average", n=(4, 5, 8))
def equal_scores(n):
    """A query gives all {n} tokens the same score, 3. What is the weight of each after the softmax?"""
    yield float(tl.softmax(np.full(n, 3.0))[0]), "Equal scores make a plain average; only differences of scores matter"
    yield "no-softmax", 3, "that is the score; weights are shares of 1"
    yield "no-softmax", 1, "then together they would be more than 1; weights are shares of 1"
    yield "not-divided", float(np.exp(3.0)), "that is the exponential alone: divide it by the sum of all of them"


@prediction("13-table", t=(3, 2), s=(5, 7), d=(8, 4))
def shape_of_the_weights(t, s, d):
    """{t} tokens ask and {s} tokens answer, so there are {t} queries and {s} keys, of {d} numbers each. What is the
    shape of the matrix of weights?"""
    queries, keys = tl.placeholder((t, d), name="Q"), tl.placeholder((s, d), name="K")
    yield (
        tl.softmax(queries @ keys.T).shape,
        "A row for each token that asks, and a column for each that answers",
    )
    yield "transposed", (s, t), "a row belongs to a token that asks"
    yield "numbers-for-tokens", (t, d), "the numbers of a vector are summed over, and disappear"
    yield "numbers-for-tokens", (d, d), "the numbers of a vector are summed over, and disappear"


@prediction("13-spread", d=(64, 16, 100))
def spread_of_a_score(d):
    """A query and a key hold {d} random numbers each, with mean 0 and standard deviation 1. How large is the standard
    deviation of their dot product?"""
    yield float(np.sqrt(d)), "Variances add up, one for each product; the standard deviation is the root of that"
    yield "variance", d, "that is the variance, and the standard deviation is its root"
    yield "one-product", 1, "that is the spread of one product, and there are as many products as numbers"
    yield "numbers-added", 2 * d, "each product has the variance 1, and these add up"


@prediction("13-visible", n=(6, 4, 10))
def weights_that_are_left(n):
    """{n} tokens, so {n} times {n} weights. No token may see a later one. How many weights may differ from 0?"""
    yield int(np.tri(n).sum()), "1 in the first row, 2 in the second, and so on: the triangle with its diagonal"
    yield "diagonal-hidden", n * (n - 1) // 2, "a token may see itself"
    yield "future-visible", n * n, "that is all of them; those of later tokens are 0"
    yield "only-the-diagonal", n, "that is one in each row; a token also sees all tokens before it"
    yield "half", n * n / 2, "the diagonal is not cut in half: all of it is visible"


SAME, OTHER, PART = "the same numbers as before", "other numbers", "the same numbers, in another order"


@prediction("13-shuffle", n=(9, 5, 12))
def shuffled_text(n):
    """Attention without a mask runs over {n} words. Then the {n} words are shuffled, and it runs again. What is the
    output for a word now, at its new place?"""
    rng = np.random.default_rng(n)
    x, order = rng.normal(size=(n, 4)), rng.permutation(n)

    def attend(x):
        return tl.softmax(x @ x.T) @ x

    yield SAME if np.allclose(attend(x)[order], attend(x[order])) else OTHER, "A sum has no order, so a text is a bag"
    yield "sees-order", OTHER, "where would the order come in? Look for a place in the formula that knows it"
    yield "order-of-numbers", PART, "the words change their order; the numbers within a vector do not"


@prediction("13-price", width=(32, 64, 128), count=(8, 2, 16))
def price_of_heads(width, count):
    """A layer of attention has four matrices, {width} by {width}: for queries, keys, values and the result. Now it gets
    {count} heads instead of one. How many numbers do its matrices hold then?"""
    yield 4 * width * width, "Heads are parts of the same vectors, so they cost no extra numbers"
    yield "each-head-whole", 4 * width * width * count, "a head has a part of each vector, not a whole one"
    yield "one-matrix", width * width, "that is one of the four"
    yield "cut-twice", 4 * width * width // count, "each head is smaller, and there are more of them"
