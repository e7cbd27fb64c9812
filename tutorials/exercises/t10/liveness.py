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

from tinygrad_lora.learn.authoring import Exercise, are, as_whole, counted, refuse, require, returned

from ._programs import ends, programs, text_of

HINTS = (
    "One walk over the program tells when each array is made. What does the same walk know about readers?",
    "Start with `last` equal to `first`. Each step that reads an array sets its `last` to the number of that step: "
    "the latest wins. Outputs come at the end. For `most_alive`, count at every step.",
    "`for r in reads: if r in made: last[r] = i`, then `last[name] = len(program)` for outputs. "
    "`sum(first <= i <= last for first, last in spans.values())` counts at step i.",
)
ABOUT = (
    "An array is needed from the step that makes it to the last one that reads it, and one look at the program "
    "gives both. The largest number alive at one step is how many places the program needs."
)
NEXT = (
    "Exchange two steps that do not depend on each other. Can the most that are alive change? Find a program in "
    "which it does."
)
exercise = Exercise("10-liveness", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


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


@exercise.another("lifetimes")
def from_the_end(program, outputs):
    """Backward: the first reader that is met from the end is the last one."""
    last, spans = dict.fromkeys(outputs, len(program)), {}
    for i, (name, _, reads) in reversed([*enumerate(program)]):
        spans[name] = i, last.get(name, i)
        for read in reads:
            last.setdefault(read, i)
    return spans


@exercise.another("most_alive")
def by_coming_and_going(spans):
    """One more where an array begins, one less behind its end; the largest sum on the way is the answer."""
    events = sorted((step, sign) for first, last in spans.values() for step, sign in ((first, 1), (last + 0.5, -1)))
    alive = most = 0
    for _, sign in events:
        alive += sign
        most = max(most, alive)
    return most


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
        require(span[1] <= last, "lives-too-long", sentence)
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


def most(spans, test=lambda first, i, last: first <= i <= last):
    """The largest number of arrays alive at one step, by a test of its own."""
    return max(counts(spans, test))


def counts(spans, test=lambda first, i, last: first <= i <= last):
    steps = range(max(last for _, last in spans.values()) + 1)
    return [sum(test(first, i, last) for first, last in spans.values()) for i in steps]


GUESSES = (
    ("counts-all", "that is all of them", len),
    ("ends-too-soon", "a step reads its operands while it makes its result",
     lambda spans: most(spans, lambda first, i, last: first <= i < last)),
    ("ends-too-soon", "an array is alive at the step that makes it, too",
     lambda spans: most(spans, lambda first, i, last: first < i <= last)),
    ("which-step", "that is the number of a step", lambda spans: counts(spans).index(most(spans))),
    ("longest-life", "that is how many steps the longest life has",
     lambda spans: max(last - first + 1 for first, last in spans.values())),
    ("longest-life", "that is how far the longest life goes", lambda spans: max(b - a for a, b in spans.values())),
)  # fmt: skip


@exercise.check(points=1)
def test_the_most_that_are_alive_at_once(most_alive, seed, budget):
    cases = [right_spans(program, outputs) for program, outputs in programs(seed, budget)]
    answers = [as_whole(most_alive(dict(spans)), "the number") for spans in cases]
    wrong = [i for i, spans in enumerate(cases) if answers[i] != most(spans)]
    if not wrong:
        for spans in ({"t0": (0, 1), "t1": (1, 1)}, {"t0": (0, 0)}):  # arrays that nobody reads, at the very end
            answer = as_whole(most_alive(dict(spans)), "the number")
            sentence = f"most_alive({spans}) must be {most(spans)}; you say {answer}: the last step counts, too"
            require(answer == most(spans), "last-step-forgotten", sentence)
        return
    spans, answer = cases[wrong[0]], answers[wrong[0]]
    lives = ", ".join(f"{name} {first} to {last}" for name, (first, last) in spans.items())
    yours = (
        f"of {counted(len(spans), 'array')}, {lives}, at most {most(spans)} {are(most(spans))} alive at once; you say "
    )
    yours += str(answer)
    for code, why, guess in GUESSES:
        require(answers != [guess(spans) for spans in cases], code, f"{yours}: {why}")
    require(False, "wrong-count", yours)
