"""Known wrong answers: is this order valid?."""

from tinygrad_lora.learn.exercises.t02.valid import exercise


@exercise.mutant("position-ignored")
def asks_only_whether_parents_are_there(order):
    return len(set(order)) == len(order) and all(parent in order for node in order for parent in node.parents)


@exercise.mutant("one-parent-only")
def asks_for_the_first_parent(order):
    seen = set()
    for node in order:
        if node in seen or (node.parents and node.parents[0] not in seen):
            return False
        seen.add(node)
    return True


@exercise.mutant("missing-parent")
def forgives_what_is_not_there(order):
    place = {node: i for i, node in enumerate(order)}
    early = any(place[p] > place[node] for node in order for p in node.parents if p in place)
    return not early and len(place) == len(order)


@exercise.mutant("rejects-valid")
def wants_the_parents_right_before(order):
    return all(set(node.parents) <= set(order[max(0, i - 2) : i]) for i, node in enumerate(order))
