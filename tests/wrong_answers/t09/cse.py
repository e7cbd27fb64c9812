"""Known wrong answers: compute equal things once."""

from tinygrad_lora.learn.exercises.t09.cse import exercise, merged, one_level, ordered, params_of


@exercise.mutant("parameters-ignored")
def forgets_the_parameters(graph):
    return merged(graph, lambda old, parents: (old.op, parents))


@exercise.mutant("order-ignored")
def makes_a_set_of_operands(graph):
    return merged(graph, lambda old, parents: (old.op, frozenset(parents), params_of(old)))


@exercise.mutant("one-level")
def looks_at_the_old_parents(graph):
    return merged(graph, one_level)


@exercise.mutant("commutative")
def takes_the_order_seriously(graph):
    return merged(graph, ordered)


@exercise.mutant("not-merged")
def copies_the_graph(graph):
    return graph.map(lambda old, parents: old.op(*parents, **old.params))
