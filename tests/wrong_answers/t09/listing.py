"""Known wrong answers: trace a function to a listing."""

import tinygrad_lora as tl
from tinygrad_lora.core.graph import topological_order
from tinygrad_lora.learn.exercises.t09.listing import exercise


def rows_of(f, names, walk, operands=lambda node: node.parents, params=lambda node: dict(node.params)):
    """A listing with a walk of its own."""
    inputs = [tl.placeholder((), name=name) for name in names]
    name = dict(zip(inputs, names, strict=True))
    nodes = [node for node in walk(f(*inputs)) if node.parents]
    labels = name | {node: f"t{i}" for i, node in enumerate(dict.fromkeys(nodes))}
    return [(labels[n], str(n.op), [labels[p] for p in operands(n)], params(n)) for n in nodes]


@exercise.mutant("undefined")
def begins_with_the_result(f, *names):
    return rows_of(f, names, lambda output: topological_order([output])[::-1])


@exercise.mutant("params-lost")
def forgets_the_parameters(f, *names):
    return rows_of(f, names, lambda output: topological_order([output]), params=lambda node: {})


@exercise.mutant("operand-lost")
def makes_a_set_of_operands(f, *names):
    return rows_of(f, names, lambda output: topological_order([output]), lambda node: dict.fromkeys(node.parents))


@exercise.mutant("repeated")
def walks_every_path(f, *names):
    rows = []

    def visit(node):
        if not node.parents:
            return node.name
        operands = [visit(parent) for parent in node.parents]
        rows.append((f"t{len(rows)}", str(node.op), operands, dict(node.params)))
        return rows[-1][0]

    visit(f(*[tl.placeholder((), name=name) for name in names]))
    return rows
