"""Known wrong answers: two adapters, one base."""

import tinygrad_lora as tl
from tinygrad_lora.learn.exercises.t12.two_adapters import exercise, forward, one_by_one, sorted_by_group


@exercise.mutant("changed-argument")
def merges_into_the_base(x, W, adapters, names):
    rows = []
    for i, name in enumerate(names):
        if name is not None:
            A, B, s = adapters[name]
            W.value = W.value + s * (A.value @ B.value)
        rows.append(x[i : i + 1] @ W)
    return tl.concatenate(rows)


@exercise.mutant("wrong-order")
def gives_them_group_by_group(x, W, adapters, names):
    return tl.take(forward(x, W, adapters, names), sorted_by_group(names, (None, *adapters)))


@exercise.mutant("one-for-all")
def takes_the_first_name(x, W, adapters, names):
    A, B, s = adapters[names[0]]
    return x @ W + s * ((x @ A) @ B)


@exercise.mutant("mixed")
def adds_all_adapters(x, W, adapters, names):
    y = x @ W
    for A, B, s in adapters.values():
        y = y + s * ((x @ A) @ B)
    return y


@exercise.mutant("missing-factor")
def forgets_the_scaling(x, W, adapters, names):
    return forward(x, W, {name: (A, B, 1.0) for name, (A, B, s) in adapters.items()}, names)


@exercise.mutant("base-again")
def goes_one_by_one(x, W, adapters, names):
    rows = []
    for i, name in enumerate(names):
        row = x[i : i + 1]
        y = row @ W
        if name is not None:
            A, B, s = adapters[name]
            y = y + s * ((row @ A) @ B)
        rows.append(y)
    return tl.concatenate(rows)


@exercise.mutant("cut-graph")
def calculates_beside_the_graph(x, W, adapters, names):
    arrays = {name: (A.value, B.value, s) for name, (A, B, s) in adapters.items()}
    return tl.constant(one_by_one(x.value, W.value, arrays, names))
