"""Known wrong answers: how many parameters."""

from tinygrad_lora.learn.exercises.t16.counts import exercise


@exercise.mutant("no-bias", name="convolution_size")
def forgets_the_biases(channels, outputs, size):
    return outputs * channels * size * size


@exercise.mutant("one-channel", name="convolution_size")
def counts_flat_kernels(channels, outputs, size):
    return outputs * (size * size + 1)


@exercise.mutant("not-squared", name="convolution_size")
def takes_one_side_of_the_kernel(channels, outputs, size):
    return outputs * (channels * size + 1)


@exercise.mutant("size-kept", name="dense_size")
def gives_a_number_for_each_pixel(channels, height, width, outputs, size):
    return (channels * height * width + 1) * outputs * height * width


@exercise.mutant("one-place", name="dense_size")
def gives_a_number_for_each_kernel(channels, height, width, outputs, size):
    return (channels * height * width + 1) * outputs


@exercise.mutant("bias-for-each-output", name="dense_size")
def takes_the_biases_of_the_convolution(channels, height, width, outputs, size):
    return channels * height * width * outputs * (height - size + 1) * (width - size + 1) + outputs
