"""Known wrong answers: how many numbers."""

from tinygrad_lora.learn.exercises.t11.counts import exercise


@exercise.mutant("product", name="adapter_size")
def multiplies_all_three(shapes, rank):
    return sum(n * rank * m for n, m in shapes)


@exercise.mutant("one-factor", name="adapter_size")
def forgets_b(shapes, rank):
    return sum(n * rank for n, _ in shapes)


@exercise.mutant("one-weight", name="adapter_size")
def stops_after_the_first(shapes, rank):
    n, m = shapes[0]
    return rank * (n + m)


@exercise.mutant("rounded-up", name="largest_rank")
def rounds_up(n, m, share):
    return -int(-share * n * m // (n + m))


@exercise.mutant("share-of-rank", name="largest_rank")
def takes_a_share_of_the_rank(n, m, share):
    return int(share * min(n, m))
