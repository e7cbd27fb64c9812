"""Known wrong answers: fuse elementwise operations."""

from tinygrad_lora.learn.exercises.t09._programs import uses
from tinygrad_lora.learn.exercises.t09.fuse import exercise


def grouped(graph, may_move):
    """The groups, by another rule about what may move."""
    used, group = uses(graph), {}
    for node in graph.nodes:
        if node.parents:
            moved = []
            for parent in node.parents:
                if parent in group and may_move(parent, node, used[parent], parent in graph.outputs):
                    moved += group.pop(parent)
            group[node] = [*moved, node]
    return list(group.values())


@exercise.mutant("used-twice")
def does_not_count(graph):
    return grouped(graph, lambda p, n, used, output: p.op.elementwise and n.op.elementwise and not output)


@exercise.mutant("is-output")
def forgets_the_outputs(graph):
    return grouped(graph, lambda p, n, used, output: p.op.elementwise and n.op.elementwise and used - output == 1)


@exercise.mutant("not-elementwise")
def moves_everything(graph):
    return grouped(graph, lambda p, n, used, output: used == 1)


@exercise.mutant("too-careful")
def moves_nothing(graph):
    return grouped(graph, lambda p, n, used, output: False)
