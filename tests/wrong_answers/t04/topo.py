"""Known wrong answers: a topological order."""

from tinygrad_lora.learn.exercises.t04.topo import exercise, topo_sort


@exercise.mutant("parent-after-user")
def lists_level_by_level(output):
    order = [output]
    for node in order:
        order.extend(parent for parent in dict.fromkeys(node.parents) if parent not in order)
    return order[::-1]


@exercise.mutant("recursion")
def calls_itself(output):
    order, seen = [], set()

    def visit(node):
        if node not in seen:
            seen.add(node)
            for parent in node.parents:
                visit(parent)
            order.append(node)

    visit(output)
    return order


@exercise.mutant("repeated")
def forgets_where_it_was(output):
    order = []
    for parent in output.parents:
        order.extend(forgets_where_it_was(parent))
    return [*order, output]


@exercise.mutant("reversed")
def begins_with_the_output(output):
    return topo_sort(output)[::-1]
