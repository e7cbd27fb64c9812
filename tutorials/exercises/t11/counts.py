r"""How many numbers

A weight of n inputs and m outputs has n times m numbers. Its adapter of rank r has those of A, (n, r), and those of
B, (r, m). Write two functions:

* `adapter_size(shapes, rank)`: how many numbers the adapters of a whole model have, all of this rank. `shapes` is a
  list of pairs (n, m), one for each adapted weight.
* `largest_rank(n, m, share)`: the largest rank at which the adapter of one weight has at most `share` times as many
  numbers as the weight. It is 0 where not even rank 1 is small enough.
"""

from tinygrad_lora.learn.authoring import Exercise, as_whole, generators, require

HINTS = (
    "Count the numbers in A, then those in B.",
    "Together r (n + m). For the largest rank solve r (n + m) <= share n m for r, and think about rounding.",
    "`sum(rank * (n + m) for n, m in shapes)` and `int(share * n * m // (n + m))`",
)
ABOUT = (
    "An adapter grows with the sum of a weight's sides, and the weight with their product. So rank 8 is 0.4 % of "
    "a weight of 4096 by 4096, and 25 % of one of 64 by 64."
)
NEXT = (
    "At which rank has the adapter of a square weight as many numbers as the weight? What could be the use of an "
    "even larger one?"
)
exercise = Exercise("11-counts", __doc__, kind="P", hints=HINTS, about=ABOUT, next_step=NEXT)


@exercise.reference
def adapter_size(shapes, rank):
    """How many numbers the adapters of these weights have."""
    return sum(rank * (n + m) for n, m in shapes)


@exercise.reference
def largest_rank(n, m, share):
    """The largest rank whose adapter has at most this share of the weight's numbers."""
    return int(share * n * m // (n + m))


@exercise.another("adapter_size")
def all_sides_at_once(shapes, rank):
    """Each side of each weight meets the rank once: add up the sides, and multiply at the end."""
    return rank * sum(map(sum, shapes))


@exercise.another("largest_rank")
def by_counting_up(n, m, share):
    """Count up until the next rank would be too large; no rounding to think about."""
    rank = 0
    while (rank + 1) * (n + m) <= share * n * m:
        rank += 1
    return rank


@exercise.check(points=2)
def test_the_numbers_are_counted(adapter_size, seed, budget):
    examples = [([(1000, 1000)], 8), ([(64, 128), (128, 32), (32, 10)], 4), ([(64, 64), (64, 64), (32, 10)], 2)]
    for size, rng in generators(seed, budget):
        shapes = [(int(n), int(m)) for n, m in rng.integers(2, 50, size=(1 + size % 4, 2))]
        examples.append((shapes, int(rng.integers(1, 9))))
    for shapes, rank in examples:
        answer = as_whole(adapter_size(shapes, rank), "the size")
        right = sum(rank * n + rank * m for n, m in shapes)
        sentence = f"for {shapes} and rank {rank} it is {right:,}; yours is {answer:,}"
        if answer == right:
            continue
        require(answer != sum(n * m * rank for n, m in shapes), "product", f"{sentence}: n m r; A has n r, B has r m")
        require(answer != sum(n * m for n, m in shapes), "whole-weight", f"{sentence}: that is the weights themselves")
        only_a = answer in (sum(n * rank for n, _ in shapes), sum(m * rank for _, m in shapes))
        require(not only_a, "one-factor", f"{sentence}: that is one of the two factors")
        unbracketed = answer == sum(rank * n + m for n, m in shapes)
        require(not unbracketed, "missing-brackets", f"{sentence}: brackets are missing; the rank multiplies n and m")
        alone = answer == sum(n + m for n, m in shapes)
        require(not alone, "rank-forgotten", f"{sentence}: that is n + m; multiply by the rank")
        once = answer == sum(rank * (n + m) for n, m in dict.fromkeys(shapes))
        require(not once, "same-shapes", f"{sentence}: two weights of the same shape are two; a set would lose one")
        first = answer == rank * sum(shapes[0])
        require(not first, "one-weight", f"{sentence}: that is the first adapter alone")
        require(False, "wrong-count", sentence)


@exercise.check(points=2)
def test_the_largest_rank_that_is_small_enough(largest_rank, seed, budget):
    examples = [(1000, 1000, 0.125), (64, 64, 0.25), (8, 8, 0.125)]
    for _, rng in generators(seed, budget):
        n, m = (int(v) for v in rng.integers(4, 200, size=2))
        examples.append((n, m, float(rng.choice([0.5, 0.25, 0.125, 0.0625]))))
    for n, m, share in examples:
        answer, right = as_whole(largest_rank(n, m, share), "the rank"), int(share * n * m // (n + m))
        sentence = f"a ({n}, {m}) weight has {n * m:,} numbers, so at most {share * n * m:,.1f} are allowed"
        sizes = f"rank {right} has {right * (n + m):,}, and rank {right + 1} {(right + 1) * (n + m):,}"
        sentence = f"{sentence}; {sizes}; you say {answer}"
        if answer == right:
            continue
        none = f"{sentence}: not even rank 1 is small enough, so it is 0"
        require(right > 0 or answer != 1, "at-least-one", none)
        of_full = answer == int(share * min(n, m))
        require(not of_full, "share-of-rank", f"{sentence}: that is a share of the full rank")
        require(answer != right + 1, "rounded-up", f"{sentence}: round down")
        require(answer < right, "too-large", sentence)
        require(False, "too-small", sentence)
