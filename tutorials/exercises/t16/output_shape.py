r"""The shape of the output

A kernel slides over an image and yields one number at each place. `x` has the shape (batch, channels, height, width),
and `weight` has (outputs, channels, height, width): one kernel for each output.

`padding` is how many zeros are added at both ends of each axis of the image. `stride` is how far the kernel moves from
one place to the next. It stops before it would stick out.

Write `output_shape(x, weight, stride, padding)`. It gets the two shapes as tuples of four numbers, and two whole
numbers. It returns the shape of the result: a tuple (batch, outputs, height, width).
"""

from tinygrad_lora.learn.authoring import Exercise, as_whole, explanation, generators, kind_of, refuse, require

HINTS = (
    "Draw one row of 5 pixels, and a kernel of 3. At which pixels can the kernel start? And if it moves by 2?",
    "With padding there are n + 2 * padding pixels. The first start is 0, the last is that number minus the kernel.",
    "Along each axis it is `(n + 2 * padding - k) // stride + 1`. Before these two come `x[0]` and `weight[0]`.",
)
ABOUT = (
    "There are as many places as there are starts: from 0 up to the length minus the kernel, in steps of the stride. "
    "A kernel runs through all channels at once, so the result has one channel for each kernel."
)
NEXT = "For which padding does a kernel of 3, of 5, of 7 keep the size at stride 1? What about a kernel of 4?"
exercise = Exercise("16-output-shape", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def output_shape(x, weight, stride, padding):
    """The shape of the convolution of an array of shape x with kernels of shape weight."""
    places = [(n + 2 * padding - k) // stride + 1 for n, k in zip(x[2:], weight[2:], strict=True)]
    return (x[0], weight[0], *places)


@exercise.another()
def by_counting_the_starts(x, weight, stride, padding):
    """Let Python count the starts: the length of a range needs no formula."""
    height = len(range(0, x[2] + 2 * padding - weight[2] + 1, stride))
    width = len(range(0, x[3] + 2 * padding - weight[3] + 1, stride))
    return x[0], weight[0], height, width


EXAMPLES = (
    ((1, 1, 5, 5), (1, 1, 3, 3), 1, 0), ((1, 1, 5, 5), (1, 1, 3, 3), 1, 1), ((1, 1, 7, 7), (1, 1, 3, 3), 2, 0),
    ((1, 1, 6, 6), (1, 1, 3, 3), 2, 0), ((2, 3, 6, 6), (4, 3, 3, 3), 1, 0), ((1, 1, 9, 6), (1, 1, 3, 3), 1, 0),
    ((1, 1, 8, 8), (1, 1, 2, 5), 1, 0), ((5, 2, 11, 8), (3, 2, 4, 3), 3, 2), ((1, 1, 3, 3), (1, 1, 3, 3), 1, 0),
)  # fmt: skip


def along(axis):
    """The whole shape, with this formula along each axis of the image."""
    return lambda x, weight, s, p: (x[0], weight[0], *(axis(x[i], weight[i], s, p) for i in (2, 3)))


def right_shape(x, weight, s, p):
    return along(lambda n, k, s, p: len(range(0, n + 2 * p - k + 1, s)))(x, weight, s, p)


def turned(x, weight, s, p):
    return right_shape(x, (*weight[:2], weight[3], weight[2]), s, p)


MISTAKES = (
    ("missing-one", "Count the starts, not the steps between them; that is one more",
     along(lambda n, k, s, p: (n + 2 * p - k) // s)),
    ("missing-one", "A range stops before its end; the last start is n + 2 * padding - k itself",
     along(lambda n, k, s, p: len(range(0, n + 2 * p - k, s)))),
    ("padding-once", "You count the padding once; it is added at both ends, so it counts twice",
     along(lambda n, k, s, p: (n + p - k) // s + 1)),
    ("padding-ignored", "Your shape ignores the padding", along(lambda n, k, s, p: (n - k) // s + 1)),
    ("wrong-sign", "You subtract the padding; it makes the image larger, so add it",
     along(lambda n, k, s, p: (n - 2 * p - k) // s + 1)),
    ("wrong-sign", "You add the kernel; a larger kernel has fewer places, so subtract it",
     along(lambda n, k, s, p: (n + 2 * p + k) // s + 1)),
    ("stride-ignored", "Your shape ignores the stride", along(lambda n, k, s, p: n + 2 * p - k + 1)),
    ("rounded-up", "You round up; the kernel stops before it would stick out, so round down",
     along(lambda n, k, s, p: -(-(n + 2 * p - k) // s) + 1)),
    ("stride-first", "Divide n + 2 * padding - k by the stride, not only the size of the image",
     along(lambda n, k, s, p: (n + 2 * p) // s - k + 1)),
    ("one-divided", "The 1 is for the first start; add it after dividing",
     along(lambda n, k, s, p: (n + 2 * p - k + 1) // s)),
    ("kernel-ignored", "Your shape ignores the size of the kernel", along(lambda n, k, s, p: (n + 2 * p) // s)),
    ("kernel-ignored", "Your shape ignores the size of the kernel", along(lambda n, k, s, p: (n + 2 * p - 1) // s + 1)),
    ("channels-kept", "Each kernel runs through all channels and yields one output; there are weight[0] of them",
     lambda x, weight, s, p: (x[0], x[1], *right_shape(x, weight, s, p)[2:])),
    ("channels-multiplied", "A kernel adds up what it sees in all channels, so there are weight[0] outputs",
     lambda x, weight, s, p: (x[0], x[1] * weight[0], *right_shape(x, weight, s, p)[2:])),
    ("one-image", "Every image of the batch is convolved, so the first number is x[0]",
     lambda x, weight, s, p: (1, *right_shape(x, weight, s, p)[1:])),
    ("order-of-axes", "The batch comes first, then the outputs",
     lambda x, weight, s, p: (weight[0], x[0], *right_shape(x, weight, s, p)[2:])),
    ("height-for-width", "That is the height twice; the width has its own x[3] and weight[3]",
     lambda x, weight, s, p: (*right_shape(x, weight, s, p)[:3], right_shape(x, weight, s, p)[2])),
    ("axes-swapped", "The height comes before the width",
     lambda x, weight, s, p: (*right_shape(x, weight, s, p)[:2], *right_shape(x, weight, s, p)[:1:-1])),
    ("axes-swapped", "The kernel's height belongs to the image's height, and its width to the width", turned),
    ("square-kernel", "You take the kernel's height for its width as well; weight[3] is its width",
     lambda x, weight, s, p: right_shape(x, (*weight[:3], weight[2]), s, p)),
    ("square-kernel", "You take the kernel's width for its height as well; weight[2] is its height",
     lambda x, weight, s, p: right_shape(x, (*weight[:2], weight[3], weight[3]), s, p)),
)  # fmt: skip


@exercise.check(points=4)
def test_there_is_a_number_for_each_place(output_shape, seed, budget):
    wrong, examples = [], list(EXAMPLES)
    for _, rng in generators(seed, budget):
        k, channels = rng.integers(1, 6, 2), int(rng.integers(1, 5))
        n, p = k + rng.integers(0, 12, 2), int(rng.integers(0, 3))
        x = (int(rng.integers(1, 9)), channels, int(n[0]), int(n[1]))
        examples.append((x, (int(rng.integers(1, 9)), channels, int(k[0]), int(k[1])), int(rng.integers(1, 4)), p))
    for case in examples:
        answer = checked(output_shape(*case))
        if answer != right_shape(*case):
            wrong.append((answer, case))
    if not wrong:
        return
    answer, (x, weight, stride, padding) = wrong[0]
    right = right_shape(x, weight, stride, padding)
    sentence = f"for x {x}, weight {weight}, stride {stride} and padding {padding} it is {right}; yours is {answer}"
    require(len(answer) == 4, "count", f"{sentence}. It must be four numbers")
    if mistake := explanation(wrong, MISTAKES):
        raise refuse(mistake[0], f"{sentence}. {mistake[1]}")
    raise refuse("differs", f"{sentence}. {starts(x, weight, stride, padding)}")


def checked(answer):
    """The answer as a tuple of whole numbers."""
    if answer is None:
        raise refuse("no-return", "output_shape returns None: does it end with `return`?")
    if type(answer) not in (tuple, list):
        raise refuse(
            "wrong-type", f"output_shape returns {kind_of(answer)}; it must return a tuple of four whole numbers"
        )
    return tuple(as_whole(n, f"number {i} of the shape") for i, n in enumerate(answer))


def starts(x, weight, stride, padding):
    """Where a kernel can start, in words."""
    rows = [range(0, n + 2 * padding - k + 1, stride) for n, k in zip(x[2:], weight[2:], strict=True)]
    down, across = (", ".join(map(str, row)) for row in rows)
    return f"With the padding, the kernel starts in rows {down} and in columns {across}"
