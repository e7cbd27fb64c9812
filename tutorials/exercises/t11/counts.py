r"""How many numbers

A weight of n inputs and m outputs has n times m numbers. Its adapter of rank r has those of A, (n, r), and those of
B, (r, m). Write two functions:

* `adapter_size(shapes, rank)`: how many numbers the adapters of a whole model have, all of this rank. `shapes` is a
  list of pairs (n, m), one for each adapted weight.
* `largest_rank(n, m, share)`: the largest rank at which the adapter of one weight has at most `share` times as many
  numbers as the weight. It is 0 where not even rank 1 is small enough.
"""

from math import ceil

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
    examples = [([(1000, 500)], 8), ([(64, 128), (128, 32), (32, 10)], 4), ([(64, 64), (64, 64), (32, 10)], 2)]
    for size, rng in generators(seed, budget):
        shapes = [(int(n), int(m)) for n, m in rng.integers(2, 50, size=(1 + size % 4, 2))]
        examples.append((shapes, int(rng.integers(1, 9))))
    answers = [as_whole(adapter_size(shapes, rank), "the size") for shapes, rank in examples]
    wrong = [
        (answer, *case) for answer, case in zip(answers, examples, strict=True) if answer != adapter_numbers(*case)
    ]
    if not wrong:
        return
    answer, shapes, rank = wrong[0]
    sentence = f"for {shapes} and rank {rank} it is {adapter_numbers(shapes, rank):,}; yours is {answer:,}"
    for code, why, slip in SIZES:
        require(any(answer != slip(*case) for answer, *case in wrong), code, f"{sentence}: {why}")
    require(False, "wrong-count", sentence)


def adapter_numbers(shapes, rank):
    return sum(rank * n + rank * m for n, m in shapes)


SIZES = (  # what explains all answers that are wrong
    ("product", "n m r; A has n r, B has r m", lambda shapes, rank: sum(n * m * rank for n, m in shapes)),
    ("whole-weight", "that is the weights themselves", lambda shapes, rank: sum(n * m for n, m in shapes)),
    ("one-factor", "that is A alone", lambda shapes, rank: sum(n * rank for n, _ in shapes)),
    ("one-factor", "that is B alone", lambda shapes, rank: sum(m * rank for _, m in shapes)),
    (
        "missing-brackets",
        "brackets are missing; the rank multiplies n and m",
        lambda shapes, rank: sum(rank * n + m for n, m in shapes),
    ),
    ("rank-forgotten", "that is n + m; multiply by the rank", lambda shapes, rank: sum(n + m for n, m in shapes)),
    (
        "same-shapes",
        "two weights of the same shape are two; a set would lose one",
        lambda shapes, rank: adapter_numbers(dict.fromkeys(shapes), rank),
    ),
    ("one-weight", "that is the first adapter alone", lambda shapes, rank: rank * sum(shapes[0])),
)


@exercise.check(points=2)
def test_the_largest_rank_that_is_small_enough(largest_rank, seed, budget):
    examples = [(1000, 1000, 0.125), (64, 64, 0.25), (8, 8, 0.125)]
    for _, rng in generators(seed, budget):
        n, m = (int(v) for v in rng.integers(4, 200, size=2))
        examples.append((n, m, float(rng.choice([0.5, 0.25, 0.125, 0.0625]))))
    answers = [as_whole(largest_rank(*case), "the rank") for case in examples]
    wrong = [(answer, *case) for answer, case in zip(answers, examples, strict=True) if answer != rank_of(*case)]
    if not wrong:
        return
    answer, n, m, share = wrong[0]
    right = rank_of(n, m, share)
    sentence = (
        f"a ({n}, {m}) weight has {n * m:,} numbers, so with share {share} at most {share * n * m:,g} are allowed"
    )
    sizes = f"rank {right} has {right * (n + m):,}, and rank {right + 1} {(right + 1) * (n + m):,}"
    sentence = f"{sentence}; {sizes}; you say {answer}"
    for code, why, slips in RANKS:
        explained = any(all(answer == slip(*case) for answer, *case in wrong) for slip in slips)
        require(not explained, code, f"{sentence}: {why}")
    require(answer < right, "too-large", sentence)
    require(False, "too-small", sentence)


def rank_of(n, m, share):
    return int(share * n * m // (n + m))


RANKS = (  # what explains all answers that are wrong
    ("at-least-one", "not even rank 1 is small enough, so it is 0", [lambda n, m, share: max(1, rank_of(n, m, share))]),
    (
        "share-of-rank",
        "that is a share of the full rank",
        [lambda n, m, share: int(share * min(n, m)), lambda n, m, share: round(share * min(n, m))],
    ),
    (
        "rounded-up",
        "round down",
        [
            lambda n, m, share: round(share * n * m / (n + m)),
            lambda n, m, share: ceil(share * n * m / (n + m)),
            lambda n, m, share: rank_of(n, m, share) + 1,
        ],
    ),
)
