"""Known wrong answers: cross-entropy that does not overflow."""

import numpy as np

from tinygrad_lora.learn.exercises.t07.cross_entropy import exercise, log_softmax, softmax


@exercise.mutant("overflow", name="cross_entropy")
def writes_the_formula_down(logits, labels):
    e = np.exp(logits)
    return -np.log(e[np.arange(len(labels)), labels] / e.sum(axis=1)).mean()


@exercise.mutant("log-of-zero", name="cross_entropy")
def takes_the_logarithm_of_the_softmax(logits, labels):
    return -np.log(softmax(logits)[np.arange(len(labels)), labels]).mean()


@exercise.mutant("summed", name="cross_entropy")
def forgets_the_mean(logits, labels):
    return -np.log(softmax(logits)[np.arange(len(labels)), labels]).sum()


@exercise.mutant("every-row", name="cross_entropy")
def picks_every_label_in_every_row(logits, labels):
    return -log_softmax(logits)[:, labels].mean()


@exercise.mutant("every-row", name="cross_entropy_vjp")
def takes_the_one_away_in_every_row(g, logits, labels):
    p = softmax(logits)
    p[:, labels] -= 1
    return g * p / len(labels)


@exercise.mutant("factor", name="cross_entropy_vjp")
def forgets_the_mean_in_the_gradient(g, logits, labels):
    return g * (softmax(logits) - np.eye(logits.shape[1])[labels])


@exercise.mutant("missing-upstream", name="cross_entropy_vjp")
def forgets_what_flows_in(g, logits, labels):
    return (softmax(logits) - np.eye(logits.shape[1])[labels]) / len(labels)
