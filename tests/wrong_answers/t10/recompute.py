"""Known wrong answers: what to compute again."""

from tinygrad_lora.learn.exercises.t10.recompute import again_of, best_of, exercise, greedy


@exercise.mutant("one-level", name="computed_again")
def forgets_what_they_read(program, needed, kept):
    return [name for name, _, _ in program if name in needed and name not in kept]


@exercise.mutant("past-the-kept", name="computed_again")
def goes_on_below_the_kept(program, needed, kept):
    return again_of(program, needed, kept, stop=False)


@exercise.mutant("kept-ignored", name="computed_again")
def keeps_for_nothing(program, needed, kept):
    return again_of(program, needed, [])


@exercise.mutant("everything", name="computed_again")
def runs_all_that_is_not_kept(program, needed, kept):
    return [name for name, _, _ in program if name not in kept]


@exercise.mutant("wrong-order", name="computed_again")
def from_the_end(program, needed, kept):
    return again_of(program, needed, kept)[::-1]


@exercise.mutant("repeated", name="computed_again")
def once_for_each_reader(program, needed, kept):
    reads_of = {name: reads for name, _, reads in program}

    def below(name):
        if name in kept or name not in reads_of:
            return []
        return [*(step for read in reads_of[name] for step in below(read)), name]

    return [step for name in needed for step in below(name)]


@exercise.mutant("over-budget", name="best_to_keep")
def keeps_all_that_is_needed(program, needed, size, cost, budget):
    return needed


@exercise.mutant("only-needed", name="best_to_keep")
def looks_at_the_needed_alone(program, needed, size, cost, budget):
    return best_of(program, needed, size, cost, budget, among=needed)


@exercise.mutant("own-cost-only", name="best_to_keep")
def forgets_what_runs_with_it(program, needed, size, cost, budget):
    return best_of(program, needed, size, cost, budget, key=lambda kept: -sum(cost[name] for name in kept))


@exercise.mutant("greedy", name="best_to_keep")
def the_most_expensive_first(program, needed, size, cost, budget):
    return greedy(program, size, budget, lambda name: -cost[name])


@exercise.mutant("keeps-nothing", name="best_to_keep")
def keeps_nothing(program, needed, size, cost, budget):
    return []
