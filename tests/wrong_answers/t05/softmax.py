"""Known wrong answers: the backward rule of softmax."""

from tinygrad_lora.learn.exercises.t05.softmax import exercise


@exercise.mutant("diagonal-only")
def takes_the_rule_of_the_sigmoid(g, y):
    return g * y * (1 - y)


@exercise.mutant("mixed-samples")
def sums_over_everything(g, y):
    return y * (g - (g * y).sum())


@exercise.mutant("missing-y")
def forgets_a_y(g, y):
    return g * y - (g * y).sum(axis=-1, keepdims=True)


@exercise.mutant("unweighted")
def sums_the_gradient_alone(g, y):
    return y * (g - g.sum(axis=-1, keepdims=True))
