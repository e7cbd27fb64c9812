r"""The gradient of the largest

`x` is one channel of an image, (height, width). Windows of `size` by `size` lie side by side, and `y[i, j]` is the
largest number in the window that begins at row `i * size` and column `j * size`. Rows and columns that are left over at
the end are in no window.

Write `max_pool_vjp(g, y, x, size)`: the gradient of `x`, from the gradient `g` of `y`.

Only the largest number of a window moves its output, so that number gets all of g. If several are equally large, the
**first** one gets it: the first in reading order, from left to right, then down.
"""

import numpy as np

from tinygrad_lora.learn.authoring import (
    Exercise,
    as_array,
    example,
    explanation,
    generators,
    number,
    numbers,
    refuse,
    require,
    same,
    worst,
)

HINTS = (
    "Take one window, `x[0:size, 0:size]`. Where in it is the largest number? NumPy has a function for that.",
    "`window.argmax()` counts in reading order, and returns the first of the largest. `divmod(place, size)` turns that "
    "into a row and a column.",
    "Zeros in the shape of x; for each i and j of g: `a, b = divmod(window.argmax(), size)`, then "
    "`gradient[i * size + a, j * size + b] = g[i, j]`.",
)
ABOUT = (
    "A maximum passes the gradient on to the number that it took, like a switch. At a tie the slope is not defined, "
    "so people had to agree on a rule: the first one gets all, as in PyTorch."
)
NEXT = "An image is all 0 except for one stroke. Which pixels of the empty part get a gradient? Does that do harm?"
exercise = Exercise("16-max-pool", __doc__, kind="N", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def max_pool_vjp(g, y, x, size):
    """The gradient of x, from the gradient g of the largest numbers y of its windows."""
    gradient = np.zeros(x.shape)
    for i, j in np.ndindex(g.shape):
        window = x[i * size : (i + 1) * size, j * size : (j + 1) * size]
        row, column = divmod(int(window.argmax()), size)
        gradient[i * size + row, j * size + column] = g[i, j]
    return gradient


@exercise.another()
def all_windows_at_once(g, y, x, size):
    """No loop: each window becomes a row of a matrix, and the first of the largest in a row gets a 1."""
    n, m = g.shape
    windows = x[: n * size, : m * size].reshape(n, size, m, size).transpose(0, 2, 1, 3).reshape(-1, size * size)
    chosen = np.eye(size * size)[windows.argmax(axis=1)] * g.reshape(-1, 1)
    gradient = np.zeros(x.shape)
    gradient[: n * size, : m * size] = chosen.reshape(n, m, size, size).transpose(0, 2, 1, 3).reshape(n * size, -1)
    return gradient


def by_window(rule):
    """The gradient that this rule gives: it makes a window's gradient from one number of g and the window."""

    def gradient(g, y, x, size):
        result = np.zeros(x.shape)
        for i, j in np.ndindex(g.shape):
            place = slice(i * size, (i + 1) * size), slice(j * size, (j + 1) * size)
            result[place] = rule(g[i, j], x[place])
        return result

    return gradient


def chosen(window, place):
    """A 1 at this place, counted along, and 0 elsewhere."""
    result = np.zeros(window.size)
    result[place] = 1
    return result.reshape(window.shape)


def first(window):
    return chosen(window, window.argmax())


def largest(window):
    return window == window.max()


right_gradient = by_window(lambda g, w: g * first(w) + 0.0)  # no -0 in a message


def misplaced(scale):
    """Where the window begins at row `scale` times i, and what is there already is replaced."""

    def gradient(g, y, x, size):
        result = np.zeros(x.shape)
        for i, j in np.ndindex(g.shape):
            row, column = divmod(int(x[i * size : (i + 1) * size, j * size : (j + 1) * size].argmax()), size)
            result[scale * i + row, scale * j + column] = g[i, j]
        return result

    return gradient


def first_in_image(g, y, x, size):
    """Each output goes to the first number of the image that equals it."""
    result = np.zeros(x.shape)
    for place in np.ndindex(g.shape):
        result[tuple(np.argwhere(x == y[place])[0])] += g[place]
    return result


def everywhere(g, y, x, size):
    """Wherever a number of x is equal to some number of y at all."""
    window = np.kron(g, np.ones((size, size)))
    result = np.zeros(x.shape)
    result[: window.shape[0], : window.shape[1]] = window
    return result * np.isin(x, y)


MISTAKES = (
    ("every-maximum", "Each of the largest numbers gets all of g; only the first one must get it",
     by_window(lambda g, w: g * largest(w))),
    ("shared", "You divide g among the largest numbers; the first one must get all of it",
     by_window(lambda g, w: g * largest(w) / largest(w).sum())),
    ("last-maximum", "The last of the largest numbers gets g; the first one must get it",
     by_window(lambda g, w: g * chosen(w, w.size - 1 - w.ravel()[::-1].argmax()))),
    ("column-first", "Your first one is the first column by column; take the first row by row",
     by_window(lambda g, w: g * first(w.T).T)),
    ("places-swapped", "Row and column of the largest number are swapped", by_window(lambda g, w: g * first(w).T)),
    ("missing-upstream", "The largest number must get g, the gradient that flows in, not 1",
     by_window(lambda g, w: first(w))),
    ("times-input", "There y equals x, so the slope is 1; do not multiply by the number itself",
     by_window(lambda g, w: g * w * first(w))),
    ("all-pass", "Every number of a window gets g; only the largest one moves the output",
     by_window(lambda g, w: g * np.ones(w.shape))),
    ("mean-for-max", "That is the rule of the mean, where every number gets a share; here the largest gets all",
     by_window(lambda g, w: g * np.ones(w.shape) / w.size)),
    ("smallest", "The smallest number gets g; the largest must get it",
     by_window(lambda g, w: g * chosen(w, w.argmin()))),
    ("largest-size", "You compare absolute values; of -3 and 2 the largest number is 2",
     by_window(lambda g, w: g * chosen(w, np.abs(w).argmax()))),
    ("starts-at-zero", "If all numbers of a window are below 0, none gets g; begin with the first number, not with 0",
     by_window(lambda g, w: g * first(w) * (w.max() > 0))),
    ("window-forgotten", "A place in a window is counted from its start; add i * size and j * size", misplaced(0)),
    ("start-not-scaled", "Window i begins at row i * size, not at row i; columns likewise", misplaced(1)),
    ("first-place", "The first number of each window gets g, whatever it is; the largest must get it",
     by_window(lambda g, w: g * chosen(w, 0))),
    ("other-windows", "You compare a number with the outputs of all windows; compare it only with that of its own",
     everywhere),
    ("output-for-gradient", "The gradient that flows in is g, not y", by_window(lambda g, w: w.max() * first(w))),
    ("first-in-image", "Look for the largest in its own window, not in the whole image", first_in_image),
    ("wrong-sign", "The sign is wrong", lambda *case: -right_gradient(*case)),
)  # fmt: skip

A = [[1.0, 4.0, 2.0, 0.0], [3.0, 2.0, 5.0, 1.0]]
EXAMPLES = (
    (A, 2), ([[2.0, 5.0], [5.0, 1.0]], 2), ([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]], 1), ([[-4.0, -1.0], [-2.0, -3.0]], 2),
    ([[1.0, 2.0, 9.0], [3.0, 2.0, 9.0], [9.0, 9.0, 9.0]], 2), ([[7.0, 7.0], [7.0, 7.0]], 2),
    ([[3.0, 1.0, 1.0, 3.0], [1.0, 3.0, 3.0, 4.0]], 2), ([[1.0, 2.0, 2.0], [3.0, 0.0, 3.0], [3.0, 1.0, 1.0]], 3),
)  # fmt: skip


