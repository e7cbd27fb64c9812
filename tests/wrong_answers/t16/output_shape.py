"""Known wrong answers: the shape of the output."""

from tinygrad_lora.learn.exercises.t16.output_shape import exercise


@exercise.mutant("missing-one")
def counts_the_steps_and_not_the_starts(x, weight, stride, padding):
    return (x[0], weight[0], *((n + 2 * padding - k) // stride for n, k in zip(x[2:], weight[2:], strict=True)))


@exercise.mutant("padding-once")
def adds_padding_at_one_end(x, weight, stride, padding):
    return (x[0], weight[0], *((n + padding - k) // stride + 1 for n, k in zip(x[2:], weight[2:], strict=True)))


@exercise.mutant("rounded-up")
def lets_the_kernel_stick_out(x, weight, stride, padding):
    return (x[0], weight[0], *(-(-(n + 2 * padding - k) // stride) + 1 for n, k in zip(x[2:], weight[2:], strict=True)))


@exercise.mutant("channels-kept")
def keeps_the_channels_of_the_image(x, weight, stride, padding):
    return (*x[:2], *((n + 2 * padding - k) // stride + 1 for n, k in zip(x[2:], weight[2:], strict=True)))


@exercise.mutant("height-for-width")
def believes_that_all_images_are_squares(x, weight, stride, padding):
    n = (x[2] + 2 * padding - weight[2]) // stride + 1
    return x[0], weight[0], n, n


@exercise.mutant("wrong-type")
def divides_without_rounding(x, weight, stride, padding):
    return (x[0], weight[0], *((n + 2 * padding - k) / stride + 1 for n, k in zip(x[2:], weight[2:], strict=True)))
