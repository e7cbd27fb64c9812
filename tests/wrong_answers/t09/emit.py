"""Known wrong answers: print a program."""

from tinygrad_lora.learn.exercises.t09.emit import exercise

FORMS = {"add": "({} + {})", "subtract": "({} - {})", "multiply": "({} * {})", "matmul": "({} @ {})",
         "tanh": "np.tanh({})"}  # fmt: skip


@exercise.mutant("several-in-a-line")
def writes_one_long_line(graph):
    code = {}
    for node in graph.nodes:
        operands = [code[p] for p in node.parents]
        code[node] = FORMS[str(node.op)].format(*operands) if node.parents else node.name
    inputs = ", ".join(node.name for node in graph.inputs)
    return f"def program({inputs}):\n    t0 = {code[graph.outputs[0]]}\n    return t0\n"


@exercise.mutant("operands-swapped")
def begins_with_the_last_operand(graph):
    lines = exercise.references["emit"](graph).splitlines()
    for i, line in enumerate(lines):
        for sign in (" - ", " @ "):
            if sign in line:
                name, _, code = line.partition(" = ")
                a, b = code.split(sign)
                lines[i] = f"{name} = {b}{sign}{a}"
    return "\n".join(lines)


@exercise.mutant("wrong-arguments")
def sorts_the_arguments(graph):
    text = exercise.references["emit"](graph)
    inputs = ", ".join(node.name for node in graph.inputs)
    return text.replace(f"({inputs}):", f"({', '.join(sorted(inputs.split(', ')))}):")


@exercise.mutant("overwritten")
def has_two_variables_only(graph):
    names, lines = {}, []
    for node in graph.nodes:
        names[node] = f"t{len(lines) % 2}" if node.parents else node.name
        if node.parents:
            lines.append(f"    {names[node]} = {FORMS[str(node.op)].format(*[names[p] for p in node.parents])}")
    inputs = ", ".join(node.name for node in graph.inputs)
    return "\n".join([f"def program({inputs}):", *lines, f"    return {names[graph.outputs[0]]}"])


@exercise.mutant("no-return-line")
def forgets_to_return(graph):
    return "\n".join(exercise.references["emit"](graph).splitlines()[:-1])
