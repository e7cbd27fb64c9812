"""Known wrong answers: run a graph forward."""

from tinygrad_lora.learn.exercises.t02.evaluate import exercise


@exercise.mutant("forgot-params")
def forgets_the_params(order, inputs):
    values = dict(inputs)
    for node in order:
        if node.parents:
            values[node] = node.op.forward(*[values[parent] for parent in node.parents])
    return values


@exercise.mutant("changed-argument")
def writes_into_the_inputs(order, inputs):
    for node in order:
        if node.parents:
            arrays = [inputs[parent] for parent in node.parents]
            inputs[node] = node.op.forward(*arrays, **node.params)
    return dict(inputs)


@exercise.mutant("recursion")
def calls_itself_for_the_parents(order, inputs):
    values = dict(inputs)

    def value(node):
        if node not in values:
            values[node] = node.op.forward(*[value(parent) for parent in node.parents], **node.params)
        return values[node]

    value(order[-1])
    return values
