"""Known wrong answers: count the nodes."""

from tinygrad_lora.learn.authoring import topological_order
from tinygrad_lora.learn.exercises.t01.count_nodes import exercise


@exercise.mutant("counted-twice")
def forgets_where_it_was(output):
    return 1 + sum(forgets_where_it_was(parent) for parent in output.parents)


@exercise.mutant("remembers")
def has_a_default_that_fills_up(output, seen=set()):  # noqa: B006, that is the mistake
    before = len(seen)
    seen.update(topological_order([output]))
    return len(seen) - before


@exercise.mutant("leaves-missing")
def counts_operations(output):
    return sum(bool(node.parents) for node in topological_order([output]))


@exercise.mutant("one-level")
def counts_parents_only(output):
    return 1 + len(output.parents)


@exercise.mutant("too-slow")
def walks_every_path(output):
    seen = set()

    def visit(node):
        seen.add(node)
        for parent in node.parents:
            visit(parent)

    visit(output)
    return len(seen)
