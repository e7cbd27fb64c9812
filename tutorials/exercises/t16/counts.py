r"""How many parameters

A convolution has `outputs` kernels of `size` by `size`. Each kernel runs through all `channels` of the image, and each
has one bias. Write two functions that count parameters, biases included:

* `convolution_size(channels, outputs, size)`: those of the convolution.
* `dense_size(channels, height, width, outputs, size)`: those of a dense layer that could replace it. Its inputs are all
  numbers of the image. It has as many outputs as the convolution has numbers, with stride 1 and no padding. A dense
  layer has one bias for each of its outputs.
"""

from tinygrad_lora.learn.authoring import Exercise, as_whole, counted, explanation, generators, refuse

HINTS = (
    "How many numbers does one kernel have? It is a block of channels times size times size.",
    "A dense layer from n numbers to m has n times m weights and m biases. Here n is channels * height * width.",
    "`outputs * (channels * size**2 + 1)`, and with `m = outputs * (height - size + 1) * (width - size + 1)`: "
    "`(channels * height * width + 1) * m`",
)
ABOUT = (
    "The kernels of a convolution do not know how large the image is: the same few numbers are used at every place. "
    "A dense layer has a weight of its own for each pair of an input and an output."
)
NEXT = "Count multiplications and not parameters. Does the convolution save as much there?"
exercise = Exercise("16-counts", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def convolution_size(channels, outputs, size):
    """How many parameters a convolution has."""
    return outputs * (channels * size**2 + 1)


@exercise.reference
def dense_size(channels, height, width, outputs, size):
    """How many parameters a dense layer has that takes and gives as many numbers as the convolution."""
    n = channels * height * width
    m = outputs * (height - size + 1) * (width - size + 1)
    return n * m + m


@exercise.another("convolution_size")
def weights_and_biases(channels, outputs, size):
    """Count the numbers of both arrays: the shape of the weight, multiplied up, and one bias for each kernel."""
    weights = 1
    for length in (outputs, channels, size, size):
        weights *= length
    return weights + outputs


@exercise.another("dense_size")
def by_what_an_output_needs(channels, height, width, outputs, size):
    """Count for one number of the output: a weight for each pixel, and a bias. Then multiply."""
    each = channels * height * width + 1
    places = len(range(height - size + 1)) * len(range(width - size + 1))
    return each * places * outputs


def conv(c, o, k):
    return o * (c * k * k + 1)


def dense(c, h, w, o, k):
    return (c * h * w + 1) * o * (h - k + 1) * (w - k + 1)


OF_CONVOLUTION = (  # what explains all answers that are wrong
    ("no-bias", "The biases are missing; each kernel has one", lambda c, o, k: o * c * k * k),
    ("one-bias", "Each kernel has a bias of its own, not one for all", lambda c, o, k: o * c * k * k + 1),
    ("bias-for-each-channel", "A kernel has one bias, for all channels together", lambda c, o, k: o * c * (k * k + 1)),
    ("bias-for-each-channel", "There is a bias for each kernel, not for each channel",
     lambda c, o, k: o * c * k * k + c),
    ("bias-for-each-weight", "There is a bias for each kernel, not for each weight", lambda c, o, k: 2 * o * c * k * k),
    ("one-channel", "A kernel runs through all channels; multiply by channels", lambda c, o, k: o * (k * k + 1)),
    ("one-channel", "A kernel runs through all channels, and has a bias; both are missing", lambda c, o, k: o * k * k),
    ("one-kernel", "That is one kernel; multiply by outputs", lambda c, o, k: c * k * k + 1),
    ("not-squared", "A kernel has size times size numbers for each channel", lambda c, o, k: o * (c * k + 1)),
    ("doubled-for-squared", "`size**2` is size times size, not twice the size", lambda c, o, k: o * (c * 2 * k + 1)),
    ("added", "Multiply outputs by channels, do not add them: every kernel sees every channel",
     lambda c, o, k: (o + c) * k * k + o),
    ("channels-swapped", "There is a bias for each output, not for each channel", lambda c, o, k: c * (o * k * k + 1)),
)  # fmt: skip
OF_DENSE = (
    ("no-bias", "The biases are missing; each output of the layer has one", lambda *case: weights(*case)),
    ("one-bias", "Each output of the layer has a bias of its own", lambda c, h, w, o, k: weights(c, h, w, o, k) + 1),
    ("bias-for-each-output", "A dense layer has a bias for each of its outputs, not for each kernel",
     lambda c, h, w, o, k: weights(c, h, w, o, k) + o),
    ("bias-for-each-input", "The biases belong to the outputs of the layer, not to its inputs",
     lambda c, h, w, o, k: weights(c, h, w, o, k) + c * h * w),
    ("one-place", "That is one output for each kernel; there must be one for each kernel and place",
     lambda c, h, w, o, k: (c * h * w + 1) * o),
    ("size-kept", "Without padding there are fewer places than pixels: height - size + 1 down",
     lambda c, h, w, o, k: (c * h * w + 1) * o * h * w),
    ("missing-one", "There are height - size + 1 places down; count the first one, too",
     lambda c, h, w, o, k: (c * h * w + 1) * o * (h - k) * (w - k)),
    ("one-channel", "The inputs are the numbers of all channels",
     lambda c, h, w, o, k: (h * w + 1) * o * (h - k + 1) * (w - k + 1)),
    ("one-kernel", "There is an output for each kernel at each place; multiply by outputs",
     lambda c, h, w, o, k: (c * h * w + 1) * (h - k + 1) * (w - k + 1)),
    ("only-weights-of-a-patch", "The inputs of a dense layer are all pixels, not those of one patch",
     lambda c, h, w, o, k: (c * k * k + 1) * o * (h - k + 1) * (w - k + 1)),
    ("height-for-width", "You take the height for the width as well", lambda c, h, w, o, k: dense(c, h, h, o, k)),
    ("convolution", "That is the convolution itself", lambda c, h, w, o, k: conv(c, o, k)),
    ("outputs", "That is the number of outputs; there is a weight for each pair of an input and an output",
     lambda c, h, w, o, k: o * (h - k + 1) * (w - k + 1)),
    ("inputs", "That is the number of inputs; there is a weight for each pair of an input and an output",
     lambda c, h, w, o, k: c * h * w),
    ("added", "There is a weight for each pair of an input and an output; multiply",
     lambda c, h, w, o, k: c * h * w + 2 * o * (h - k + 1) * (w - k + 1)),
)  # fmt: skip


def weights(c, h, w, o, k):
    """Those of the dense layer without its biases."""
    return c * h * w * o * (h - k + 1) * (w - k + 1)


def judge(wrong, right, mistakes, words):
    """Raise, and name the mistake that explains all wrong answers, if there are any."""
    if not wrong:
        return
    answer, case = wrong[0]
    sentence = f"{words(*case)} it is {right(*case):,}; yours is {answer:,}"
    if mistake := explanation(wrong, mistakes):
        raise refuse(mistake[0], f"{sentence}. {mistake[1]}")
    raise refuse("wrong-count", sentence)


def kernels(c, o, k):
    """These numbers in words."""
    return f"with {counted(c, 'channel')}, {counted(o, 'output')} and kernels of {k} by {k}"


@exercise.check(points=2)
def test_a_convolution_is_counted(convolution_size, seed, budget):
    examples = [(1, 1, 3), (3, 8, 5), (4, 4, 3), (8, 16, 1)]
    for _, rng in generators(seed, budget):
        c, o, k = (int(n) for n in rng.integers(1, 9, 3))
        examples.append((c, o, k))
    answers = [(as_whole(convolution_size(*case), "the size"), case) for case in examples]
    wrong = [(answer, case) for answer, case in answers if answer != conv(*case)]
    judge(wrong, conv, OF_CONVOLUTION, kernels)


@exercise.check(points=2)
def test_a_dense_layer_in_its_place_is_counted(dense_size, seed, budget):
    examples = [(1, 3, 3, 1, 3), (1, 8, 8, 1, 3), (3, 6, 9, 2, 3), (2, 5, 4, 4, 1)]
    for _, rng in generators(seed, budget):
        c, o, k = (int(n) for n in rng.integers(1, 6, 3))
        h, w = (k + int(n) for n in rng.integers(0, 9, 2))
        examples.append((c, h, w, o, k))
    answers = [(as_whole(dense_size(*case), "the size"), case) for case in examples]
    wrong = [(answer, case) for answer, case in answers if answer != dense(*case)]
    judge(wrong, dense, OF_DENSE, lambda c, h, w, o, k: f"for an image of {h} by {w}, {kernels(c, o, k)}")
