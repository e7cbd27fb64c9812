"""What to predict in tutorial 05, in its order."""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.learn.authoring import topological_order
from tinygrad_lora.learn.predictions.prediction import prediction


@prediction("05-array", rows=(2, 3, 4), columns=(3, 4, 5))
def a_node_holds_an_array(rows, columns):
    """A parameter has {rows} rows of {columns} numbers. Double it, and add everything up. How many nodes are there?"""
    total = tl.sum(2 * tl.parameter(np.ones((rows, columns))))
    yield len(topological_order([total])), "A node holds a whole array, and each operation adds one node"
    yield "node-for-each-number", 2 * rows * columns + 1, "a number has no node of its own: a node holds an array"
    yield "no-leaves", 2, "those are the two operations; the parameter is a node as well"


@prediction("05-repeated", shape=((2, 1), (1, 3), (3,)))
def repeated_then_summed(shape):
    """Let `y = x + b`, where `x` has shape (2, 3) and `b` has shape {shape}. What is the shape of the gradient
    of `b`?"""
    x, b = tl.parameter(np.ones((2, 3))), tl.parameter(np.ones(shape))
    tl.sum(x + b).backward()
    yield b.gradient.shape, "A gradient has the shape of its array: what was repeated is summed up"
    yield "not-summed", (2, 3), "that is the shape of what flows in, but `b` was repeated to reach it"
    yield (
        "reshaped",
        () if shape == (3,) else (max(shape),),
        "axes neither appear nor disappear: it must have the shape of `b`",
    )


@prediction("05-sum", axis=(0, 1), seed=((1, 2, 5), (3, 7)))
def summed_then_repeated(axis, seed):
    """`x` has two rows of three numbers. For `tl.sum(x, axis={axis})` the seed is {seed}. What is the last number in
    the gradient of `x`, that is, the one in row 1 and column 2?"""
    x = tl.parameter(np.ones((2, 3)))
    tl.sum(x, axis=axis).backward(seed=np.array(seed, float))
    yield float(x.gradient[1, 2]), "Each number was part of one sum, and gets what this sum gets"
    yield "all-elements", sum(seed), "that is the whole seed, but this number was part of only one sum"
    yield "mean-for-sum", seed[-1] / x.shape[axis], "that is the rule of the mean: a sum divides by nothing"
    yield "wrong-axis", seed[0], "that belongs to the first sum, but this number is part of the last one"


@prediction("05-differences", n=(3, 4, 5))
def a_column_and_a_row(n):
    """Subtract {n} targets of shape ({n},) from {n} predictions of shape ({n}, 1). How many numbers come out?"""
    yield (np.ones((n, 1)) - np.ones(n)).size, "The column is repeated along the row and the row along the column"
    yield "accidental-broadcast", n, "that is what was meant; but shapes are aligned from the right, and 1 is repeated"
    yield "accidental-broadcast", 1, "nothing is summed here; axes of length 1 are repeated"
