"""Known wrong answers: how long an array lives."""

from tinygrad_lora.learn.exercises.t10.liveness import exercise, right_spans


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
