"""Known wrong answers: the backward pass."""

from tinygrad_lora.learn.exercises.t04.backward import exercise, walked


@exercise.mutant("overwritten")
def keeps_the_last_share(order):
    return walked(order, keep="last")


@exercise.mutant("edge-lost")
def makes_a_dictionary_of_the_shares(order):
    return walked(order, keep="one a user")


@exercise.mutant("forward-order")
def walks_forward(order):
    return walked(order, forward=True)


@exercise.mutant("forgot-params")
def forgets_the_params(order):
    gradients = dict.fromkeys(order, 0.0)
    gradients[order[-1]] = 1.0
    for node in reversed(order):
        if node.parents:
            values = [parent.value for parent in node.parents]
            shares = node.op.vjp(gradients[node], node.value, *values)
            for parent, share in zip(node.parents, shares, strict=True):
                gradients[parent] += share
    return gradients
