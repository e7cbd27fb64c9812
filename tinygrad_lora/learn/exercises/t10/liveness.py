r"""How long an array lives

A program is a list of steps `(name, operation, names of what it reads)`:

    program = [("t0", "tanh", ("x",)), ("t1", "matmul", ("t0", "y")), ("t2", "add", ("t0", "t1"))]
    outputs = ["t2"]

Write two functions:

* `lifetimes(program, outputs)`: a dictionary that gives `(first, last)` for each array made by a step. `first` is the
  number of the step that makes it, counted from 0, and `last` that of the last step that reads it. An output is read by
  the caller, after the program: its `last` is `len(program)`. An array that nobody reads has `last` equal to `first`.
  Names that no step makes, such as "x", are inputs and do not count.
* `most_alive(spans)`: from such a dictionary, the largest number of arrays alive at one step. An array is alive from
  its first step to its last, both included.
"""

from ...authoring import Exercise, are, as_whole, counted, refuse, require, returned
from ._programs import ends, programs, text_of

HINTS = (
    "One walk over the program tells when each array is made. What does the same walk know about readers?",
    "Start with `last` equal to `first`. Each step that reads an array sets its `last` to the number of that step: "
    "the latest wins. Outputs come at the end. For `most_alive`, count at every step.",
    "`for r in reads: if r in made: last[r] = i`, then `last[name] = len(program)` for outputs. "
    "`sum(first <= i <= last for first, last in spans.values())` counts at step i.",
)
exercise = Exercise("10-liveness", __doc__, kind="P", hints=HINTS)


@exercise.reference
def lifetimes(program, outputs):
    """For each array that a step makes: the step that makes it, and the last one that reads it."""
    first = {name: i for i, (name, operation, reads) in enumerate(program)}
    last = dict(first)
    for i, (_, _, reads) in enumerate(program):
        for name in reads:
            if name in first:
                last[name] = i
    for name in outputs:
        last[name] = len(program)
    return {name: (first[name], last[name]) for name in first}


@exercise.reference
def most_alive(spans):
    """The largest number of arrays that are alive at one step."""
    end = max(last for first, last in spans.values())
    return max(sum(first <= i <= last for first, last in spans.values()) for i in range(end + 1))


def right_spans(program, outputs):
    """The right lifetimes, by the name of the array."""
    last = ends(program, outputs)
    return {name: (i, last[name]) for i, (name, _, _) in enumerate(program)}


def checked_span(span, name):
    """The student's entry for one array, as a pair of whole numbers."""
    if type(span) not in (tuple, list) or len(span) != 2:
        raise refuse("wrong-type", f"the entry of {name} is {span!r}; a pair (first, last) is needed")
    return as_whole(span[0], f"the first step of {name}"), as_whole(span[1], f"the last step of {name}")


def judge(lifetimes, program, outputs):
    """One program: raise, and say what is wrong with the first array that is wrong."""
    answer = returned(lifetimes(program, outputs), dict, "lifetimes", "a dictionary is needed")
    right = right_spans(program, outputs)
    where = f"in {text_of(program)}, with the outputs {', '.join(outputs)}," if len(program) < 9 else "in a long one"
    extra = [str(name) for name in answer if name not in right]
    require(not extra, "inputs-counted", f"{where} {', '.join(extra)} {are(extra)} made by no step, and so not counted")
    for name, (first, last) in right.items():
        if name not in answer:
            require(last != first, "never-read-lost", f"{where} {name} is missing: nobody reads it, but it is made")
            require(False, "missing-name", f"{where} {name} is missing")
        span = checked_span(answer[name], name)
        sentence = f"{where} {name} lives from step {first} to {last}; yours from {span[0]} to {span[1]}"
        if span == (first, last):
            continue
        require(span[0] == first, "wrong-first", sentence)
        readers = [i for i, (_, _, reads) in enumerate(program) if name in reads]
        if name in outputs:
            require(False, "output-freed", f"{sentence}: it is an output, and the caller reads it at the end")
        first_reader = readers and span[1] == readers[0]
        require(not first_reader, "first-reader", f"{sentence}: that is its first reader, not its last")
        require(span[1] < last, "lives-too-long", sentence)
        require(False, "freed-too-soon", sentence)


@exercise.check(points=3)
def test_every_array_lives_as_long_as_it_is_needed(lifetimes, seed, budget):
    for program, outputs in programs(seed, budget):
        judge(lifetimes, program, outputs)
    unread = [("t0", "tanh", ("x",)), ("t1", "tanh", ("x",)), ("t2", "tanh", ("t1",))]
    judge(lifetimes, unread, ["t2"])


@exercise.check(points=1)
def test_the_most_that_are_alive_at_once(most_alive, seed, budget):
    for program, outputs in programs(seed, budget):
        spans = right_spans(program, outputs)
        answer = as_whole(most_alive(spans), "the number")
        steps = range(len(program) + 1)
        right = max(sum(a <= i <= b for a, b in spans.values()) for i in steps)
        open_ended = max(sum(a <= i < b for a, b in spans.values()) for i in steps)
        changing = max(sum(a < i <= b for a, b in spans.values()) for i in steps)
        yours = f"of {counted(len(spans), 'array')} at most {right} {are(right)} alive at once; you say {answer} (in "
        yours += f"{text_of(program)})"
        if answer == right:
            continue
        require(answer != len(spans), "counts-all", f"{yours}: that is all of them")
        too_few = answer in (open_ended, changing)
        require(not too_few, "ends-too-soon", f"{yours}: a step reads its operands while it makes its result")
        require(False, "wrong-count", yours)


@exercise.mutant("first-reader", name="lifetimes")
def stops_at_the_first_reader(program, outputs):
    spans = {name: (i, i) for i, (name, _, _) in enumerate(program)}
    for i, (_, _, reads) in enumerate(program):
        spans |= {r: (spans[r][0], i) for r in reads if r in spans and spans[r][0] == spans[r][1]}
    return spans | {name: (spans[name][0], len(program)) for name in outputs}


@exercise.mutant("output-freed", name="lifetimes")
def forgets_the_caller(program, outputs):
    return right_spans(program, [])


@exercise.mutant("inputs-counted", name="lifetimes")
def counts_the_inputs(program, outputs):
    return {"x": (0, len(program))} | right_spans(program, outputs)


@exercise.mutant("never-read-lost", name="lifetimes")
def leaves_out_what_nobody_reads(program, outputs):
    return {name: span for name, span in right_spans(program, outputs).items() if span[0] < span[1]}


@exercise.mutant("ends-too-soon", name="most_alive")
def frees_before_the_last_reader_is_done(spans):
    steps = range(max(last for _, last in spans.values()) + 1)
    return max(sum(first <= i < last for first, last in spans.values()) for i in steps)


@exercise.mutant("counts-all", name="most_alive")
def counts_them_all(spans):
    return len(spans)