def cases(seed, budget):
    """Images, window sizes and generators: without a tie, with one, below zero, with something left over."""
    rng = np.random.default_rng([seed, 17])
    yield from ((np.array(x), size, rng) for x, size in EXAMPLES)
    for i, own in generators(seed, min(budget, 16)):
        size = int(own.integers(2, 4))
        shape = tuple(size * int(n) + int(own.integers(0, size)) for n in own.integers(1, 4, 2))
        yield own.integers(-4, 4 + i % 3, shape).astype(float), size, own


def largest_of(x, size):
    n, m = (length // size for length in x.shape)
    return x[: n * size, : m * size].reshape(n, size, m, size).max(axis=(1, 3))


def judge(max_pool_vjp, seed, budget):
    """Raise, and name the mistake, unless the first of the largest gets what flows in."""
    wrong = []
    for x, size, rng in cases(seed, budget):
        y = largest_of(x, size)
        g = numbers(rng, y.shape)
        answer = as_array(max_pool_vjp(g, y, x, size), "the gradient", x.shape)
        if not same(answer, right_gradient(g, y, x, size)):
            wrong.append((answer, (g, y, x, size)))
    if not wrong:
        return
    answer, (g, y, x, size) = wrong[0]
    right = right_gradient(g, y, x, size)
    sentence = f"for x of shape {x.shape} and size {size}, {worst(answer, right)}"
    shown = example(answer, right, x=x, g=g)
    if mistake := explanation(wrong, MISTAKES):
        raise refuse(mistake[0], f"{sentence}. {mistake[1]}", shown)
    n, m = (length // size * size for length in x.shape)
    beyond = answer[n:].any() or answer[:, m:].any()
    require(not beyond, "left-over", f"{sentence}. A number in no window gets 0", example=shown)
    raise refuse("differs", sentence, shown)


@exercise.check(points=3)
def test_the_first_of_the_largest_gets_what_flows_in(max_pool_vjp, seed, budget):
    judge(max_pool_vjp, seed, budget)


@exercise.check(points=1)
def test_nothing_is_lost_and_nothing_added(max_pool_vjp, seed, budget):
    """The gradient of x sums to what flows in."""
    judge(max_pool_vjp, seed, 1)
    for x, size, rng in cases(seed, budget):
        y = largest_of(x, size)
        g = numbers(rng, y.shape)
        total = float(as_array(max_pool_vjp(g, y, x, size), "the gradient", x.shape).sum())
        sentence = f"for x of shape {x.shape} and size {size} g sums to {number(float(g.sum()))}"
        sentence += f" and your gradient to {number(total)}; it should be the same"
        require(same(as_array(total), as_array(float(g.sum()))), "differs", sentence)
