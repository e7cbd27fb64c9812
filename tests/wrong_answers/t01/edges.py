"""Known wrong answers: list the edges."""

from tinygrad_lora.learn.authoring import topological_order
from tinygrad_lora.learn.exercises.t01.edges import exercise


@exercise.mutant("edge-lost")
def puts_parents_in_a_set(output):
    return [(parent, node) for node in topological_order([output]) for parent in set(node.parents)]


@exercise.mutant("reversed")
def points_backward(output):
    return [(node, parent) for node in topological_order([output]) for parent in node.parents]


@exercise.mutant("one-level")
def stops_at_the_parents(output):
    return [(parent, output) for parent in output.parents]


@exercise.mutant("repeated")
def forgets_where_it_was(output):
    result = []
    for parent in output.parents:
        result.append((parent, output))
        result.extend(forgets_where_it_was(parent))
    return result
