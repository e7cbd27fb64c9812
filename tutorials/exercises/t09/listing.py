r"""Trace a function to a listing

Write `listing(f, *names)`. It calls `f` once, on a placeholder of shape () for each name, `tl.placeholder((),
name="x")`. What comes back is the last node of a graph. Return its operations as a list of rows, each a tuple

    (name, operation, operands, params)

For `lambda x, y: tl.tanh(3 * x) * y` that is

    [("t0", "scale", ["x"], {"factor": 3}),
     ("t1", "tanh", ["t0"], {}),
     ("t2", "multiply", ["t1", "y"], {})]

Inputs keep their names and have no row. You choose the names of the results; each must be different. A row
comes after the rows that it uses, and a node that is used twice has one row. The last row is the result. Of a node you
need `str(node.op)`, `node.parents`, `node.params` and `node.name`.
"""

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.core.graph import topological_order
from tinygrad_lora.core.node import Op
from tinygrad_lora.learn.authoring import (
    Exercise,
    are,
    as_array,
    counted,
    example,
    number,
    numbers,
    refuse,
    require,
    returned,
    same,
    times,
)

from ._programs import functions

HINTS = (
    "f does not know that it is being watched: `output = f(*inputs)` builds the graph. The rest is an order with "
    "parents first, as in tutorial 04, and a name for each node.",
    "Keep a dictionary from node to name. Fill in the inputs first; an operation gets f't{len(rows)}' at its turn.",
    "For each node in order that is not an input: `operands = [name[p] for p in node.parents]`, then "
    "`rows.append((name[node], str(node.op), operands, dict(node.params)))`.",
)
ABOUT = (
    "Tracing calls the function once with placeholders, and the operators write down what they would do. The "
    "listing is the program without its Python: loops are unrolled, and helper functions are gone."
)
NEXT = "Trace a function with `if x > 0:` in it and read the error. Why can a placeholder not decide?"
exercise = Exercise("09-listing", __doc__, kind="S", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def listing(f, *names):
    """The operations of f, as rows (name, operation, operands, params)."""
    inputs = [tl.placeholder((), name=name) for name in names]
    name = dict(zip(inputs, names, strict=True))
    rows, stack = [], [f(*inputs)]
    while stack:
        node = stack[-1]
        missing = [parent for parent in node.parents if parent not in name]
        if missing:
            stack += missing
            continue
        stack.pop()
        if node not in name:
            name[node] = f"t{len(rows)}"
            operands = [name[parent] for parent in node.parents]
            rows.append((name[node], str(node.op), operands, dict(node.params)))
    return rows


@exercise.another()
def from_a_graph(f, *names):
    """`tl.Graph` puts the nodes in order; what is left is to name them."""
    inputs = [tl.placeholder((), name=name) for name in names]
    operations = [node for node in tl.Graph(inputs, [f(*inputs)]).nodes if node.parents]
    name = dict(zip(inputs, names, strict=True)) | {node: f"t{i}" for i, node in enumerate(operations)}
    return [(name[n], str(n.op), [name[parent] for parent in n.parents], dict(n.params)) for n in operations]


def written(row):
    return f"{row[0]} = {row[1]}({', '.join(row[2])})"


def checked(rows):
    """The rows, if they have the form that was asked for."""
    for row in returned(rows, list, "listing", "a list of rows is needed"):
        if type(row) is not tuple or len(row) != 4:
            raise refuse("wrong-type", f"a row is {row!r}; it must be (name, operation, operands, params)")
        name, operation, operands, params = row
        if type(name) is not str or type(operation) is not str or type(params) is not dict:
            raise refuse("wrong-type", f"in the row {row!r} name and operation must be strings, and params a dict")
        if type(operands) not in (list, tuple) or any(type(o) is not str for o in operands):
            raise refuse("wrong-type", f"in the row {row!r} the operands must be a list of names")
    return rows


def judge(listing, f, names, rng):
    """One function: raise, and say what is wrong, unless the rows compute what it computes."""
    rows = checked(listing(f, *names))
    output = f(*[tl.placeholder((), name=name) for name in names])
    nodes = [node for node in topological_order([output]) if node.parents]
    small = output if len(nodes) <= 10 else None
    values = {name: numbers(rng) for name in names}
    turned = dict(values)  # what comes out if the operands stand the other way around
    arities = {str(node.op): len(node.parents) for node in nodes}
    params = {str(node.op): sorted(node.params) for node in nodes}
    for row in rows:
        name, operation, operands, fixed = row
        require(operation in arities, "other-operation", f"{written(row)}: f has no {operation}", show=small)
        both = ", also if both are the same node" if arities[operation] > 1 else ""
        sentence = f"{written(row)}: {operation} has {counted(arities[operation], 'operand')}{both}"
        require(len(operands) == arities[operation], "operand-lost", sentence, show=small)
        unknown = [o for o in operands if o not in values]
        later = {row[0] for row in rows}
        order = f"{written(row)}: {', '.join(unknown)} {are(unknown)} not defined yet; "
        order += (
            "define first, then use" if later.issuperset(unknown) else "an operand is the name of an input or of a line"
        )
        require(not unknown, "undefined", order, show=small)
        lost = f"{written(row)}: this operation needs its parameters: {', '.join(params[operation])}"
        require(sorted(fixed) == params[operation], "params-lost", lost, show=small)
        require(name not in values, "name-twice", f"{written(row)}: the name {name} is already taken", show=small)
        turned[name] = Op.registry[operation].forward(*[turned[o] for o in operands[::-1]], **fixed)
        values[name] = Op.registry[operation].forward(*[values[o] for o in operands], **fixed)
    sentence = f"your listing has {counted(len(rows), 'row')}, and f has {counted(len(nodes), 'operation')}"
    require(len(rows) <= len(nodes), "repeated", f"{sentence}: what is used twice is computed once", show=small)
    require(len(rows) >= len(nodes), "row-missing", sentence, show=small)
    expected = f(*[tl.constant(values[name]) for name in names]).value
    answer = values[rows[-1][0]]
    sentence = f"your listing gives {number(float(answer))} and f gives {number(float(expected))}"
    if same(as_array(answer), as_array(expected)):
        return
    given = {name: values[name] for name in names}
    shown = example(answer, expected, **given, **{"your rows": "; ".join(map(written, rows))})
    swapped = same(as_array(turned[rows[-1][0]]), as_array(expected))
    kept = f"{sentence}: keep the operands in their order"
    require(not swapped, "operand-order", kept, show=small, example=shown)
    require(False, "other-result", sentence, show=small, example=shown)


@exercise.check(points=3)
def test_the_rows_compute_what_the_function_computes(listing, seed, budget):
    judge(listing, lambda x, y: tl.tanh(3 * x) * y, ["x", "y"], np.random.default_rng(seed))
    for i, (f, names) in enumerate(functions(seed, budget)):
        judge(listing, f, names, np.random.default_rng([seed, i]))


@exercise.check(points=1)
def test_the_function_is_called_once(listing):
    calls = []

    def f(x):
        calls.append(x)
        return tl.tanh(x * x)

    listed = {row[1] for row in checked(listing(f, "x"))}
    sentence = f"f computes tanh(x * x), and your listing has {' and '.join(sorted(listed)) or 'no rows'}"
    require({"multiply", "tanh"} <= listed, "row-missing", sentence)
    require(len(calls) == 1, "called-again", f"f was called {times(len(calls))}; one call gives the whole graph")
