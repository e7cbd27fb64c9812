r"""Print a program

Write `emit(graph)`: the source of a Python function called `program` that computes the output of the graph from its
inputs. Five operations occur:

| operation | NumPy |
|---|---|
| `add`, `subtract`, `multiply` | `a + b`, `a - b`, `a * b` |
| `matmul` | `a @ b` |
| `tanh` | `np.tanh(a)` |

One line and a new variable for each operation, parents first. For `tl.tanh(x @ W) * x` the text may be

    def program(x, W):
        t0 = x @ W
        t1 = np.tanh(t0)
        t2 = t1 * x
        return t2

The arguments are the names of `graph.inputs`, in that order. `graph.nodes` are all nodes, parents first, and
`graph.outputs` holds one node.
"""

import ast
from functools import partial
from itertools import permutations

import numpy as np

import tinygrad_lora as tl
from tinygrad_lora.core.node import placeholder
from tinygrad_lora.learn.authoring import (
    Exercise,
    Graph,
    as_array,
    counted,
    example,
    numbers,
    refuse,
    require,
    returned,
    same,
    worst,
)

from ._programs import straight

HINTS = (
    'Keep a dictionary from node to the name of its variable. A form such as `"{} + {}"` for each operation, and '
    "`form.format(...)` fills in the names of the parents.",
    "Go through `graph.nodes`. A leaf has its own name. An operation gets the next of t0, t1, ..., and a line.",
    "The first line is `f\"def program({', '.join(x.name for x in graph.inputs)}):\"`, the last one "
    '`f"    return {names[graph.outputs[0]]}"`. Join all with "\\n".',
)
ABOUT = (
    "The last step of a compiler is plain text: one line for each operation, in an order in which every name is "
    "there before it is read. What is used twice has a variable, so it is computed once."
)
NEXT = "Write one line with `out=`, as in `np.tanh(t0, out=t0)`. When would that be wrong?"
exercise = Exercise("09-emit", __doc__, kind="S", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def emit(graph):
    """The source of a function called program."""
    forms = {
        "add": "{} + {}",
        "subtract": "{} - {}",
        "multiply": "{} * {}",
        "matmul": "{} @ {}",
        "tanh": "np.tanh({})",
    }
    names, lines = {}, []
    for node in graph.nodes:
        if node.parents:
            names[node] = f"t{len(lines)}"
            operands = [names[parent] for parent in node.parents]
            lines.append(f"    {names[node]} = {forms[str(node.op)].format(*operands)}")
        else:
            names[node] = node.name
    inputs = ", ".join(node.name for node in graph.inputs)
    return "\n".join([f"def program({inputs}):", *lines, f"    return {names[graph.outputs[0]]}"]) + "\n"


@exercise.another()
def by_matching(graph):
    """`match` in place of a table, and names by place: no counter, and no name is made twice."""
    signs = {"add": "+", "subtract": "-", "multiply": "*", "matmul": "@"}
    name = {node: f"t{i}" if node.parents else node.name for i, node in enumerate(graph.nodes)}
    text = f"def program({', '.join(name[node] for node in graph.inputs)}):\n"
    for node in graph.nodes:
        match str(node.op), *(name[parent] for parent in node.parents):
            case "tanh", a:
                right = f"np.tanh({a})"
            case op, a, b:
                right = f"{a} {signs[op]} {b}"
            case _:
                continue
        text += f"    {name[node]} = {right}\n"
    return f"{text}    return {name[graph.outputs[0]]}\n"


SIGNS = {ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.MatMult: np.matmul}


class Reading:
    """Runs a text of assignments, and counts its operations. Nothing else is run: what is no such text is refused."""

    def __init__(self, text):
        returned(text, str, "emit", "a text is needed")
        try:
            tree = ast.parse(text)
        except SyntaxError as error:
            line = (text.splitlines() or [""])[min(error.lineno or 1, len(text.splitlines()) or 1) - 1]
            if isinstance(error, IndentationError):
                spaces = counted(len(line) - len(line.lstrip()), "space")
                sentence = f"line {error.lineno} of your text, `{line.strip()}`, has {spaces} before it"
                remedy = "the lines in the function are indented, all by the same number"
                if error.lineno == 1:
                    remedy = "the first line is `def program(...):`, without any"
                raise refuse("indent", f"{sentence}: {remedy}") from None
            raise refuse("syntax", f"your text is no Python: {error.msg} in line {error.lineno}, `{line}`") from None
        outside = [part for part in tree.body if isinstance(part, ast.Assign | ast.Return)]
        sentence = (
            f"`{ast.unparse(outside[0]) if outside else ''}` stands outside the function: give every line in it the "
        )
        require(not outside, "indent", f"{sentence}same number of spaces, such as 4")
        functions = [part for part in tree.body if isinstance(part, ast.FunctionDef)]
        if len(functions) != 1 or functions[0].name != "program":
            raise refuse("no-program", "your text must define one function, called program")
        self.function, self.operations, self.values = functions[0], 0, {}
        self.arguments = [argument.arg for argument in self.function.args.args]

    def run(self, arrays):
        """The result for these arrays."""
        self.values = dict(zip(self.arguments, arrays, strict=True))
        *body, last = self.function.body
        for line in body:
            if not (isinstance(line, ast.Assign) and len(line.targets) == 1 and isinstance(line.targets[0], ast.Name)):
                raise refuse("not-an-assignment", f"`{ast.unparse(line)}`: each line must be `name = operation`")
            name, before = line.targets[0].id, self.operations
            value = self.value(line.value)
            sentence = f"`{ast.unparse(line)}`: {name} has a value already, which may still be needed; take a new name"
            require(name not in self.values, "overwritten", sentence)
            self.values[name] = value
            sentence = f"`{ast.unparse(line)}` has {self.operations - before} operations; one a line"
            require(self.operations - before <= 1, "several-in-a-line", sentence)
        if not isinstance(last, ast.Return) or last.value is None:
            raise refuse("no-return-line", f"the last line is `{ast.unparse(last)}`; it must return the result")
        return self.value(last.value)

    def value(self, part):
        """The value of an expression."""
        if isinstance(part, ast.Name):
            if part.id not in self.values:
                stored = (name for name in ast.walk(self.function) if isinstance(name, ast.Name))
                later = any(name.id == part.id and isinstance(name.ctx, ast.Store) for name in stored)
                why = "is used before it has a value: parents first" if later else "gets a value in no line"
                raise refuse("undefined", f"{part.id} {why}")
            return self.values[part.id]
        if isinstance(part, ast.BinOp) and type(part.op) in SIGNS:
            self.operations += 1
            return SIGNS[type(part.op)](self.value(part.left), self.value(part.right))
        if isinstance(part, ast.Call) and ast.unparse(part.func) == "np.tanh" and len(part.args) == 1:
            self.operations += 1
            return np.tanh(self.value(part.args[0]))
        text = ast.unparse(part)
        remedy = f": write `np.{text}`" if text.startswith("tanh(") else ""
        raise refuse("other-operation", f"`{text}` is not one of the five operations as they are written{remedy}")


def exchanged(wrong, op, old, parents):
    """The operation, or the wrong one in place of `op`."""
    return (wrong if old.op is op else old.op)(*parents)


def judge(emit, graph, rng):
    """One graph: raise, and say what is wrong, unless the text computes its output."""
    text = emit(graph)
    reading = Reading(text)
    expected = [node.name for node in graph.inputs]
    yours = f"your arguments are ({', '.join(reading.arguments)})"
    sentence = f"{yours}; the inputs are ({', '.join(expected)}), in this order"
    require(reading.arguments == expected, "wrong-arguments", sentence, show=graph)
    nodes = sum(bool(node.parents) for node in graph.nodes)
    many = sum(isinstance(part, ast.BinOp | ast.Call) for part in ast.walk(reading.function))
    sentence = f"your text has {many} operations, and the graph {nodes}: what is used twice is computed once"
    require(many <= nodes, "computed-twice", sentence, show=graph)
    arrays = [numbers(rng, node.shape) / 4 for node in graph.inputs]
    answer, right = as_array(reading.run(arrays)), graph(*arrays)[0]
    if same(answer, as_array(right)):
        return
    sentence = f"your result is not that of the graph: {worst(np.broadcast_to(answer, right.shape), as_array(right))}"
    given = {node.name: array for node, array in zip(graph.inputs, arrays, strict=True)}
    lines = "; ".join(line.strip() for line in text.strip().splitlines())
    shown = example(answer, right, **{"your text": lines}, **given)
    turned = Graph(graph.inputs, graph.outputs).map(
        lambda old, parents: old.op(*parents[::-1]) if str(old.op) in ("subtract", "matmul") else old.op(*parents)
    )
    ordered = sorted({str(node.op) for node in graph.nodes} & {"subtract", "matmul"})
    swapped = f"{sentence}: the operands of {' and '.join(ordered)} are the wrong way around"
    unlike = not ordered or not same(answer, as_array(turned(*arrays)[0]))
    require(unlike, "operands-swapped", swapped, show=graph, example=shown)
    for wrong, op in permutations((tl.add, tl.subtract, tl.multiply, tl.matmul), 2):
        slipped = graph.map(partial(exchanged, wrong, op))
        unlike = op not in {node.op for node in graph.nodes} or not same(answer, as_array(slipped(*arrays)[0]))
        instead = f"{sentence}: that is what comes out with {wrong} in place of {op}"
        require(unlike, "wrong-operation", instead, show=graph, example=shown)
    require(False, "other-result", sentence, show=graph, example=shown)


@exercise.check(points=3)
def test_the_text_computes_the_output(emit, seed, budget):
    rng = np.random.default_rng(seed)
    for op in (tl.subtract, tl.matmul, tl.add, tl.multiply):
        leaves = [placeholder((2, 2), name=name) for name in ("y", "x")]
        judge(emit, Graph(leaves, [op(*leaves)]), rng)
        judge(emit, Graph(leaves, [op(*leaves[::-1])]), rng)  # the arguments are not in the order of their use
    for graph in straight(seed, budget):
        judge(emit, graph, rng)


@exercise.check(points=1)
def test_what_is_used_twice_is_computed_once(emit, seed):
    for length in (8, 7):
        node = x = placeholder((2, 2), name="x")
        for _ in range(length):
            node = tl.tanh(node) * node
        judge(emit, Graph([x], [node]), np.random.default_rng(seed))
