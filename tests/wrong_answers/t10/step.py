"""Known wrong answers: a training step is a function."""

import tinygrad_lora as tl
from tinygrad_lora.learn.exercises.t10.step import RATE, exercise, loss_of, stepped


@exercise.mutant("wrong-direction")
def climbs(x, labels, W1, b1, W2, b2):
    return stepped(-RATE, x, labels, W1, b1, W2, b2)


@exercise.mutant("updated-too-soon")
def updates_one_after_the_other(x, labels, W1, b1, W2, b2):
    wrt = [W1, b1, W2, b2]
    loss = loss_of(x, labels, *wrt)
    for i in range(4):
        wrt[i] = wrt[i] - RATE * tl.gradients(loss_of(x, labels, *wrt), wrt[i])
    return [loss, *wrt]


@exercise.mutant("not-updated")
def forgets_the_biases(x, labels, W1, b1, W2, b2):
    loss, new_W1, _, new_W2, _ = stepped(RATE, x, labels, W1, b1, W2, b2)
    return [loss, new_W1, b1, new_W2, b2]


@exercise.mutant("factor")
def takes_smaller_steps(x, labels, W1, b1, W2, b2):
    return stepped(0.05, x, labels, W1, b1, W2, b2)


@exercise.mutant("no-numbers")
def calls_backward(x, labels, W1, b1, W2, b2):
    loss = loss_of(x, labels, W1, b1, W2, b2)
    loss.backward()
    return [loss, *(p - RATE * p.gradient for p in (W1, b1, W2, b2))]
