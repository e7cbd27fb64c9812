"""Programs as plain lists of steps, and a machine that runs them in a few places of memory.

A step is `(name, operation, names of what it reads)`. Every array has three rows and three columns.
"""

from collections import Counter

import numpy as np

from tinygrad_lora.learn.authoring import generators, refuse, same

OPERATIONS = {"add": 2, "subtract": 2, "tanh": 1, "matmul": 2}
INPUTS = ("x", "y")
SIZE = 3


def random_program(rng, size):
    """About `size` steps, and the outputs: whatever nobody reads."""
    names, program = [*INPUTS], []
    for i in range(size):
        op = str(rng.choice(["add", "tanh", "matmul", "subtract"]))
        recent = names[-4:]
        reads = tuple(str(rng.choice(recent)) for _ in range(OPERATIONS[op]))
        program.append((f"t{i}", op, reads))
        names.append(f"t{i}")
    read = {name for _, _, reads in program for name in reads}
    return program, [name for name, _, _ in program if name not in read]


def programs(seed, budget):
    """Programs, smallest first; the first are a chain, a diamond, a product in a chain, and a long wait."""
    yield [("t0", "tanh", ("x",)), ("t1", "tanh", ("t0",)), ("t2", "tanh", ("t1",))], ["t2"]
    yield [("t0", "tanh", ("x",)), ("t1", "tanh", ("t0",)), ("t2", "add", ("t0", "t1"))], ["t2"]
    yield [("t0", "tanh", ("x",)), ("t1", "tanh", ("t0",)), ("t2", "tanh", ("t1",))], ["t0"]  # read in step 1, and kept
    yield [("t0", "tanh", ("x",)), ("t1", "matmul", ("t0", "y")), ("t2", "tanh", ("t1",))], ["t2"]
    waiting = [(f"t{i}", "tanh", ("x" if i == 0 else f"t{i - 1}",)) for i in range(5)]
    yield [*waiting, ("t5", "add", ("t0", "t4")), ("t6", "matmul", ("t5", "t0"))], ["t2", "t6"]
    for size, rng in generators(seed, budget):
        yield random_program(rng, size + 2)


def ends(program, outputs):
    """For each array that a step makes, the last step that reads it; for outputs, the end."""
    last = {name: i for i, (name, _, _) in enumerate(program)}
    for i, (_, _, reads) in enumerate(program):
        last |= {name: i for name in reads if name in last}
    return last | dict.fromkeys(outputs, len(program))


def planned(program, outputs, *, careless=False, in_place=True):
    """A place for each array, greedily: the fewest there can be. A careless planner frees after the first reader."""
    last = ends(program, outputs)
    if careless:
        for i, (_, _, reads) in reversed([*enumerate(program)]):
            last |= {name: i for name in reads if name in last}
    place_of, free = {}, []
    for i, (name, op, reads) in enumerate(program):
        done = [place_of[r] for r in dict.fromkeys(reads) if r in place_of and last[r] == i]
        if op != "matmul" and in_place:
            free, done = [*free, *done], []
        place_of[name] = free.pop() if free else len(set(place_of.values()))
        free += done
    return place_of


def run(program, outputs, places=None):
    """The outputs of a program; with `places`, each array is written where it says, over what was there."""
    rng, memory = np.random.default_rng([0, 10]), {}
    inputs = {name: rng.normal(size=(SIZE, SIZE)) for name in INPUTS}

    def at(name):
        return inputs[name] if name in inputs else memory[name if places is None else places[name]]

    for name, op, reads in program:
        operands = [at(r) for r in reads]
        target = memory.setdefault(name if places is None else places[name], np.zeros((SIZE, SIZE)))
        if op == "matmul":  # as a loop would: set to zero, then add up the products
            a, b = operands
            target[:] = 0.0
            for k in range(SIZE):
                target += np.outer(a[:, k], b[k])
        else:
            function = {"add": np.add, "subtract": np.subtract, "tanh": np.tanh}[op]
            function(*operands, out=target)
    return {name: at(name).copy() for name in outputs}


def wrong_outputs(program, outputs, places):
    """The outputs that come out wrong in these places."""
    right, results = run(program, outputs), run(program, outputs, places)
    return [name for name in outputs if not same(results[name], right[name], 1e-9, 0.0)]


def text_of(program):
    """A program in one line."""
    return "; ".join(f"{name} = {op}({', '.join(reads)})" for name, op, reads in program)


def checked_program(answer, who):
    """A program that a student wrote, with its outputs. Raises `Wrong` unless it can be run."""
    if answer is None:
        raise refuse("no-return", f"{who} gave None: does it end with `return`?")
    if type(answer) is not tuple or len(answer) != 2:
        raise refuse("not-a-program", f"{who} must give a pair: the list of steps, and the list of outputs")
    steps, outputs = answer
    if type(steps) not in (list, tuple) or type(outputs) not in (list, tuple) or not steps or not outputs:
        raise refuse("not-a-program", f"{who} must give a list of steps and a list of outputs, neither of them empty")
    known, program = [*INPUTS], []
    for step in steps:
        if type(step) is not tuple or len(step) != 3 or type(step[2]) not in (list, tuple):
            raise refuse("not-a-program", f"{who}: {step!r} is no step such as ('t0', 'add', ('x', 'y'))")
        name, op, reads = step
        if type(op) is not str or op not in OPERATIONS or len(reads) != OPERATIONS[op]:
            takes = ", ".join(f"{name} of {n}" for name, n in OPERATIONS.items())
            raise refuse("not-a-program", f"{who}: {step!r} does not fit; there are {takes}")
        if unknown := [r for r in reads if r not in known]:
            raise refuse("not-a-program", f"{who}: {step!r} reads {unknown[0]!r}, which is not defined yet")
        if type(name) is not str or name in known:
            raise refuse("not-a-program", f"{who}: {name!r} is already taken: give each result a name of its own")
        known.append(name)
        program.append((name, op, tuple(reads)))
    made = Counter(name for name, _, _ in program)
    if other := [name for name in outputs if name not in made]:
        raise refuse("not-a-program", f"{who}: the output {other[0]!r} is made by no step")
    return program, list(outputs)
