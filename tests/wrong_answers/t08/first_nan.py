"""Known wrong answers: where the NaN began."""

import numpy as np

from tinygrad_lora.core.graph import topological_order
from tinygrad_lora.learn.exercises.t08.first_nan import exercise


@exercise.mutant("infinity-missed")
def looks_for_nan_alone(output):
    for node in topological_order([output]):
        if np.isnan(node.value).any():
            return node
    return None


@exercise.mutant("not-the-origin")
def gives_where_it_is_seen(output):
    nodes = [n for n in topological_order([output]) if not np.isfinite(n.value).all()]
    return nodes[-1] if nodes else None


@exercise.mutant("hidden")
def goes_down_while_it_is_bad(output):
    node = output
    if np.isfinite(node.value).all():
        return None
    while worse := [p for p in node.parents if not np.isfinite(p.value).all()]:
        node = worse[0]
    return node


@exercise.mutant("recursion")
def calls_itself(output):
    for parent in output.parents:
        first = calls_itself(parent)
        if first is not None:
            return first
    return None if np.isfinite(output.value).all() else output
